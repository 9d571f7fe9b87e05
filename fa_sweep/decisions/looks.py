"""Looks at a sequential sweep: decide from the runs so far whether it needs more seeds.

After each round of seeds, `look` computes intervals that hold at all looks simultaneously (see `sequences`), and says what is
decided. So the sweep may stop at any look, for any reason, and the intervals and p values of that look are valid. Ordinary
intervals and p values are not valid for such a sweep, because its results chose its size.

Several comparisons are corrected by Bonferroni's method: with C comparisons, each has an interval at the level 1 - alpha / C,
and its p value is multiplied by C. Intervals of G groups are at the level 1 - alpha / G. These are two families: the
probability of any error among all comparisons is at most alpha, and so is that of any error among all groups.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fa_sweep._typing import Array
from fa_sweep.checks import shown
from fa_sweep.decisions.rules import DECIDED, DIFFERENCE, EQUIVALENCE, FINAL, FRACTION, TIME, Rule
from fa_sweep.decisions.sequences import anytime_p, counted, interval_of_counts, log_capital, narrowed
from fa_sweep.errors import ConfigError

DIFFERS, EQUIVALENT, NARROW, OPEN = ("differs", "equivalent", "narrow", "open")
NO_DIFFERENCE = 0.5  # of a sample of pairs, where 0 is the largest loss and 1 the largest win


@dataclass(frozen=True)
class Estimated:
    """What is known of a group at a look.

    Attributes:
        group: The group.
        n: The number of its runs.
        estimate: The fraction of runs with the event, the mean share of the horizon, or the median of the final values; NaN
            without runs.
        low: The lower end of the interval, which holds at all looks simultaneously; NaN for final values, which have none.
        high: The upper end.
        verdict: "narrow" or "open"; empty if the rule is about comparisons.
    """

    group: str
    n: int
    estimate: float
    low: float
    high: float
    verdict: str


@dataclass(frozen=True)
class Compared:
    """What is known of a comparison at a look.

    Attributes:
        group: The group.
        reference: The group that it is compared with.
        n: The number of pairs of runs with the same seed.
        wins: In how many pairs the group's value is the larger one.
        losses: In how many pairs it is the smaller one.
        estimate: The mean difference, group minus reference. For final values: the fraction of the untied pairs that the group
            won. NaN without pairs.
        low: The lower end of the interval of what is estimated. It holds at all looks simultaneously.
        high: The upper end.
        log_e: The logarithm of the largest e-value against "no difference" at any look so far.
        p: The p value that follows from it, corrected for the number of comparisons. It holds at all looks simultaneously.
        verdict: "differs", "equivalent" or "open"; empty if the rule is about groups. An interval that excludes "no
            difference" and also lies within the margin "differs", unless the rule's kind is "equivalence".
    """

    group: str
    reference: str
    n: int
    wins: int
    losses: int
    estimate: float
    low: float
    high: float
    log_e: float
    p: float
    verdict: str


@dataclass(frozen=True)
class Look:
    """What a rule says after some number of seeds.

    Attributes:
        rule: The rule.
        n: The number of seeds.
        groups: One entry per group.
        comparisons: One entry per comparison.
        stop: Whether the sweep may stop.
    """

    rule: Rule
    n: int
    groups: tuple[Estimated, ...]
    comparisons: tuple[Compared, ...]
    stop: bool

    @property
    def undecided(self) -> list[str]:
        """The groups, or the comparisons ("GROUP against REFERENCE"), about which the rule has not decided."""
        if self.rule.about_groups:
            return [one.group for one in self.groups if one.verdict == OPEN]
        return [f"{one.group} against {one.reference}" for one in self.comparisons if one.verdict == OPEN]


@dataclass(frozen=True)
class Sample:
    """The distinct values of a group or of a comparison, between 0 and 1, and how often each occurred, (D,) and (D,)."""

    values: Array
    counts: Array
    signed: bool = False  # whether a value v stands for the difference 2 v - 1

    def original(self, value: float) -> float:
        """Return a value in its original scale."""
        return 2 * value - 1 if self.signed else value

    def mean(self) -> float:
        """Return the mean in the original scale; NaN if there are no values."""
        total = self.counts.sum()
        return self.original(float(self.values @ self.counts / total)) if total > 0 else math.nan

    def interval(self, level: float, times: float = 1.0) -> tuple[float, float]:
        """Return the interval in the original scale, as if each value had occurred `times` as often."""
        low, high = interval_of_counts(self.values, self.counts * times, level)
        return self.original(low), self.original(high)

    def log_e(self, times: float = 1.0) -> float:
        """Return the logarithm of the e-value against "no difference", as if each value had occurred `times` as often."""
        return float(log_capital(NO_DIFFERENCE, self.values, self.counts * times))


def look(
    rule: Rule, data: Mapping[str, Array], comparisons: Sequence[tuple[str, str]] = (), earlier: Look | None = None
) -> Look:
    """Say what is known after some number of seeds, and whether the sweep may stop.

    Args:
        rule: The rule, which must not change between looks.
        data: For each group, the values (n,) of its runs in the order of the seeds. All groups have the same seeds. The first
            of the values must be those of the earlier looks.
        comparisons: The pairs (group, reference) to compare. A rule of the kind "width" may have none.
        earlier: The look before this one, if there was any. Its intervals and e-values enter into those of this look.

    Raises:
        ConfigError: A value is undefined or out of range, or there is nothing for the rule to decide about.
        ValueError: The groups have different numbers of values, or `earlier` is a look of another sweep or rule.
    """
    n = _checked(rule, data, comparisons)
    if earlier is not None:
        _check_earlier(earlier, rule, data, comparisons, n)
    groups, compared = [], []
    for place, (group, values) in enumerate(data.items()):
        groups.append(_estimated(rule, group, values, 1 - rule.alpha / len(data), earlier.groups[place] if earlier else None))
    for place, (group, reference) in enumerate(comparisons):
        before = earlier.comparisons[place] if earlier else None
        compared.append(_compared(rule, (group, reference), data, len(comparisons), before))
    decided = [one.verdict != OPEN for one in (groups if rule.about_groups else compared)]
    return Look(rule, n, tuple(groups), tuple(compared), all(decided))


def looks(rule: Rule, data: Mapping[str, Array], comparisons: Sequence[tuple[str, str]], sizes: Sequence[int]) -> list[Look]:
    """Return the looks after the first `sizes[0]` seeds, `sizes[1]` seeds and so on, up to the first that allows to stop.

    Args:
        rule: The rule.
        data: As for `look`.
        comparisons: As for `look`.
        sizes: Increasing numbers of seeds.
    """
    found: list[Look] = []
    for size in sizes:
        part = {group: values[:size] for group, values in data.items()}
        found.append(look(rule, part, comparisons, found[-1] if found else None))
        if found[-1].stop:
            break
    return found


def _estimated(rule: Rule, group: str, values: Array, level: float, before: Estimated | None) -> Estimated:
    if rule.outcome == FINAL:
        estimate = float(np.median(values)) if len(values) else math.nan
        return Estimated(group, len(values), estimate, math.nan, math.nan, "")
    sample = Sample(*counted(values))
    low, high = narrowed([*([(before.low, before.high)] if before else []), sample.interval(level)])
    verdict = "" if rule.width is None else NARROW if high - low < rule.width else OPEN
    return Estimated(group, len(values), sample.mean(), low, high, verdict)


def _compared(rule: Rule, pair: tuple[str, str], data: Mapping[str, Array], family: int, before: Compared | None) -> Compared:
    ours, theirs = (np.asarray(data[name], dtype=float) for name in pair)
    sample = sample_of_pairs(rule, ours, theirs)
    interval = sample.interval(1 - rule.alpha / family)
    low, high = narrowed([*([(before.low, before.high)] if before else []), interval])
    log_e = max(sample.log_e(), before.log_e if before else 0.0)
    wins, losses = int((ours > theirs).sum()), int((ours < theirs).sum())
    p = min(1.0, family * float(anytime_p(log_e)))
    return Compared(*pair, len(ours), wins, losses, sample.mean(), low, high, log_e, p, verdict_on(rule, low, high))


def sample_of_pairs(rule: Rule, ours: Array, theirs: Array) -> Sample:
    """Return the paired differences; for final values, 1 for each pair that the group won and 0 for each that it lost."""
    if rule.outcome == FINAL:
        wins, losses = int((ours > theirs).sum()), int((ours < theirs).sum())
        return Sample(np.array([0.0, 1.0]), np.array([losses, wins], dtype=float))
    return Sample(*counted((ours - theirs + 1) / 2), signed=True)


def verdict_on(rule: Rule, low: float, high: float) -> str:
    """Return the verdict of a rule on a comparison whose interval is given."""
    differs = not low <= rule.null <= high
    within = rule.margin is not None and -rule.margin < low and high < rule.margin
    if differs and rule.kind in (DIFFERENCE, DECIDED):
        return DIFFERS
    if within and rule.kind in (EQUIVALENCE, DECIDED):
        return EQUIVALENT
    return "" if rule.about_groups else OPEN


def _checked(rule: Rule, data: Mapping[str, Array], comparisons: Sequence[tuple[str, str]]) -> int:
    """Check what a look was given, and return the number of seeds."""
    if not data:
        raise ConfigError("the sweep has 0 groups; a rule needs at least one")
    if not comparisons and not rule.about_groups:
        raise ConfigError(f"the sweep has 0 comparisons, but the kind {rule.kind!r} decides about them; compare two groups")
    sizes = {len(values) for values in data.values()}
    if len(sizes) > 1:
        raise ValueError(f"the groups have {sorted(sizes)} values; all must have the same seeds")
    for pair in comparisons:
        if not set(pair) <= set(data) or pair[0] == pair[1]:
            raise ValueError(f"{pair} are not two groups of the data")
    for group, values in data.items():
        _check_values(rule, group, np.asarray(values, dtype=float))
    return sizes.pop()


def _check_values(rule: Rule, group: str, values: Array) -> None:
    """Raise ConfigError unless all values are defined and possible for the rule's outcome."""
    wrong = np.isnan(values)
    if rule.outcome == FRACTION:
        wrong = ~np.isin(values, (0.0, 1.0))
    elif rule.outcome == TIME:
        wrong = ~((values >= 0) & (values <= 1))
    if wrong.any():
        what = {FRACTION: "must be 0 or 1", TIME: "must lie between 0 and 1", FINAL: "must be defined"}[rule.outcome]
        raise ConfigError(
            f"the outcome {rule.outcome} of group {shown(group)} is {values[wrong][0]:g} in {int(wrong.sum())} of its runs; it "
            f"{what}; choose another outcome"
        )


def _check_earlier(
    earlier: Look, rule: Rule, data: Mapping[str, Array], comparisons: Sequence[tuple[str, str]], n: int
) -> None:
    """Raise ValueError unless a look is an earlier one of the same sweep and rule."""
    same = earlier.rule == rule and [one.group for one in earlier.groups] == list(data)
    same = same and [(one.group, one.reference) for one in earlier.comparisons] == [tuple(pair) for pair in comparisons]
    if not same or earlier.n > n:
        raise ValueError("the earlier look is of another rule, of other groups, or of more seeds than this look")
