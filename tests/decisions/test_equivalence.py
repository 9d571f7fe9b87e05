"""Plans of tests of equivalence."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from fa_sweep.decisions.equivalence import equivalence_power, paired_intervals, seeds_for_equivalence
from fa_sweep.errors import ConfigError
from fa_sweep.report.intervals import difference_of_fractions


def tables(n):
    """Return all tables of n pairs: both, only the first, only the second, neither."""
    cells = itertools.product(range(n + 1), repeat=3)
    return np.array([(*three, n - sum(three)) for three in cells if sum(three) <= n])


def pairs_of(table):
    """Return the values of the two groups of one table."""
    return np.repeat([True, True, False, False], table), np.repeat([True, False, True, False], table)


@pytest.mark.parametrize("n", [1, 2, 5, 9])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_the_intervals_are_those_of_the_report(n, level):
    counts = tables(n)
    for table, low, high in zip(counts, *paired_intervals(counts, level), strict=True):
        a, b = pairs_of(table)
        assert (low, high) == pytest.approx(difference_of_fractions(a, b, (a, b), level), abs=1e-12)


@pytest.mark.parametrize(("p1", "p2", "discordance"), [(0.8, 0.8, None), (0.9, 0.8, 0.14), (1.0, 1.0, None)])
def test_the_power_is_that_of_an_enumeration(p1, p2, discordance):
    n, margin = 20, 0.35
    both = (p1 + p2 - (p1 * (1 - p2) + p2 * (1 - p1) if discordance is None else discordance)) / 2
    counts = tables(n)
    low, high = paired_intervals(counts, 0.9)
    chances = stats.multinomial.pmf(counts, n, [both, p1 - both, p2 - both, 1 - p1 - p2 + both])
    expected = chances[(-margin < low) & (high < margin)].sum()
    assert equivalence_power(n, p1, p2, margin, discordance) == pytest.approx(expected, abs=0.015)


def test_seeds_for_equivalence():
    found = seeds_for_equivalence(0.8, 0.8, 0.2)
    normal = (stats.norm.ppf(0.95) + stats.norm.ppf(0.9)) ** 2 * 0.32 / 0.2**2  # the usual approximation
    assert found.seeds == pytest.approx(normal, rel=0.15)
    assert equivalence_power(found.seeds, 0.8, 0.8, 0.2) >= 0.8
    assert seeds_for_equivalence(0.8, 0.8, 0.2, discordance=0.1).seeds < found.seeds
    assert seeds_for_equivalence(1.0, 1.0, 0.2).seeds < 20
    assert equivalence_power(0, 0.5, 0.5, 0.2) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.9, 0.7, 0.2), "the margin is 0.2; the fractions 0.9 and 0.7 are not within it"),
        ((0.9, 0.9, 0.0), "the margin is 0.0; it must lie between 0 and 1"),
        ((0.9, 0.9, math.nan), "the margin is nan; it must lie between 0 and 1"),
        ((0.9, 0.9, 0.1, 0.8, None, 0.6), "alpha is 0.6; a test of equivalence needs less than 0.5"),
        ((0.9, 0.9, 0.1, 0.8, 0.5), "the discordance is 0.5; with the fractions 0.9 and 0.9, it must lie between 0 and 0.2"),
    ],
)
def test_plans_that_are_refused(arguments, message):
    with pytest.raises(ConfigError) as caught:
        seeds_for_equivalence(*arguments)
    assert str(caught.value).startswith(message)
