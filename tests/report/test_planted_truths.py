"""Intervals cover and tests reject as often as they claim, by enumeration if possible and otherwise in simulated sweeps.

All simulations are seeded, so these tests give the same answer every time.
"""

import numpy as np
import pytest
from scipy import stats
from support.simulated import simulate

from fa_sweep.report import equivalence, hypotheses, improvement
from fa_sweep.report.estimates import group_table
from fa_sweep.report.hypotheses import fisher, mcnemar, wilcoxon
from fa_sweep.report.intervals import difference_of_fractions
from fa_sweep.sweeping.outcomes import wilson_interval

SWEEPS = 1000


@pytest.mark.parametrize("n", [*range(10, 41), 50, 75, 100, 200])
def test_wilson_covers_by_enumeration(n):
    """Coverage is checked at rates throughout [0.05, 0.95], including both sides of its jumps, where it is lowest.

    It is at least 91 % from n = 14 on. At n = 10, 11 and 13 it falls to 89.3, 89.3 and 90.9 %, each in one narrow range.
    """
    bounds = np.array([wilson_interval(k, n) for k in range(n + 1)])
    rates = np.unique(np.r_[np.linspace(0.05, 0.95, 1801), bounds.ravel() - 1e-9, bounds.ravel() + 1e-9])
    rates = rates[(rates >= 0.05) & (rates <= 0.95)]
    covers = (bounds[:, :1] <= rates) & (rates <= bounds[:, 1:])
    coverage = (stats.binom.pmf(np.arange(n + 1)[:, None], n, rates) * covers).sum(0)
    assert coverage.min() >= (0.893 if n < 14 else 0.91)
    even = np.interp(np.linspace(0.05, 0.95, 1801), rates, coverage)
    assert 0.94 <= even.mean() <= 0.96


# Probabilities of (both, first only, second only, neither): from independence to hardly any discordant pair.
@pytest.mark.parametrize(
    "cells",
    [
        (0.25, 0.25, 0.25, 0.25),
        (0.3, 0.6, 0.05, 0.05),
        (0.1, 0.2, 0.1, 0.6),
        (0.45, 0.06, 0.04, 0.45),
        (0.24, 0.72, 0.01, 0.03),
    ],
)
def test_newcombe_paired_covers(cells):
    _, b, c, _ = cells
    truth = b - c
    generator = np.random.default_rng(1)
    hits = 0
    for counts in generator.multinomial(50, cells, SWEEPS):
        first = np.repeat([True, True, False, False], counts)
        second = np.repeat([True, False, True, False], counts)
        low, high = difference_of_fractions(first, second, (first, second))
        hits += low <= truth <= high
    assert 0.92 <= hits / SWEEPS <= 0.97


@pytest.mark.parametrize(("p", "q"), [(0.5, 0.5), (0.9, 0.3), (0.1, 0.2)])
def test_newcombe_unpaired_covers(p, q):
    generator = np.random.default_rng(2)
    hits = 0
    for k1, k2 in zip(generator.binomial(50, p, SWEEPS), generator.binomial(50, q, SWEEPS), strict=True):
        nobody = np.zeros(0, bool)
        low, high = difference_of_fractions(np.arange(50) < k1, np.arange(50) < k2, (nobody, nobody))
        hits += low <= p - q <= high
    assert 0.92 <= hits / SWEEPS <= 0.97


def test_mcnemar_keeps_its_level_by_enumeration():
    """Under the null hypothesis each discordant pair favours either group with equal probability."""
    for discordant in range(1, 40):
        rejected = 0.0
        for k in range(discordant + 1):
            first = np.r_[np.ones(k, bool), np.zeros(discordant - k, bool)]
            if mcnemar(first, ~first).p <= 0.05:
                rejected += stats.binom.pmf(k, discordant, 0.5)
        assert rejected <= 0.05


def test_fisher_keeps_its_level_by_enumeration():
    n = 15
    rejects = [[fisher(np.arange(n) < i, np.arange(n) < j).p <= 0.05 for j in range(n + 1)] for i in range(n + 1)]
    for p in np.linspace(0.05, 0.95, 19):
        pmf = stats.binom.pmf(np.arange(n + 1), n, p)
        assert (np.outer(pmf, pmf) * rejects).sum() <= 0.05


@pytest.mark.parametrize("n", [8, 30])
def test_wilcoxon_keeps_its_level(monkeypatch, n):
    """Under the null hypothesis differences are symmetric about zero, with ties and zeros as in restricted times."""
    monkeypatch.setattr(hypotheses, "RESAMPLES", 999)
    generator = np.random.default_rng(4)
    differences = np.round(generator.normal(0, 2, (SWEEPS, n))) * 100
    rejected = np.mean([wilcoxon(d, ("null", str(i))).p <= 0.05 for i, d in enumerate(differences)])
    assert rejected <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / SWEEPS)


def test_planted_rates_are_found(settings):
    """If runs converge with probability 0.3, the table's interval covers that rate as often as it claims."""
    generator = np.random.default_rng(6)
    hits = 0
    for number in range(30):
        times = [
            int(t) if c else None for c, t in zip(generator.random(50) < 0.3, generator.integers(1, 46, 50) * 100, strict=True)
        ]
        frames = simulate(settings, {"g": times}, name=str(number))
        row = group_table(frames).iloc[0]
        assert row["converged"] == sum(t is not None for t in times)
        hits += row["converged_low"] <= 0.3 <= row["converged_high"]
    assert hits >= 25  # of 30; at 95 % coverage, fewer than 25 hits occur less than once in 200 times


@pytest.mark.parametrize("rates", [(0.5, 0.5), (0.3, 0.1), (0.05, 0.05), (0.02, 0.0), (0.9, 0.05), (0.6, 0.2)])
@pytest.mark.parametrize("n", [10, 25])
def test_the_probability_of_improvement_at_the_same_seed_covers_by_enumeration(n, rates):
    """Wins, losses and ties are multinomial. Most pairs may tie, or none."""
    truth = 0.5 + (rates[0] - rates[1]) / 2
    covered = 0.0
    for wins in range(n + 1):
        for losses in range(n + 1 - wins):
            low, high = (0.5 + end / 2 for end in improvement.tango(wins, losses, n))
            if low <= truth + 1e-9 and truth - 1e-9 <= high:
                counts = [wins, losses, n - wins - losses]
                covered += stats.multinomial.pmf(counts, n, [*rates, 1 - sum(rates)])
    assert covered >= 0.93


@pytest.mark.parametrize("spread", [1.0, 10.0])
@pytest.mark.parametrize(("n", "m"), [(8, 8), (10, 30)])
def test_the_probability_of_improvement_of_other_seeds_covers(n, m, spread):
    """Two normal populations of equal or very different spread, whose probability of improvement is known."""
    generator, hits = np.random.default_rng(7), 0
    truth = stats.norm.cdf(1 / np.hypot(1, spread))
    for _ in range(SWEEPS // 2):
        _, low, high = improvement.of_groups(generator.normal(1, 1, n), generator.normal(0, spread, m))
        hits += low <= truth <= high
    assert hits / (SWEEPS // 2) >= 0.93


@pytest.mark.parametrize("n", [6, 20])
def test_equivalence_is_not_shown_too_often_at_the_margin(n):
    """The true difference lies at the margin, so a test at 5 % may find equivalence in at most 5 % of the sweeps."""
    generator, margin, most = np.random.default_rng(8), 1.0, 0.05 + 3 * np.sqrt(0.05 * 0.95 / SWEEPS)
    draws = generator.normal(margin, 1.0, (SWEEPS, n))
    rejected = np.mean([equivalence.of_mean(d, 5 * margin) <= 0.05 for d in draws + 4 * margin])
    assert rejected <= most
    pairs = generator.normal(0, 1, (2, SWEEPS, n))
    rejected = np.mean([equivalence.of_means(a + 5, b, 5.0) <= 0.05 for a, b in zip(*pairs, strict=True)])
    assert rejected <= most
    skewed = generator.exponential(1.0, (SWEEPS, n)) - np.log(2) + margin  # its median is the margin
    rejected = np.mean([equivalence.of_median(d, margin) <= 0.05 for d in skewed])
    assert rejected <= most


def test_equivalence_of_fractions_is_not_shown_too_often_at_the_margin():
    """The score interval is approximate, so the level is nearly kept: the probabilities differ by exactly the margin."""
    generator, rejected = np.random.default_rng(9), 0
    for counts in generator.multinomial(60, (0.6, 0.2, 0.0, 0.2), SWEEPS // 2):
        first, second = np.repeat([True, True, False, False], counts), np.repeat([True, False, True, False], counts)
        p = equivalence.by_interval(lambda level, a=first, b=second: difference_of_fractions(a, b, (a, b), level), 0.2)
        rejected += p <= 0.05
    assert rejected / (SWEEPS // 2) <= 0.06
