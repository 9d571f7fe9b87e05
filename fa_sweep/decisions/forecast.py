"""Estimate how many more seeds a sequential sweep needs until its rule lets it stop."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from fa_sweep._typing import Array
from fa_sweep.decisions.looks import OPEN, Look, Sample, look, sample_of_pairs, verdict_on
from fa_sweep.decisions.rules import Rule
from fa_sweep.decisions.sequences import counted

MOST_SEEDS = 100_000


def seeds_left(
    rule: Rule,
    data: Mapping[str, Array],
    comparisons: Sequence[tuple[str, str]] = (),
    earlier: Look | None = None,
    most: int = MOST_SEEDS,
) -> int | None:
    """Estimate roughly how many more seeds the rule needs, if the runs to come are like those so far.

    Every value is assumed to keep its share of the runs. The estimate is uncertain, and too small more often than not if it
    rests on few runs.

    Args:
        rule: The rule.
        data: As for `look`.
        comparisons: As for `look`.
        earlier: As for `look`.
        most: The largest number of seeds, those so far included, that is considered.

    Returns:
        The number of seeds, 0 if the sweep may stop now. None if the rule would not be met by `most` seeds, or if there are no
        runs to judge from.

    Raises:
        ConfigError: As for `look`.
        ValueError: As for `look`.
    """
    now = look(rule, data, comparisons, earlier)
    if now.stop:
        return 0
    if now.n == 0:
        return None
    needed = now.n
    for met in _conditions(rule, data, comparisons, now):
        last = _first_met(met, needed, now.n, most)
        if last is None:
            return None
        needed = last
    return needed - now.n


def _conditions(
    rule: Rule, data: Mapping[str, Array], comparisons: Sequence[tuple[str, str]], now: Look
) -> Iterator[Callable[[float], bool]]:
    """Yield, for each undecided group or comparison, whether it were decided if its values occurred so many times as often."""
    if rule.about_groups:
        for one in now.groups:
            if one.verdict == OPEN:
                yield _narrow(rule, Sample(*counted(data[one.group])), 1 - rule.alpha / len(now.groups))
    else:
        for pair in now.comparisons:
            if pair.verdict == OPEN:
                ours, theirs = (np.asarray(data[name], dtype=float) for name in (pair.group, pair.reference))
                yield _told(rule, sample_of_pairs(rule, ours, theirs), 1 - rule.alpha / len(now.comparisons))


def _narrow(rule: Rule, sample: Sample, level: float) -> Callable[[float], bool]:
    def met(times: float) -> bool:
        low, high = sample.interval(level, times)
        return high - low < (rule.width or 0.0)

    return met


def _told(rule: Rule, sample: Sample, level: float) -> Callable[[float], bool]:
    return lambda times: verdict_on(rule, *sample.interval(level, times)) != OPEN


def _first_met(met: Callable[[float], bool], start: int, n: int, most: int) -> int | None:
    """Return the smallest number of seeds from `start` to `most` at which a condition is met, if it stays met from there on.

    Args:
        met: The condition, as a function of how many times as often each value occurs.
        start: The first number of seeds to consider.
        n: The number of seeds so far.
        most: The last number of seeds to consider.
    """
    low, high = start - 1, start
    while not met(high / n):
        if high >= most:
            return None
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if met(middle / n) else (middle, high)
    return high
