"""Intervals cover and tests reject as often as they say: by enumeration where that can be, else over simulated sweeps.

All simulations are seeded, so these tests give the same answer every time.
"""

import numpy as np
import pytest
from scipy import stats
from support.simulated import HORIZON, simulate

from analysis import comparisons, estimates
from analysis.comparisons import fisher, logrank, mcnemar, paired_difference, unpaired_difference, wilcoxon
from analysis.estimates import bootstrap_interval, group_table, interquartile_mean
from fa_sweep.convergence import wilson_interval

SWEEPS = 1000


@pytest.mark.parametrize("n", [*range(10, 41), 50, 75, 100, 200])
def test_wilson_covers_by_enumeration(n):
    """Every rate in [0.05, 0.95], the jumps of the coverage included, where it is lowest.

    The floor of 91 % holds from n = 14 on; at n = 10, 11 and 13 it is 89.3, 89.3 and 90.9 %, each at one narrow spot.
    """
    bounds = np.array([wilson_interval(k, n) for k in range(n + 1)])
    rates = np.unique(np.r_[np.linspace(0.05, 0.95, 1801), bounds.ravel() - 1e-9, bounds.ravel() + 1e-9])
    rates = rates[(rates >= 0.05) & (rates <= 0.95)]
    covers = (bounds[:, :1] <= rates) & (rates <= bounds[:, 1:])
    coverage = (stats.binom.pmf(np.arange(n + 1)[:, None], n, rates) * covers).sum(0)
    assert coverage.min() >= (0.893 if n < 14 else 0.91)
    even = np.interp(np.linspace(0.05, 0.95, 1801), rates, coverage)
    assert 0.94 <= even.mean() <= 0.96


# Probabilities of both, first only, second only, neither: from independence to nearly no discordant pair.
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
        low, high = paired_difference(first, second)
        hits += low <= truth <= high
    assert 0.92 <= hits / SWEEPS <= 0.97


@pytest.mark.parametrize(("p", "q"), [(0.5, 0.5), (0.9, 0.3), (0.1, 0.2)])
def test_newcombe_unpaired_covers(p, q):
    generator = np.random.default_rng(2)
    hits = 0
    for k1, k2 in zip(generator.binomial(50, p, SWEEPS), generator.binomial(50, q, SWEEPS), strict=True):
        low, high = unpaired_difference(np.arange(50) < k1, np.arange(50) < k2)
        hits += low <= p - q <= high
    assert 0.92 <= hits / SWEEPS <= 0.97


def skewed(generator, shape):
    """Restricted times as sweeps have them: exponential, cut at the horizon."""
    return np.minimum(generator.exponential(2000, shape), HORIZON)


CONTINUOUS = {
    "restricted mean": (np.mean, skewed, 2000 * (1 - np.exp(-HORIZON / 2000))),
    "median angle": (np.median, lambda g, shape: g.normal(88, 12, shape), 88.0),
    "interquartile mean": (interquartile_mean, lambda g, shape: g.normal(0.4, 0.1, shape), 0.4),
}


@pytest.mark.parametrize("quantity", CONTINUOUS)
def test_percentile_bootstraps_cover(monkeypatch, quantity):
    """With 999 resamples instead of 9,999, which moves the coverage by less than the simulation's own error."""
    monkeypatch.setattr(estimates, "RESAMPLES", 999)
    statistic, draw, truth = CONTINUOUS[quantity]
    samples = draw(np.random.default_rng(3), (SWEEPS, 50))
    bounds = np.array([bootstrap_interval([s], statistic, (quantity, str(i))) for i, s in enumerate(samples)])
    coverage = ((bounds[:, 0] <= truth) & (truth <= bounds[:, 1])).mean()
    assert 0.92 <= coverage <= 0.97


def test_mcnemar_keeps_its_level_by_enumeration():
    """Under the null each discordant pair falls either way with equal chance."""
    for discordant in range(1, 40):
        rejected = 0.0
        for k in range(discordant + 1):
            first = np.r_[np.ones(k, bool), np.zeros(discordant - k, bool)]
            if mcnemar(first, ~first) <= 0.05:
                rejected += stats.binom.pmf(k, discordant, 0.5)
        assert rejected <= 0.05


def test_fisher_keeps_its_level_by_enumeration():
    n = 15
    rejects = [[fisher(np.arange(n) < i, np.arange(n) < j) <= 0.05 for j in range(n + 1)] for i in range(n + 1)]
    for p in np.linspace(0.05, 0.95, 19):
        pmf = stats.binom.pmf(np.arange(n + 1), n, p)
        assert (np.outer(pmf, pmf) * rejects).sum() <= 0.05


@pytest.mark.parametrize("n", [8, 30])
def test_wilcoxon_keeps_its_level(monkeypatch, n):
    """Differences symmetric about zero, with ties and zeros as restricted times have them."""
    monkeypatch.setattr(comparisons, "RESAMPLES", 999)
    generator = np.random.default_rng(4)
    differences = np.round(generator.normal(0, 2, (SWEEPS, n))) * 100
    rejected = np.mean([wilcoxon(d, ("null", str(i))) <= 0.05 for i, d in enumerate(differences)])
    assert rejected <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / SWEEPS)


def test_logrank_keeps_its_level(settings):
    """Asymptotic, so held to its level within the simulation's error: 400 sweeps of two groups of 50."""
    generator = np.random.default_rng(5)
    times = np.ceil(generator.exponential(3000, (400, 100)) / 100) * 100
    frames = simulate(settings, {"a": range(50), "b": range(50)})
    groups = [runs.copy() for _, runs in frames.runs.groupby("group", observed=True)]
    rejected = 0
    for draw in times:
        for runs, part in zip(groups, (draw[:50], draw[50:]), strict=True):
            runs["convergence_step"] = np.where(part <= HORIZON, part, np.nan)
        rejected += logrank(*groups) <= 0.05
    assert rejected / 400 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 400)


def test_planted_rates_are_found(settings):
    """Simulated sweeps in which 30 % of the runs converge: the table's interval covers that as often as it says."""
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
    assert hits >= 25  # of 30: a binomial with 95 % falls below less than once in 200
