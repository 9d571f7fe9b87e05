"""The probability of improvement and the tests of equivalence, against second implementations."""

import math
from itertools import product

import numpy as np
import pytest
from scipy import optimize, stats

from fa_sweep.report import equivalence, improvement
from fa_sweep.report.intervals import mean_interval, unpaired_mean_interval
from fa_sweep.sweeping.outcomes import wilson_interval


def log_likelihood(wins, losses, n, won, lost):
    parts = ((wins, won), (losses, lost), (n - wins - losses, 1 - won - lost))
    return sum(count * math.log(max(rate, 1e-300)) for count, rate in parts if count)


def score(wins, losses, n, delta):
    """The squared score statistic of a difference delta, with the other parameter found by a numerical search."""
    low, high = max(0.0, -delta), (1 - delta) / 2
    lost = optimize.minimize_scalar(
        lambda lost: -log_likelihood(wins, losses, n, lost + delta, lost), bounds=(low, high), method="bounded",
        options={"xatol": 1e-12},
    ).x  # fmt: skip
    variance = (2 * lost + delta - delta**2) / n
    return ((wins - losses) / n - delta) ** 2 / variance


@pytest.mark.parametrize(("wins", "losses", "n"), [(12, 2, 50), (3, 3, 20), (1, 0, 8), (9, 4, 13), (0, 5, 30)])
def test_tango_against_a_numerical_search(wins, losses, n):
    low, high = improvement.tango(wins, losses, n)
    for end in (low, high):
        if -1 < end < 1:
            assert score(wins, losses, n, end) == pytest.approx(stats.norm.ppf(0.975) ** 2, rel=1e-4)
    assert low < (wins - losses) / n < high
    mirrored = improvement.tango(losses, wins, n)
    assert mirrored == pytest.approx((-high, -low))


def test_without_ties_it_is_wilsons_interval_and_with_only_ties_it_has_a_width():
    for wins in range(11):
        low, high = (0.5 + end / 2 for end in improvement.tango(wins, 10 - wins, 10))
        assert (low, high) == pytest.approx(wilson_interval(wins, 10), abs=1e-9)
    equal = np.full(10, 0.7)
    estimate, low, high = improvement.of_pairs(equal, equal)
    assert (estimate, low + high) == (0.5, pytest.approx(1.0))
    z = stats.norm.ppf(0.975)
    assert high - 0.5 == pytest.approx(z**2 / (2 * (10 + z**2)))  # Tango's formula if no pair differs


@pytest.mark.parametrize("values", [(0.0, 1.0, 2.0), (0.0, math.inf), (5.0,)])
def test_the_estimates_are_counts_of_pairs(values):
    """By loops over all pairs of runs, and as the Mann-Whitney statistic of SciPy. Infinite values tie with each other."""
    generator = np.random.default_rng(0)
    a, b = generator.choice(values, 7), generator.choice(values, 9)
    expected = sum((x > y) + 0.5 * (x == y) for x, y in product(a, b)) / 63
    estimate, low, high = improvement.of_groups(a, b)
    assert estimate == pytest.approx(expected)
    finite = [np.where(np.isinf(x), 1e6, x) for x in (a, b)]
    assert estimate == pytest.approx(stats.mannwhitneyu(*finite).statistic / 63)
    assert 0 <= low <= estimate <= high <= 1
    estimate, _, _ = improvement.of_pairs(a, b[:7])
    assert estimate == pytest.approx(np.mean([(x > y) + 0.5 * (x == y) for x, y in zip(a, b, strict=False)]))


def test_the_interval_of_unpaired_runs_against_a_root_finder():
    """For groups of equal spread, the ends solve Newcombe's equation, here with SciPy's root finder."""
    generator = np.random.default_rng(1)
    a, b = generator.normal(0.8, 1, 12), generator.normal(0, 1, 15)
    estimate, low, high = improvement.of_groups(a, b)
    placed_a = [np.mean([(x > y) + 0.5 * (x == y) for y in b]) for x in a]
    placed_b = [np.mean([(y > x) + 0.5 * (x == y) for x in a]) for y in b]
    delong = np.var(placed_a, ddof=1) / 12 + np.var(placed_b, ddof=1) / 15

    def variance(p):
        return p * (1 - p) / 180 * (1 + 12.5 * ((1 - p) / (2 - p) + p / (1 + p)))

    factor = max(1.0, delong / variance(estimate))

    def excess(p):
        return abs(estimate - p) - stats.t.ppf(0.975, 25) * math.sqrt(factor * variance(p))

    assert low == pytest.approx(optimize.brentq(excess, 1e-9, estimate))
    assert high == pytest.approx(optimize.brentq(excess, estimate, 1 - 1e-9))


def test_groups_that_are_wholly_apart_have_an_interval():
    a, b = np.arange(8.0) + 100, np.arange(8.0)
    assert improvement.of_groups(a, b)[0] == 1.0
    assert improvement.of_groups(a, b)[2] == 1.0
    assert 0.6 < improvement.of_groups(a, b)[1] < 0.95
    assert improvement.of_pairs(b, a)[:2] == (0.0, 0.0)
    assert 0.6 < improvement.of_groups(np.array([2.0]), np.array([1.0]))[0] == 1.0  # one run per group: a wide interval
    assert improvement.of_groups(np.array([2.0]), np.array([1.0]))[1] < 0.1
    nobody = np.array([])
    assert all(map(math.isnan, improvement.of_pairs(nobody, nobody)))
    assert all(map(math.isnan, improvement.of_groups(nobody, a)))


def test_equivalence_of_means_against_scipy():
    generator = np.random.default_rng(2)
    for _ in range(20):
        a, b = generator.normal(0.2, 1, 12), generator.normal(0, 2, 9)
        margin = float(generator.uniform(0.1, 2))
        paired = a[:9] - b
        above = stats.ttest_1samp(paired, -margin, alternative="greater").pvalue
        below = stats.ttest_1samp(paired, margin, alternative="less").pvalue
        assert equivalence.of_mean(paired, margin) == pytest.approx(max(above, below))
        above = stats.ttest_ind(a + margin, b, equal_var=False, alternative="greater").pvalue
        below = stats.ttest_ind(a - margin, b, equal_var=False, alternative="less").pvalue
        p = equivalence.of_means(a, b, margin)
        assert p == pytest.approx(max(above, below))
        by_interval = equivalence.by_interval(lambda level, a=a, b=b: unpaired_mean_interval(a, b, level), margin)
        assert by_interval == pytest.approx(p if p <= 0.5 else 1.0)
        by_interval = equivalence.by_interval(lambda level, d=paired: mean_interval(d, level), margin)
        p = equivalence.of_mean(paired, margin)
        assert by_interval == pytest.approx(p if p <= 0.5 else 1.0)


def test_equivalence_of_medians_against_scipy():
    differences = np.array([-0.3, 0.0, 0.0, 0.1, 0.2, 0.05, -0.1, 0.4, math.inf])
    for margin in (0.1, 0.25, 0.5):
        above, below = (differences > -margin).sum(), (differences < margin).sum()
        tests = [stats.binomtest(int(k), 9, 0.5, alternative="greater").pvalue for k in (above, below)]
        assert equivalence.of_median(differences, margin) == pytest.approx(max(tests))
    assert equivalence.of_median(np.zeros(6), 0.1) == 2.0**-6
    assert math.isnan(equivalence.of_median(np.array([]), 0.1))


def test_where_equivalence_cannot_be_tested():
    for differences in (np.zeros(10), np.arange(4.0), np.array([1.0, 2.0, 3.0, 4.0, math.inf])):
        assert math.isnan(equivalence.of_mean(differences, 1.0))
    assert math.isnan(equivalence.of_means(np.ones(9), np.ones(9), 1.0))
    assert math.isnan(equivalence.of_means(np.arange(9.0), np.full(9, math.inf), 1.0))
    assert math.isnan(equivalence.by_interval(lambda _: (math.nan, math.nan), 1.0))
    assert equivalence.by_interval(lambda _: (2.0, 3.0), 1.0) == 1.0
    assert equivalence.by_interval(lambda _: (-0.1, 0.1), 1.0) < 1e-9
