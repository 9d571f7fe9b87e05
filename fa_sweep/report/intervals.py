"""Confidence intervals of a statistic of one sample, or of a difference of two. Takes arrays and returns (low, high).

The level is 95 % by default. If no interval can be given, for example because there are too few values, both ends are NaN.
docs/statistics.md shows in simulations how often each interval covers the true value.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import stats

from fa_sweep._typing import Array
from fa_sweep.sweeping.outcomes import wilson_interval

Interval = tuple[float, float]

LEVEL = 0.95
NONE: Interval = (math.nan, math.nan)
FEWEST_FOR_A_MEDIAN = 6  # with five, even the smallest and the largest value enclose the median with only 94 % probability
FEWEST_FOR_A_MEAN = 5
FEWEST_TO_RESAMPLE = 20
APPROXIMATE_BELOW = 30
RESAMPLES = 9999
BATCH_VALUES = 4_000_000  # resampled values in memory at once


def generator(*key: str) -> np.random.Generator:
    """Return the random generator of one bootstrap or permutation test.

    Its numbers depend only on its key, such as (sweep, group, quantity), and never on the order in which tests are computed.
    """
    digest = hashlib.sha256("|".join(key).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def _all_equal(values: Array) -> bool:
    return bool((values == values[0]).all())  # no subtraction, so that infinite values count as equal


def interquartile_mean(values: Any, axis: int = -1) -> Any:
    """Return the mean of the middle half of the values along an axis.

    A value at the edge of the middle half counts in part. Of ten values, the fourth to the seventh count fully, and the third
    and the eighth count half.
    """
    ordered = np.sort(np.moveaxis(np.asarray(values, dtype=float), axis, -1), axis=-1)
    n = ordered.shape[-1]
    place = np.arange(n)
    inside = np.clip(np.minimum(place + 1, 0.75 * n) - np.maximum(place, 0.25 * n), 0.0, None)
    some = inside > 0  # leave out zero weights, because 0 * inf is NaN
    return (ordered[..., some] * inside[some]).sum(axis=-1) / inside.sum()


def median_interval(values: Array, level: float = LEVEL) -> Interval:
    """Return a confidence interval of the median. Its ends are two of the values.

    For any population, it contains the median with a probability of at least `level`, and with a higher one if values tie.

    Args:
        values: (n,) values, which may be infinite. At a level of 95 %, fewer than six give no interval.
        level: The coverage that is guaranteed.

    Source: Thompson (1936), Ann. Math. Statist. 7:122.
    """
    ordered, n = np.sort(np.asarray(values, dtype=float)), len(values)
    if n == 0 or np.isnan(ordered).any():
        return NONE
    rank = int(stats.binom.ppf((1 - level) / 2, n, 0.5))  # the interval leaves out rank - 1 values at either end
    while rank > 0 and 2 * stats.binom.cdf(rank - 1, n, 0.5) > 1 - level:
        rank -= 1
    if rank == 0 or 2 * stats.binom.cdf(rank - 1, n, 0.5) > 1 - level:
        return NONE
    return float(ordered[rank - 1]), float(ordered[n - rank])


def score_interval(values: Array, level: float = LEVEL) -> Interval:
    """Return an interval of the mean of values between 0 and 1.

    It is Wilson's score interval with two changes. A t quantile replaces the normal one, and the variance of the sample
    replaces mu (1 - mu), the largest possible variance. If all values are 0 or 1, it is nearly Wilson's interval.

    Args:
        values: (n,) values between 0 and 1; fewer than two give the interval from 0 to 1.
        level: The nominal coverage.
    """
    n = len(values)
    if n < 2:
        return 0.0, 1.0
    mean, variance = float(np.mean(values)), float(np.var(values, ddof=1))
    most = mean * (1 - mean)
    spread = float(stats.t.ppf(0.5 + level / 2, n - 1)) ** 2 * (variance / most if most > 0 else 1.0) / n
    centre = (mean + spread / 2) / (1 + spread)
    half = math.sqrt(spread * most + spread**2 / 4) / (1 + spread)
    return centre - half, centre + half


def restricted_mean_interval(times: Array, horizon: float, level: float = LEVEL) -> Interval:
    """Return an interval of the restricted mean time to an event: the mean of the times, cut at the horizon.

    It combines two intervals: Wilson's for the fraction of runs without the event, and `score_interval` for the mean time of
    the other runs. A bootstrap or a t interval of all times would be too narrow whenever a small sample happens to contain no
    run without the event.

    Args:
        times: (n,) steps, cut at the horizon. Fewer than five give no interval.
        horizon: The time that counts for runs without the event, in steps. The mean cannot be larger.
        level: The nominal coverage.

    Source: the combination is MOVER (Zou and Donner, 2008, Stat. Med. 27:1693).
    """
    n = len(times)
    if n < FEWEST_FOR_A_MEAN or not horizon > 0:
        return NONE
    shares = np.asarray(times, dtype=float) / horizon
    without = shares >= 1.0
    never, count = float(without.mean()), n - int(without.sum())
    never_low, never_high = wilson_interval(n - count, n, level)
    if count == 0:
        return never_low * horizon, horizon
    others = shares[~without]
    mean = float(others.mean())
    low, high = score_interval(others, level)
    centre = never + (1 - never) * mean
    below = math.hypot((never - never_low) * (1 - mean), (1 - never) * (mean - low))
    above = math.hypot((never_high - never) * (1 - mean), (1 - never) * (high - mean))
    return max(centre - below, 0.0) * horizon, min(centre + above, 1.0) * horizon


def difference_of_means(a: Array, a_interval: Interval, b: Array, b_interval: Interval, correlation: float = 0.0) -> Interval:
    """Return an interval of the difference of two means by MOVER (Zou and Donner, 2008, Stat. Med. 27:1693).

    Args:
        a: (n,) values of the first group.
        a_interval: The interval of their mean.
        b: (m,) values of the second group.
        b_interval: The interval of their mean.
        correlation: The correlation between the two means; 0 if no seeds are shared.

    Returns:
        The interval of the first mean minus the second.
    """
    first, second = float(np.mean(a)), float(np.mean(b))
    return _square_and_add((first, *a_interval), (second, *b_interval), correlation)


def correlation(a: Array, b: Array, pairs: tuple[Array, Array]) -> float:
    """Estimate the correlation between the means of two groups that share some of their seeds.

    It is the correlation within the pairs times p / sqrt(n m). The factor accounts for the runs without a partner.

    Args:
        a: (n,) values of the first group.
        b: (m,) values of the second group.
        pairs: Values at the shared seeds, (p,) of the first group and (p,) of the second.

    Returns:
        The correlation; 0 if there are fewer than three pairs, or if one group has the same value in all pairs.
    """
    if len(pairs[0]) < 3 or _all_equal(pairs[0]) or _all_equal(pairs[1]):
        return 0.0
    return float(np.corrcoef(*pairs)[0, 1]) * len(pairs[0]) / math.sqrt(len(a) * len(b))


def mean_interval(values: Array, level: float = LEVEL) -> Interval:
    """Return Student's t interval of a mean. There is none for fewer than five values, or if all are equal or any infinite."""
    n = len(values)
    if n < FEWEST_FOR_A_MEAN or not np.isfinite(values).all() or _all_equal(values):
        return NONE
    half = float(stats.t.ppf(0.5 + level / 2, n - 1)) * float(np.std(values, ddof=1)) / math.sqrt(n)
    return float(np.mean(values)) - half, float(np.mean(values)) + half


def unpaired_mean_interval(a: Array, b: Array, level: float = LEVEL) -> Interval:
    """Return Welch's interval of the difference of two means, first minus second.

    There is no interval if either sample has fewer than five values or an infinite one, or if both are constant.
    """
    if min(len(a), len(b)) < FEWEST_FOR_A_MEAN or not (np.isfinite(a).all() and np.isfinite(b).all()):
        return NONE
    parts = [float(np.var(values, ddof=1)) / len(values) for values in (a, b)]
    if not sum(parts) > 0:
        return NONE
    freedom = sum(parts) ** 2 / sum(part**2 / (len(values) - 1) for part, values in zip(parts, (a, b), strict=True))
    half = float(stats.t.ppf(0.5 + level / 2, freedom)) * math.sqrt(sum(parts))
    difference = float(np.mean(a) - np.mean(b))
    return difference - half, difference + half


def brookmeyer_crowley(steps: Array, low: Array, high: Array) -> Interval:
    """Return an interval of the median time: the steps at which the band of the survival curve contains one half.

    Args:
        steps: (s,) steps of the curve, in increasing order.
        low: (s,) lower end of the band at each step, up to the next one.
        high: (s,) upper end of the band at each step.

    Returns:
        The first step at which the lower end is at most one half, and the first step at which the upper end is below one half.
        Either is infinite if there is no such step.

    Source: Brookmeyer and Crowley (1982), Biometrics 38:29.
    """
    begins, ends = np.flatnonzero(low <= 0.5), np.flatnonzero(high < 0.5)
    return (
        float(steps[begins[0]]) if len(begins) else math.inf,
        float(steps[ends[0]]) if len(ends) else math.inf,
    )


def bootstrap_interval(samples: Sequence[Array], statistic: Callable[..., Any], key: tuple[str, ...]) -> Interval:
    """Return the percentile bootstrap interval of a statistic.

    Args:
        samples: The samples, (n,) each. There is no interval if a sample has fewer than twenty values, or if all are constant.
        statistic: A vectorised function of the samples and `axis`, as scipy.stats.bootstrap calls it.
        key: Seeds the resampling, see `generator`.
    """
    smallest = min(len(sample) for sample in samples)
    if smallest < FEWEST_TO_RESAMPLE or all(map(_all_equal, samples)):
        return NONE
    # If diverged runs have infinite losses, SciPy's interpolation computes inf - inf. NaN is the right result then.
    with np.errstate(invalid="ignore"):
        result = stats.bootstrap(
            tuple(samples),
            statistic,
            n_resamples=RESAMPLES,
            confidence_level=LEVEL,
            method="percentile",
            vectorized=True,
            batch=max(1, BATCH_VALUES // smallest),
            rng=generator(*key),
        )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def difference_of_fractions(a: Array, b: Array, pairs: tuple[Array, Array], level: float = LEVEL) -> Interval:
    """Return a score interval of the difference of two fractions, if all, some or none of the runs are paired.

    Args:
        a: (n,) whether each run of the first group had the event.
        b: (m,) the same for the second group.
        pairs: The values at the shared seeds, (p,) of the first group and (p,) of the second. There may be none.
        level: The nominal coverage.

    Returns:
        The interval of the first fraction minus the second.

    Source: Newcombe (1998), Stat. Med. 17:2635, method 10, for pairs, and 17:873, method 10, for independent samples. If only
    some of the runs are paired, the correlation between the fractions is that within the pairs times p / sqrt(n m).
    """
    (k1, n1), (k2, n2) = (int(a.sum()), len(a)), (int(b.sum()), len(b))
    correlation = _correlation_of_pairs(*pairs) * len(pairs[0]) / math.sqrt(n1 * n2)
    first, second = (k1 / n1, *wilson_interval(k1, n1, level)), (k2 / n2, *wilson_interval(k2, n2, level))
    return _square_and_add(first, second, correlation)


def _correlation_of_pairs(a: Array, b: Array) -> float:
    """Return the phi coefficient with the continuity correction of Newcombe's method 10 (method 8 has none); 0 if undefined."""
    n = len(a)
    both, only_a, only_b = int((a & b).sum()), int((a & ~b).sum()), int((b & ~a).sum())
    neither = n - both - only_a - only_b
    product = (both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither)
    excess = both * neither - only_a * only_b
    corrected = max(excess - n / 2, 0.0) if excess > 0 else float(excess)
    return corrected / math.sqrt(product) if product else 0.0


def _square_and_add(first: tuple[float, float, float], second: tuple[float, float, float], correlation: float) -> Interval:
    """Combine two estimates (value, low, high) into the interval of their difference, first minus second."""
    (p1, low1, high1), (p2, low2, high2) = first, second

    def reach(one: float, other: float) -> float:
        return math.sqrt(max(one**2 - 2 * correlation * one * other + other**2, 0.0))

    return p1 - p2 - reach(p1 - low1, high2 - p2), p1 - p2 + reach(high1 - p1, p2 - low2)
