"""Confidence sequences and e-values agree with second implementations, and hold under optional stopping."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, optimize, stats

from fa_sweep.decisions import sequences
from fa_sweep.decisions.sequences import (
    anytime_p,
    counted,
    difference_interval,
    fraction_interval,
    log_capital,
    log_e_of_differences,
    log_e_of_pairs,
    mean_interval,
    narrowed,
    win_interval,
)

SHARES = st.lists(st.sampled_from([0.0, 0.02, 0.25, 0.5, 0.75, 0.99, 1.0]) | st.floats(0, 1), min_size=1, max_size=40)
SAMPLES = {
    "none": [],
    "one": [0.3],
    "zero": [0.0],
    "all 0": [0.0] * 12,
    "all 1": [1.0] * 12,
    "all equal": [0.5] * 9,
    "nearly 0": [1e-7] * 5 + [0.0] * 20,
    "mixed": [0.0, 0.02, 0.1, 0.1, 0.25, 0.7, 1.0, 1.0, 0.4, 0.06],
    "long": list(np.round(np.random.default_rng(3).beta(0.4, 2, 80) * 46) / 46),
}
EACH = pytest.mark.parametrize("values", SAMPLES.values(), ids=SAMPLES)


def capital(values, mean):
    """Return the capital by numerical integration over the angle of the bet, straight from its definition with lambda."""

    def of_bet(angle):
        u = (1 + math.cos(angle)) / 2
        stake = (u - mean) / (mean * (1 - mean))
        return float(np.prod([1 + stake * (x - mean) for x in values]))

    found, _ = integrate.quad(of_bet, 0, math.pi, epsabs=0, epsrel=1e-10, limit=500)
    return found / math.pi


def interval_by_integration(values, level):
    """Return the interval around the mean of the values at whose ends the integrated capital is 1 / (1 - level)."""

    def excess(mean):
        return capital(values, mean) - 1 / (1 - level)

    centre, tiny = float(np.mean(values)), 1e-9
    low = optimize.brentq(excess, tiny, min(centre, 1 - tiny), xtol=1e-12) if centre > tiny and excess(tiny) > 0 else 0.0
    high = optimize.brentq(excess, max(centre, tiny), 1 - tiny, xtol=1e-12) if centre < 1 - tiny else 1.0
    return low, high


@pytest.mark.filterwarnings("ignore:overflow")
@EACH
def test_the_interval_of_a_mean_agrees_with_numerical_integration(values):
    if not values:
        assert mean_interval(np.array([])) == (0.0, 1.0)
        return
    for level in (0.95, 0.99):
        assert mean_interval(np.array(values), level) == pytest.approx(interval_by_integration(values, level), abs=1e-7)


@pytest.mark.parametrize("mean", [1e-6, 0.01, 0.3, 0.5, 0.9999])
def test_the_capital_agrees_with_numerical_integration(mean):
    values = SAMPLES["mixed"]
    expected = math.log(capital(values, mean))
    assert float(log_capital(mean, *counted(values))) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("values", [[0.0, 1.0], [0.0, 0.02, 1.0], [0.4, 0.5, 0.6], [1e-9, 1.0]])
@pytest.mark.parametrize("n", [300, 2000])
def test_few_bets_are_as_exact_as_many(values, n, monkeypatch):
    """5 sqrt(n) nodes give the same capital as n // 2 + 1 nodes, which are exact."""
    generator = np.random.default_rng(n)
    counts = [generator.multinomial(n, generator.dirichlet([0.3] * len(values))) for _ in range(20)]
    means = np.r_[1e-8, np.linspace(0.01, 0.99, 9)]
    few = [log_capital(mean, np.array(values), np.array(counts)) for mean in means]
    monkeypatch.setattr(
        sequences, "_bets", lambda n: (1 + np.cos((2 * np.arange(n // 2 + 1) + 1) * np.pi / (n // 2 + 1) / 2)) / 2
    )
    exact = [log_capital(mean, np.array(values), np.array(counts)) for mean in means]
    np.testing.assert_allclose(few, exact, rtol=1e-10, atol=1e-9)


def test_a_mean_of_0_or_1():
    zeros, mixed = counted([0.0] * 4), counted([0.0, 0.5])
    assert float(log_capital(0.0, *zeros)) == pytest.approx(math.log(capital([0.0] * 4, 1e-12)), abs=1e-9)
    assert float(log_capital(0.0, *mixed)) == float(log_capital(1.0, *zeros)) == math.inf
    assert float(log_capital(1.0, *counted([1.0] * 4))) == pytest.approx(float(log_capital(0.0, *zeros)))
    assert float(log_capital(0.0, np.array([]), np.array([]))) == float(log_capital(0.5, np.array([]), np.array([]))) == 0.0


@pytest.mark.parametrize(("count", "n"), [(0, 0), (0, 1), (1, 1), (0, 7), (3, 10), (10, 10), (499, 500), (20, 1000)])
def test_the_interval_of_a_fraction_is_that_of_a_mean_of_zeros_and_ones(count, n):
    for level in (0.95, 0.9875):
        of_mean = mean_interval(np.repeat([0.0, 1.0], [n - count, count]), level)
        assert fraction_interval(count, n, level) == pytest.approx(of_mean, abs=1e-9)


@pytest.mark.parametrize(("count", "n"), [(0, 5), (2, 5), (17, 40)])
def test_the_interval_of_a_fraction_against_its_likelihood_ratio(count, n):
    """A fraction is inside if the beta-binomial likelihood is less than 20 times that of the fraction."""
    low, high = fraction_interval(count, n)
    fractions = np.linspace(0.0005, 0.9995, 1000)
    ratio = stats.betabinom.pmf(count, n, 0.5, 0.5) / stats.binom.pmf(count, n, fractions)
    assert ((low <= fractions) & (fractions <= high) == (ratio < 20)).all()


@given(SHARES)
def test_laws_of_the_interval_of_a_mean(values):
    values = np.array(values)
    low, high = mean_interval(values)
    assert 0 <= low <= values.mean() <= high <= 1
    wide_low, wide_high = mean_interval(values, 0.99)
    assert wide_low <= low + 1e-9
    assert high <= wide_high + 1e-9
    mirrored = mean_interval(1 - values)
    assert (1 - mirrored[1], 1 - mirrored[0]) == pytest.approx((low, high), abs=1e-8)


@given(SHARES)
def test_the_capital_is_log_convex_and_below_1_at_the_mean(values):
    distinct, counts = counted(np.array(values))
    means = np.linspace(0.02, 0.98, 49)
    logs = np.array([float(log_capital(mean, distinct, counts)) for mean in means])
    assert (np.diff(logs, 2) >= -1e-9).all()
    assert float(log_capital(float(np.mean(values)), distinct, counts)) <= 1e-9 or np.mean(values) in (0, 1)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_an_interval_excludes_no_difference_when_the_e_value_says_so(wins, losses, ties):
    log_e = log_e_of_pairs(wins, losses)
    differences = np.repeat([1.0, -1.0, 0.0], [wins, losses, ties])
    assert log_e_of_differences(differences) == pytest.approx(log_e, abs=1e-9)
    low, high = difference_interval(differences)
    assert (not low <= 0 <= high) == (log_e >= math.log(20))
    low, high = win_interval(wins, losses)
    assert (not low <= 0.5 <= high) == (log_e >= math.log(20))


def test_the_e_value_of_pairs_is_a_mixture_of_likelihood_ratios():
    for wins, losses in ((0, 0), (1, 0), (7, 2), (0, 9)):
        mixture = stats.betabinom.pmf(wins, wins + losses, 0.5, 0.5) / stats.binom.pmf(wins, wins + losses, 0.5)
        assert log_e_of_pairs(wins, losses) == pytest.approx(math.log(mixture), abs=1e-12)
    assert log_e_of_pairs(np.array([7, 0]), np.array([2, 9])) == pytest.approx([log_e_of_pairs(7, 2), log_e_of_pairs(0, 9)])


def test_no_strategy_gains_on_average_under_the_null():
    """The mean of the e-value over all outcomes of fair pairs is exactly 1."""
    n = 14
    chances = stats.binom.pmf(np.arange(n + 1), n, 0.5)
    e = np.exp(log_e_of_pairs(np.arange(n + 1), n - np.arange(n + 1)))
    assert float(chances @ e) == pytest.approx(1)
    values, chances = np.array([0.0, 0.3, 1.0]), np.array([0.2, 0.5, 0.3])
    mean, total = float(values @ chances), 0.0
    for sample in itertools.product(range(3), repeat=5):
        total += np.prod(chances[list(sample)]) * math.exp(float(log_capital(mean, values, np.bincount(sample, minlength=3))))
    assert total == pytest.approx(1)


def test_p_values():
    assert anytime_p(math.log(40)) == pytest.approx(1 / 40)
    assert anytime_p(-3.0) == 1
    assert anytime_p(np.array([-1.0, math.log(4)])) == pytest.approx([1, 0.25])


def test_intervals_of_several_looks():
    assert narrowed([(0.1, 0.9)]) == (0.1, 0.9)
    assert narrowed([(0.1, 0.9), (0.2, 0.95), (0.0, 0.5)]) == (0.2, 0.5)
    assert narrowed([(0.1, 0.4), (0.6, 0.9), (0.2, 0.8)]) == (0.2, 0.4)


POPULATIONS = {
    "9 in 10": ([0.0, 1.0], [0.1, 0.9]),
    "1 in 50": ([0.0, 1.0], [0.98, 0.02]),
    "times": ([0.05, 0.1, 0.3, 1.0], [0.3, 0.3, 0.2, 0.2]),
}


@pytest.mark.parametrize("draws", [300, pytest.param(3000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("population", POPULATIONS)
def test_coverage_if_the_sweep_stops_as_soon_as_the_truth_is_excluded(population, draws):
    values, chances = map(np.array, POPULATIONS[population])
    generator = np.random.default_rng(11)
    steps = generator.multinomial(5, chances, size=(draws, 80)).cumsum(axis=1)  # a look every 5 of 400 runs
    highest = log_capital(float(values @ chances), values, steps).max(axis=1)
    missed = float((highest >= math.log(20)).mean())
    assert missed <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / draws)
