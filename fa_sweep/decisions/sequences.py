"""Confidence sequences and e-values: statistics that hold at every number of runs at once.

An ordinary 95 % interval holds for a number of runs that was chosen before the first of them. Here it is the results that
decide when to stop, so a statistic has to hold at all numbers of runs simultaneously: the probability that the intervals ever
miss the true value, at any of these numbers, is at most 1 - level.

All functions use one method, betting. To test whether values between 0 and 1 have the mean m, start with a capital of 1 and bet
on each value before it is seen. If m is the mean, no strategy can make the capital grow: the probability that it ever reaches 1
/ alpha is at most alpha (Ville, 1939). So every m at which the capital has reached 1 / alpha is excluded.

The strategy is Cover's universal portfolio. It divides the capital between all constant bets. The bet u, a number between 0 and
1, multiplies its capital by

    x u / m + (1 - x) (1 - u) / (1 - m)    for each value x.

This is 1 + lambda (x - m) with lambda = (u - m) / (m (1 - m)): from the largest bet on values below m to the largest on values
above it. The bets u are weighted by the arcsine law, Beta(1/2, 1/2). For values that are all 0 or 1, the capital is then the
ratio of beta-binomial likelihoods of Robbins.

The logarithm of the capital is convex in m, because sums, products and mixtures of log-convex functions are log-convex. At the
mean of the values the capital is at most 1. So what is not excluded is one interval around this mean.

Sources: Robbins (1970), Ann. Math. Statist. 41:1397; Cover and Ordentlich (1996), IEEE Trans. Inf. Theory 42:348; Waudby-Smith
and Ramdas (2024), J. R. Stat. Soc. B 86:1; Orabona and Jun (2024), IEEE Trans. Inf. Theory 70:436.
"""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy import optimize, special

from fa_sweep._typing import Array

Interval = tuple[float, float]

LEVEL = 0.95
PRECISION = 1e-10  # of the ends of intervals; the mean of the values lies between 0 and 1


def _bets(n: float) -> Array:
    """Return the bets u (J,) whose equally weighted mean is the mean under the arcsine law: Gauss-Chebyshev quadrature.

    The capital is a polynomial in u whose degree is the number of values n, so n // 2 + 1 nodes are exact. In the angle
    arccos(2 u - 1) it has a peak that is no narrower than that of a normal density with standard deviation 1 / sqrt(n). For
    such a peak, the relative error of J nodes is exp(-2 J^2 / n): with 5 sqrt(n) nodes it is far below the rounding error.
    """
    count = min(int(n) // 2 + 1, math.ceil(5 * math.sqrt(n)) + 1)
    bets: Array = (1 + np.cos((2 * np.arange(count) + 1) * np.pi / (2 * count))) / 2
    return bets


def log_capital(mean: float, values: Array, counts: Array) -> Array:
    """Return the logarithm of the capital of the bets against a hypothetical mean.

    Args:
        mean: The hypothetical mean, between 0 and 1.
        values: (D,) distinct values between 0 and 1.
        counts: (..., D) how often each value occurred. They need not be whole numbers.

    Returns:
        (...) logarithms; +inf if the mean is 0 or 1 and not all values equal it. Without any values, the logarithm is 0.
    """
    counts = np.asarray(counts, dtype=float)
    if mean <= 0 or mean >= 1:
        other = values > 0 if mean <= 0 else values < 1
        # All values equal this mean. Each multiplies the capital of a bet by 1 - u, or by u.
        capital = special.betaln(0.5, 0.5 + counts.sum(axis=-1)) - special.betaln(0.5, 0.5)
        return np.where(counts[..., other].sum(axis=-1) > 0, np.inf, capital)
    bets = _bets(float(counts.sum(axis=-1).max(initial=0.0)))
    factors = np.outer(values / mean, bets) + np.outer((1 - values) / (1 - mean), 1 - bets)
    logarithms = counts @ np.log(factors)
    largest = logarithms.max(axis=-1, keepdims=True)  # without it, the capitals could overflow
    mixed: Array = largest[..., 0] + np.log(np.exp(logarithms - largest).mean(axis=-1))
    return mixed


def counted(values: Array) -> tuple[Array, Array]:
    """Return the distinct values (D,), and how often each of them occurs (D,)."""
    distinct, counts = np.unique(np.asarray(values, dtype=float), return_counts=True)
    return distinct, counts.astype(float)


def mean_interval(shares: Array, level: float = LEVEL) -> Interval:
    """Return the confidence sequence of the mean of values between 0 and 1, at the values seen so far.

    Args:
        shares: (n,) independent values between 0 and 1, all of those seen so far. Their order does not matter.
        level: The probability that the intervals at all numbers of values contain the true mean.

    Returns:
        The interval; from 0 to 1 if there are no values.
    """
    return interval_of_counts(*counted(shares), level)


def interval_of_counts(values: Array, counts: Array, level: float = LEVEL) -> Interval:
    """Return the interval of `mean_interval`, given the distinct values (D,) and how often each occurred (D,)."""
    if not counts.sum() > 0:
        return 0.0, 1.0
    return _low_end(values, counts, level), 1 - _low_end(1 - values, counts, level)


def _low_end(values: Array, counts: Array, level: float) -> float:
    """Return the smallest mean that is not excluded."""
    limit = -math.log1p(-level)

    def excess(mean: float) -> float:
        return float(log_capital(mean, values, counts)) - limit

    return _root_below(excess, float(counts @ values / counts.sum()))


def _root_below(excess: Any, mean: float) -> float:
    """Return where a convex function that is negative at `mean` becomes 0, between 0 and the mean; 0 if the mean is 0."""
    if mean <= 0:
        return 0.0
    inside, outside = mean, mean / 2
    while excess(outside) < 0:
        inside, outside = outside, outside / 4
        if outside < PRECISION:
            return 0.0
    return float(optimize.brentq(excess, outside, inside, xtol=PRECISION * 0.01, rtol=1e-12))


def fraction_interval(count: int, n: int, level: float = LEVEL) -> Interval:
    """Return the confidence sequence of a fraction: the interval of `mean_interval` for values that are 0 or 1.

    Args:
        count: The number of runs with the event so far.
        n: The number of runs so far.
        level: The probability that the intervals at all n contain the true fraction.

    Returns:
        The interval; from 0 to 1 if n is 0.

    Source: Robbins (1970), Ann. Math. Statist. 41:1397.
    """
    if n == 0:
        return 0.0, 1.0
    limit = -math.log1p(-level)

    def low_end(k: int) -> float:
        mixture = float(special.betaln(k + 0.5, n - k + 0.5) - special.betaln(0.5, 0.5))
        return _root_below(lambda p: mixture - k * math.log(p) - (special.xlog1py(n - k, -p)) - limit, k / n)

    return low_end(count), 1 - low_end(n - count)


def difference_interval(differences: Array, level: float = LEVEL) -> Interval:
    """Return the confidence sequence of the mean of paired differences between -1 and 1, at the pairs seen so far.

    It excludes 0 exactly when `log_e_of_differences` reaches log(1 / (1 - level)).

    Args:
        differences: (n,) one difference per pair, such as group minus reference. Differences of 0 count.
        level: The probability that the intervals at all numbers of pairs contain the true mean.

    Returns:
        The interval; from -1 to 1 if there are no pairs.
    """
    low, high = mean_interval((np.asarray(differences, dtype=float) + 1) / 2, level)
    return 2 * low - 1, 2 * high - 1


def log_e_of_differences(differences: Array) -> float:
    """Return the logarithm of the e-value against a mean of 0 of paired differences between -1 and 1.

    Differences that are 0 do not change it. If all others are -1 or 1, it equals `log_e_of_pairs`.
    """
    values, counts = counted((np.asarray(differences, dtype=float) + 1) / 2)
    return float(log_capital(0.5, values, counts))


def log_e_of_pairs(wins: Any, losses: Any) -> Any:
    """Return the logarithm of the e-value against wins and losses being equally likely.

    With discordant pairs it is McNemar's test, with untied pairs the sign test, at all numbers of pairs at once.

    Args:
        wins: How many pairs the group has won so far: a number, or an array of numbers.
        losses: How many it has lost so far. Ties are not counted.
    """
    log_e = (wins + losses) * math.log(2) + special.betaln(wins + 0.5, losses + 0.5) - special.betaln(0.5, 0.5)
    return log_e if np.ndim(log_e) else float(log_e)


def win_interval(wins: int, losses: int, level: float = LEVEL) -> Interval:
    """Return the confidence sequence of the probability that a pair is won, given that it is not tied.

    It excludes 1/2 exactly when `log_e_of_pairs` reaches log(1 / (1 - level)).
    """
    return fraction_interval(wins, wins + losses, level)


def anytime_p(log_e: Any) -> Any:
    """Return the p value of e-values: min(1, 1 / e), which holds at every number of runs.

    Args:
        log_e: The logarithm of the largest e-value so far: a number, or an array of numbers.
    """
    return np.exp(-np.maximum(log_e, 0.0)) if np.ndim(log_e) else math.exp(-max(float(log_e), 0.0))


def narrowed(intervals: Iterable[Interval]) -> Interval:
    """Return what the intervals of several looks have in common. It holds, because all of them hold simultaneously.

    An interval that has nothing in common with those before it is ignored. One of them has missed the true value then, which is
    as improbable as the level says.

    Args:
        intervals: The intervals, earliest look first; at least one.
    """
    (low, high), *later = intervals
    for its_low, its_high in later:
        if max(low, its_low) <= min(high, its_high):
            low, high = max(low, its_low), min(high, its_high)
    return low, high
