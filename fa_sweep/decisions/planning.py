"""Plan how many seeds a sweep needs: exact power of McNemar's test, the width of Wilson's interval, and the sequential design.

The power of an exact test does not rise steadily with the number of seeds n: it falls a little at each n at which the test
cannot use the new seed. "Seeds needed" is therefore the smallest n from which on the power is at least the wanted one, checked
up to at least 2 n.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from scipy import stats

from fa_sweep._typing import Array
from fa_sweep.decisions import ALPHA, POWER
from fa_sweep.decisions.sequences import log_e_of_pairs
from fa_sweep.errors import ConfigError

MOST_SEEDS = 20_000  # no plan looks further
SIMULATED = 4_000  # sequential sweeps
LOOKS = 200  # of a simulated sequential sweep, at most


@dataclass(frozen=True)
class Planned:
    """How many seeds are needed, and the curve that shows it.

    Attributes:
        seeds: The number of seeds per group; None if more than `MOST_SEEDS` were needed.
        n: (k,) numbers of seeds.
        curve: (k,) the power with each number of seeds, or the half-width of the interval.
    """

    seeds: int | None
    n: Array
    curve: Array


def plan(curve: Callable[[int], tuple[Array, Array]], met: Callable[[Array], Array], start: int = 64) -> Planned:
    """Find the smallest number of seeds from which on a condition stays met.

    Args:
        curve: Given the largest number of seeds, returns increasing numbers of seeds (k,) and their values (k,).
        met: Returns whether each of these values (k,) meets the condition.
        start: The largest number of seeds to try first. It is doubled as often as necessary.
    """
    while True:
        n, values = curve(min(start, MOST_SEEDS))
        missed = np.flatnonzero(~met(values))
        first = int(missed[-1]) + 1 if len(missed) else 0
        if first < len(n) and (2 * n[first] <= n[-1] or start >= MOST_SEEDS):
            return Planned(int(n[first]), n, values)
        if start >= MOST_SEEDS:
            return Planned(None, n, values)
        start *= 2


def refined(power_of: Callable[[int], float], power: float, most: int = MOST_SEEDS) -> Planned:
    """Plan with a power that is simulated, and therefore computed at some numbers of seeds only.

    The smallest number of seeds with the wanted power is found by bisection. If the power falls below it again at one of a few
    larger numbers, up to 10 % above, the next of these takes its place.

    Args:
        power_of: Returns the power with a number of seeds.
        power: The wanted power.
        most: The largest number of seeds to try.
    """
    known = {0: power_of(0)}

    def missed(n: int) -> bool:
        if n not in known:
            known[n] = power_of(n)
        return known[n] < power

    low, high = 0, 8
    while missed(high) and high < most:
        low, high = high, min(2 * high, most)
    seeds = None
    if not missed(high):
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if missed(middle) else (low, middle)
        seeds, step = high, max(1, high // 50)
        for n in range(high, min(high + 5 * step, most) + 1, step):
            seeds = n + step if missed(n) else seeds
        seeds = seeds if seeds <= most else None
    for part in np.linspace(0, 2 if seeds else 1, 13)[1:]:  # for the curve
        missed(min(most, math.ceil(part * (seeds or most))))
    sizes = sorted(known)
    return Planned(seeds, np.array(sizes), np.array([known[size] for size in sizes]))


def check_share(field: str, value: float, *, open_ends: bool = False) -> None:
    """Raise ConfigError unless a value lies between 0 and 1; with `open_ends`, it must not be 0 or 1 either."""
    if not (0 < value < 1 if open_ends else 0 <= value <= 1):
        raise ConfigError(f"{field} is {value}; it must lie between 0 and 1" + ", and be neither" * open_ends)


def discordance_of(p1: float, p2: float, discordance: float | None = None) -> float:
    """Return the fraction of pairs of seeds in which only one of two groups has the event.

    Args:
        p1: The fraction of runs with the event in the first group.
        p2: The same in the second group.
        discordance: The fraction of discordant pairs, to be checked. None takes the runs of a pair to be independent.

    Raises:
        ConfigError: A fraction lies outside its range, or groups with these fractions cannot have such a discordance.
    """
    check_share("the first fraction", p1)
    check_share("the second fraction", p2)
    if discordance is None:
        return p1 * (1 - p2) + p2 * (1 - p1)
    least, most = abs(p1 - p2), min(p1 + p2, 2 - p1 - p2)
    if not least - 1e-9 <= discordance <= most + 1e-9:
        raise ConfigError(
            f"the discordance is {discordance}; with the fractions {p1:g} and {p2:g}, it must lie between {least:.4g} and "
            f"{most:.4g}"
        )
    return float(np.clip(discordance, least, most))


def mcnemar_power(p1: float, p2: float, most: int, discordance: float | None = None, alpha: float = ALPHA) -> Array:
    """Return the power of McNemar's exact test with 0, 1, ..., `most` pairs of seeds.

    The number of discordant pairs is binomial, and so is the number of those that the first group wins. The test rejects if its
    two-sided binomial p value of the discordant pairs is at most alpha.

    Args:
        p1: The fraction of runs with the event in the first group.
        p2: The same in the second group.
        most: The largest number of pairs.
        discordance: The fraction of discordant pairs; None if the runs of a pair are independent.
        alpha: The level of the test.

    Returns:
        (most + 1,) probabilities.
    """
    discordant = discordance_of(p1, p2, discordance)
    pairs = np.arange(most + 1)
    # The test rejects if the smaller of the two counts is at most `largest`; the p value is twice a binomial tail.
    largest = stats.binom.ppf(alpha / 2, pairs, 0.5)
    largest -= stats.binom.cdf(largest, pairs, 0.5) > alpha / 2
    wins = min(1.0, (discordant + p1 - p2) / (2 * discordant)) if discordant > 0 else 0.5
    rejects = stats.binom.cdf(largest, pairs, wins) + stats.binom.sf(pairs - largest - 1, pairs, wins)
    rejects[largest < 0] = 0.0
    return np.array([chances @ rejects[first : first + len(chances)] for first, chances in _binomials(discordant, most)])


def _binomials(p: float, most: int) -> Iterator[tuple[int, Array]]:
    """Yield the binomial distribution of each n from 0 to `most`: a first count, and the chances of the counts from it on.

    Counts more than eight standard deviations from the mean are left out. Each distribution is computed from the one before,
    which is much faster than the formula.
    """
    chances = np.zeros(most + 2)
    chances[0] = 1.0
    for n in range(most + 1):
        reach = 8 * math.sqrt(n * p * (1 - p)) + 8
        low, high = max(0, int(n * p - reach)), min(n, int(n * p + reach)) + 1
        yield low, chances[low:high]
        chances[low + 1 : high + 1] = chances[low + 1 : high + 1] * (1 - p) + chances[low:high] * p
        chances[low] *= 1 - p


def seeds_to_tell(
    p1: float, p2: float, power: float = POWER, discordance: float | None = None, alpha: float = ALPHA
) -> Planned:
    """Plan a sweep that tells two fractions apart by McNemar's exact test.

    Args:
        p1: The fraction of runs with the event in the first group.
        p2: The same in the second group.
        power: The wanted probability that the test rejects.
        discordance: The fraction of discordant pairs; None if the runs of a pair are independent.
        alpha: The level of the test.

    Raises:
        ConfigError: A value lies outside its range, or the fractions are equal.
    """
    check_share("the power", power, open_ends=True)
    check_share("alpha", alpha, open_ends=True)
    discordance_of(p1, p2, discordance)
    if p1 == p2:
        raise ConfigError(
            f"the fractions are {p1} and {p2}; no number of seeds tells equal fractions apart; give two different ones, or a "
            "margin to plan a test of equivalence"
        )
    return plan(
        lambda most: (np.arange(most + 1), mcnemar_power(p1, p2, most, discordance, alpha)),
        lambda powers: powers >= power,
    )


def wilson_half_widths(most: int, fraction: float | None = None, level: float = 1 - ALPHA) -> Array:
    """Return half the width of Wilson's interval with 0, 1, ..., `most` runs.

    Args:
        most: The largest number of runs.
        fraction: The true fraction, at which the expected half-width is computed. None takes the largest half-width of all
            results, that of an observed fraction of one half.
        level: The level of the interval.

    Returns:
        (most + 1,) half-widths; 1/2 without runs.
    """
    z = NormalDist().inv_cdf(0.5 + level / 2)
    if fraction is None:
        return np.asarray(z / (2 * np.sqrt(np.arange(most + 1) + z * z)))
    widths = np.full(most + 1, 0.5)
    for n, (first, chances) in enumerate(_binomials(fraction, most)):
        if n:
            observed = np.arange(first, first + len(chances)) / n
            widths[n] = chances @ (z / (1 + z * z / n) * np.sqrt(observed * (1 - observed) / n + z * z / (4 * n * n)))
    return widths


def seeds_for_width(half_width: float, fraction: float | None = None, level: float = 1 - ALPHA) -> Planned:
    """Plan a sweep in which Wilson's interval of a group's fraction is at most so wide.

    Args:
        half_width: The largest wanted half-width.
        fraction: The true fraction, for the expected half-width. None is the worst case.
        level: The level of the interval.

    Raises:
        ConfigError: A value lies outside its range.
    """
    if not 0 < half_width < 0.5:
        raise ConfigError(f"the half-width is {half_width}; it must lie between 0 and 0.5, such as 0.1")
    if fraction is not None:
        check_share("the fraction", fraction)
    check_share("the level", level, open_ends=True)
    return plan(lambda most: (np.arange(most + 1), wilson_half_widths(most, fraction, level)), lambda w: w <= half_width)


@dataclass(frozen=True)
class Sequential:
    """The seeds that a sequential sweep needs, whose rule stops at a difference.

    Attributes:
        most: The largest number of seeds per group that it has to allow, to find the difference with the wanted power.
        mean: The mean number of seeds if it stops at the difference, or at `most`.
        median: The median of that number.
    """

    most: int
    mean: float
    median: int


def sequential_seeds(
    p1: float, p2: float, power: float = POWER, discordance: float | None = None, alpha: float = ALPHA
) -> Sequential | None:
    """Simulate how many seeds a sequential sweep needs to tell two fractions apart with the wanted power.

    The rule is "difference" for fractions (see `rules`), with a look at up to `LOOKS` numbers of seeds.

    Args:
        p1: The fraction of runs with the event in the first group.
        p2: The same in the second group.
        power: The wanted probability that the sweep finds the difference.
        discordance: The fraction of discordant pairs; None if the runs of a pair are independent.
        alpha: The level of the rule.

    Returns:
        The seeds; None if more than `MOST_SEEDS` were needed.
    """
    discordant, horizon = discordance_of(p1, p2, discordance), 128
    won = (discordant + p1 - p2) / 2
    while True:
        every = max(1, horizon // LOOKS)
        draws = np.random.default_rng(0).multinomial(
            every, [won, max(discordant - won, 0.0), 1 - discordant], size=(SIMULATED, horizon // every)
        )
        wins, losses = draws[..., 0].cumsum(axis=1), draws[..., 1].cumsum(axis=1)
        found = log_e_of_pairs(wins, losses) >= -math.log(alpha)
        stopped = np.where(found.any(axis=1), (found.argmax(axis=1) + 1) * every, np.iinfo(int).max)
        most = int(np.quantile(stopped, power, method="inverted_cdf"))
        if most <= horizon:
            sizes = np.minimum(stopped, most)
            return Sequential(most, float(sizes.mean()), int(np.median(sizes)))
        if horizon >= MOST_SEEDS:
            return None
        horizon = min(2 * horizon, MOST_SEEDS)
