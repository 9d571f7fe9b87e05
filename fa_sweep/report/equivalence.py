"""Test whether two groups are equivalent: whether their difference lies within a margin that the user states.

Each test is two one-sided tests (TOST; Schuirmann, 1987): that the difference lies above minus the margin, and that it lies
below the margin. The larger of the two p values counts. Without such a test, groups that are not told apart are never called
equivalent.
"""

import math
from collections.abc import Callable

import numpy as np
from scipy import stats

from fa_sweep._typing import Array
from fa_sweep.report.intervals import FEWEST_FOR_A_MEAN, Interval

HALVINGS = 35  # of levels between 0 and 1, so that p is exact to ten decimal places


def of_mean(differences: Array, margin: float) -> float:
    """Return the p value of Student's two one-sided tests of a mean of paired differences.

    Args:
        differences: (p,) first group minus second, one per shared seed.
        margin: The margin; positive.

    Returns:
        The p value; NaN if there are fewer than five pairs, or if all differences are equal or any is infinite.
    """
    n = len(differences)
    if n < FEWEST_FOR_A_MEAN or not np.isfinite(differences).all() or (differences == differences[0]).all():
        return math.nan
    error = float(np.std(differences, ddof=1)) / math.sqrt(n)
    return _one_sided(float(np.mean(differences)), error, n - 1, margin)


def of_means(a: Array, b: Array, margin: float) -> float:
    """Return the p value of Welch's two one-sided tests of the difference of two independent means.

    Args:
        a: (n,) values of the first group.
        b: (m,) values of the second group.
        margin: The margin; positive.

    Returns:
        The p value; NaN if a group has fewer than five values or an infinite one, or if both are constant.
    """
    if min(len(a), len(b)) < FEWEST_FOR_A_MEAN or not (np.isfinite(a).all() and np.isfinite(b).all()):
        return math.nan
    parts = [float(np.var(values, ddof=1)) / len(values) for values in (a, b)]
    if not sum(parts) > 0:
        return math.nan
    freedom = sum(parts) ** 2 / sum(part**2 / (len(values) - 1) for part, values in zip(parts, (a, b), strict=True))
    return _one_sided(float(np.mean(a) - np.mean(b)), math.sqrt(sum(parts)), freedom, margin)


def _one_sided(difference: float, error: float, freedom: float, margin: float) -> float:
    return float(max(stats.t.sf((difference + margin) / error, freedom), stats.t.cdf((difference - margin) / error, freedom)))


def of_median(differences: Array, margin: float) -> float:
    """Return the p value of two one-sided sign tests of the median of paired differences. They are exact.

    A signed-rank test would assume that the differences are symmetric about their median, which those of two learning rules
    seldom are. The sign test assumes nothing, and takes infinite differences.

    Args:
        differences: (p,) first group minus second, one per shared seed.
        margin: The margin; positive.

    Returns:
        The p value; NaN if there are no pairs. A difference at the margin counts against equivalence.
    """
    n = len(differences)
    if n == 0:
        return math.nan
    inside = min(int((differences > -margin).sum()), int((differences < margin).sum()))
    return float(stats.binom.sf(inside - 1, n, 0.5))


def by_interval(interval: Callable[[float], Interval], margin: float) -> float:
    """Return the p value of the two one-sided tests that belong to an interval.

    These tests reject at alpha if the interval at the level 1 - 2 alpha lies within the margin.

    Args:
        interval: Returns the interval at a level.
        margin: The margin; positive.

    Returns:
        The p value; 1 if it is above one half, where no interval says how large it is, and NaN if there is no interval.
    """

    def is_inside(level: float) -> bool:
        low, high = interval(level)
        return -margin < low and high < margin

    if any(map(math.isnan, interval(0.5))):
        return math.nan
    low, high = 1e-9, 1 - 1e-12
    if not is_inside(low):
        return 1.0
    if is_inside(high):
        return (1 - high) / 2
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if is_inside(middle) else (low, middle)
    return (1 - low) / 2
