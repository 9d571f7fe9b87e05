"""Plan a sweep that shows that two fractions are equivalent: power of two one-sided tests at a margin."""

import math
from statistics import NormalDist

import numpy as np

from fa_sweep._typing import Array
from fa_sweep.decisions import ALPHA, POWER
from fa_sweep.decisions.planning import Planned, check_share, discordance_of, refined
from fa_sweep.errors import ConfigError

SIMULATED = 20_000


def paired_intervals(counts: Array, level: float) -> tuple[Array, Array]:
    """Return the score intervals of the difference of paired fractions for many samples at once.

    `fa_sweep.report.intervals.difference_of_fractions` computes the same for the runs of a report.

    Args:
        counts: (s, 4) numbers of pairs per sample: both runs have the event, only the first, only the second, neither. Every
            sample has the same number of pairs.
        level: The nominal coverage.

    Returns:
        (s,) lower and (s,) upper ends.

    Source: Newcombe (1998), Stat. Med. 17:2635, method 10.
    """
    both, first, second, neither = np.asarray(counts, dtype=float).T
    n = both + first + second + neither
    z = NormalDist().inv_cdf(0.5 + level / 2)

    def wilson(p: Array) -> tuple[Array, Array]:
        centre = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return centre - half, centre + half

    p1, p2 = (both + first) / n, (both + second) / n
    (low1, high1), (low2, high2) = wilson(p1), wilson(p2)
    product = (both + first) * (second + neither) * (both + second) * (first + neither)
    excess = both * neither - first * second
    excess = np.where(excess > 0, np.maximum(excess - n / 2, 0.0), excess)
    phi = np.divide(excess, np.sqrt(product), out=np.zeros_like(excess), where=product > 0)

    def reach(one: Array, other: Array) -> Array:
        return np.asarray(np.sqrt(np.maximum(one**2 - 2 * phi * one * other + other**2, 0.0)))

    return p1 - p2 - reach(p1 - low1, high2 - p2), p1 - p2 + reach(high1 - p1, p2 - low2)


def equivalence_power(
    n: int, p1: float, p2: float, margin: float, discordance: float | None = None, alpha: float = ALPHA
) -> float:
    """Return the probability that the sweep shows equivalence: that the interval at 1 - 2 alpha lies within the margin.

    This is the same as two one-sided tests at alpha each. The probability is estimated from `SIMULATED` sweeps, which depend
    on n alone, so its standard error is at most 0.4 points.

    Args:
        n: The number of pairs of seeds.
        p1: The fraction of runs with the event in the first group.
        p2: The same in the second group.
        margin: The smallest difference that matters.
        discordance: The fraction of discordant pairs; None if the runs of a pair are independent.
        alpha: The level of each test.

    Source: Schuirmann (1987), J. Pharmacokinet. Biopharm. 15:657.
    """
    if n == 0:
        return 0.0
    discordant = discordance_of(p1, p2, discordance)
    first = (discordant + p1 - p2) / 2
    both, second = p1 - first, discordant - first
    cells = np.maximum([both, first, second, 1 - both - discordant], 0.0)
    counts = np.random.default_rng(n).multinomial(n, cells / cells.sum(), size=SIMULATED)
    low, high = paired_intervals(counts, 1 - 2 * alpha)
    return float(((-margin < low) & (high < margin)).mean())


def seeds_for_equivalence(
    p1: float, p2: float, margin: float, power: float = POWER, discordance: float | None = None, alpha: float = ALPHA
) -> Planned:
    """Plan a sweep that shows that two fractions differ by less than a margin.

    Args:
        p1: The fraction of runs with the event in the first group.
        p2: The same in the second group.
        margin: The smallest difference that matters; it must be larger than the true difference.
        power: The wanted probability that equivalence is shown.
        discordance: The fraction of discordant pairs; None if the runs of a pair are independent.
        alpha: The level of each of the two one-sided tests.

    Raises:
        ConfigError: A value lies outside its range, or the true difference is not within the margin.
    """
    check_share("the power", power, open_ends=True)
    check_share("alpha", alpha, open_ends=True)
    discordance_of(p1, p2, discordance)
    if not 0 < margin < 1:
        raise ConfigError(f"the margin is {margin}; it must lie between 0 and 1, such as 0.1")
    if not alpha < 0.5:
        raise ConfigError(f"alpha is {alpha}; a test of equivalence needs less than 0.5")
    if abs(p1 - p2) >= margin:
        raise ConfigError(
            f"the margin is {margin}; the fractions {p1:g} and {p2:g} are not within it, so no sweep can show that they are; "
            f"choose a margin above {math.ceil(1000 * abs(p1 - p2)) / 1000:g}"
        )
    return refined(lambda n: equivalence_power(n, p1, p2, margin, discordance, alpha), power)
