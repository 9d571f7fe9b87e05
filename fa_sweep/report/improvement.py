"""The probability of improvement: how likely a run of one group is better than a run of another one.

It is P(A > B) plus half of P(A = B) (Agarwal et al., 2021, NeurIPS 34). One half means that neither group is better more often.
docs/statistics.md shows how often the intervals cover the true value.
"""

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
from scipy import stats

from fa_sweep._typing import Array
from fa_sweep.report.intervals import LEVEL, NONE, Interval

Estimate = tuple[float, float, float]
HALVINGS = 60  # of an interval of length 1; the rest is below the precision of a float


def of_pairs(a: Array, b: Array, level: float = LEVEL) -> Estimate:
    """Estimate how often a run of the first group is better than the run of the second group with the same seed.

    Args:
        a: (p,) values of the first group. Higher is better. They may be infinite.
        b: (p,) values of the second group, in the same order of seeds.
        level: The nominal coverage.

    Returns:
        The probability and its interval, Tango's score interval (see `tango`), carried over from the difference between the
        fractions of wins and losses; NaN if there are no pairs.
    """
    n, wins, losses = len(a), int((a > b).sum()), int((a < b).sum())
    if n == 0:
        return math.nan, *NONE
    low, high = tango(wins, losses, n, level)
    return 0.5 + (wins - losses) / (2 * n), 0.5 + low / 2, 0.5 + high / 2


def of_groups(a: Array, b: Array, level: float = LEVEL) -> Estimate:
    """Estimate how often a run of the first group is better than a run of the second group with another seed.

    Args:
        a: (n,) values of the first group. Higher is better. They may be infinite.
        b: (m,) values of the second group.
        level: The nominal coverage.

    Returns:
        The probability (the Mann-Whitney statistic divided by n m) and its interval; NaN if a group has no runs. The interval
        inverts a score test with the variance of Hanley and McNeil, which does not vanish if the groups are wholly apart. This
        variance is for groups of similar spread. If the variance of DeLong, which allows for any spread, is larger at the
        estimate, the former is multiplied by the ratio of the two.

    Source: Newcombe (2006), Stat. Med. 25:559, method 5, with that ratio and a t quantile with n + m - 2 degrees of freedom;
        DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44:837.
    """
    n, m = len(a), len(b)
    if n == 0 or m == 0:
        return math.nan, *NONE
    of_a, of_b = _placements(a, b), _placements(b, a)
    estimate = float(of_a.mean())
    quantile = float(stats.t.ppf(0.5 + level / 2, max(n + m - 2, 1)))

    def variance(p: float) -> float:
        return p * (1 - p) / (n * m) * (1 + ((n + m) / 2 - 1) * ((1 - p) / (2 - p) + p / (1 + p)))

    of_any_spread = float(of_a.var(ddof=1) / n + of_b.var(ddof=1) / m) if min(n, m) > 1 else 0.0
    ratio = of_any_spread / variance(estimate) if 0 < estimate < 1 else 1.0

    def excess(p: float) -> float:
        return (estimate - p) ** 2 - quantile**2 * max(ratio, 1.0) * variance(p)

    low = _crossing(excess, 0.0, estimate) if estimate > 0 else 0.0
    high = _crossing(excess, 1.0, estimate) if estimate < 1 else 1.0
    return estimate, low, high


def _placements(a: Array, b: Array) -> Array:
    """Return for each value of `a` the fraction of the values of `b` below it, plus half the fraction that equal it."""
    ordered = np.sort(b)
    found: Array = (np.searchsorted(ordered, a, side="left") + np.searchsorted(ordered, a, side="right")) / (2 * len(b))
    return found


def tango(wins: int, losses: int, n: int, level: float = LEVEL) -> Interval:
    """Return the score interval of the difference between two fractions of the same pairs: wins / n minus losses / n.

    Without ties it is Wilson's interval. If all pairs tie, it still has a width.

    Args:
        wins: The number of pairs in which the first one is better.
        losses: The number of pairs in which the second one is better.
        n: The number of pairs, ties included; at least one.
        level: The nominal coverage.

    Source: Tango (1998), Stat. Med. 17:891.
    """
    z = NormalDist().inv_cdf(0.5 + level / 2)
    estimate = (wins - losses) / n

    def excess(delta: float) -> float:
        # The most likely fraction of losses if the difference is delta.
        b = -wins - losses + (2 * n - wins + losses) * delta
        c = -losses * delta * (1 - delta)
        lost = (math.sqrt(max(b * b - 8 * n * c, 0.0)) - b) / (4 * n)
        return (wins - losses - n * delta) ** 2 - z * z * n * max(2 * lost + delta * (1 - delta), 0.0)

    low = _crossing(excess, -1.0, estimate) if estimate > -1 else -1.0
    high = _crossing(excess, 1.0, estimate) if estimate < 1 else 1.0
    return low, high


def _crossing(excess: Callable[[float], float], outside: float, inside: float) -> float:
    """Find where a function falls from above zero to below it, by halving. `inside` is a point where it is not above zero."""
    for _ in range(HALVINGS):
        middle = (outside + inside) / 2
        if excess(middle) > 0:
            outside = middle
        else:
            inside = middle
    return (outside + inside) / 2
