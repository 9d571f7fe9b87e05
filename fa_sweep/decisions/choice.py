"""Tuning: choose settings for each group of a sweep by its runs on the tuning seeds.

The choice is made on seeds of its own, because the best of many noisy values is too good to be true: a group that tries more
settings, or whose runs vary more, would otherwise look better than it is.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fa_sweep.checks import did_you_mean
from fa_sweep.errors import ConfigError
from fa_sweep.sweeping.jobs import Job
from fa_sweep.sweeping.ledger import finished, run_events
from fa_sweep.sweeping.outcomes import Events, Outcome
from fa_sweep.sweeping.shards import Record
from fa_sweep.tasks import METRICS

CONVERGED = "converged"
WIDE = 10  # the factor between the ends of a range from which it is searched on a logarithmic scale
CLOSE = 0.05  # a choice this close to an end of its range, as a share of the range, lies at its edge
_ACCURACIES = ("accuracy", "accuracy_sampled")
Levels = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Scored:
    """One combination of settings that a group tried.

    Attributes:
        group: The label of the group of runs.
        key: The levels of the factors that have a choice of their own, (factor, level) each.
        levels: The levels of the factors that are chosen.
        n: The number of its runs on the tuning seeds.
        converged: How many of them converged.
        restricted_mean: Their restricted mean time to convergence in steps; NaN if no run could converge.
        median: The median of the final values of the metric.
        score: What is to be largest. The first number decides, and the others break ties.
    """

    group: str
    key: Levels
    levels: Levels
    n: int
    converged: int
    restricted_mean: float
    median: float
    score: tuple[float, ...]


@dataclass(frozen=True)
class Choice:
    """The settings that a group has chosen.

    Attributes:
        best: The combination that is chosen.
        tried: All combinations that the group tried, in the order of the sweep.
        edges: The chosen factors whose level lies at an end of the numbers that the group tried: "lowest" or "highest".
        tied: How many other combinations have the same score. The first of them is chosen.
        decided_by: The place in the score at which the choice beats every other combination: 0 if it is what had to be best,
            larger for a tie-breaker; -1 if nothing distinguishes it from another one.
    """

    best: Scored
    tried: tuple[Scored, ...]
    edges: Mapping[str, str]
    tied: int
    decided_by: int


def chosen_factors(jobs: Sequence[Job], per: Sequence[str]) -> list[str]:
    """Return the factors that are chosen: all of a sweep's, without those that have a choice of their own.

    Raises:
        ConfigError: `per` names no factor of the sweep, or there is nothing to choose.
    """
    factors = list(dict.fromkeys(name for job in jobs for name in job.factors))
    for name in per:
        if name not in factors and name != "feedback":
            known = ", ".join(factors) or "feedback"
            raise ConfigError(
                f"tune.per has {name!r}, over which nothing is swept; {did_you_mean(name, factors)}known: {known}"
            )
    found = [name for name in factors if name not in per]
    if not found:
        raise ConfigError("there is nothing to choose: sweep over another setting too, such as 'train.lr=logspace(0.001,1,7)'")
    return found


def check_by(by: str, jobs: Sequence[Job]) -> None:
    """Raise ConfigError unless "converged" or a metric that every run has is to be best."""
    for targets in {job.targets for job in jobs}:
        known = (CONVERGED, "loss", *METRICS[targets])
        if by not in known:
            raise ConfigError(f"tune.by is {by!r}; {did_you_mean(by, known)}choose one of {', '.join(known)}")


def choices(jobs: Sequence[Job], records: Mapping[str, Record], per: Sequence[str], by: str) -> list[Choice]:
    """Return what each group chooses, in the order of the sweep.

    Args:
        jobs: The jobs of the tuning sweep.
        records: The records of its finished runs, by run id. Combinations without a finished run cannot be chosen.
        per: The factors whose every combination of levels has a choice of its own.
        by: "converged", or the metric whose median is to be best.
    """
    of_group: dict[str, list[tuple[Job, Record]]] = {}
    for job, record in finished(jobs, records):
        of_group.setdefault(job.group, []).append((job, record))
    scored: dict[Levels, list[Scored]] = {}
    for group in dict.fromkeys(job.group for job in jobs):
        if group in of_group:
            one = _scored(group, of_group[group], per, by)
            scored.setdefault(one.key, []).append(one)
    return [_choice(tried) for tried in scored.values()]


def _scored(group: str, runs: Sequence[tuple[Job, Record]], per: Sequence[str], by: str) -> Scored:
    job = runs[0][0]
    events = [run_events(job, record) for job, record in runs]
    converged = sum(event.outcome is Outcome.CONVERGED for event in events)
    success = job.run.task.success.metric
    metric = success if by == CONVERGED else by
    times = np.array([_time(event) for event in events])
    median = float(np.median([_final(job, record, event, metric) for (job, record), event in zip(runs, events, strict=True)]))
    value = -math.inf if math.isnan(median) else median if metric in _ACCURACIES else -median
    restricted = float(times.mean())
    score = (
        (converged / len(runs), -math.inf if math.isnan(restricted) else -restricted, value) if by == CONVERGED else (value,)
    )
    key = tuple((name, job.factors[name]) for name in per if name in job.factors)
    levels = tuple((name, level) for name, level in job.factors.items() if name not in per)
    return Scored(group, key, levels, len(runs), converged, restricted, median, score)


def _time(event: Events) -> float:
    return event.horizon_step if math.isnan(event.convergence_step) else event.convergence_step


def _final(job: Job, record: Record, event: Events, metric: str) -> float:
    """Return a run's final value. A diverged run counts as the worst possible result."""
    if event.outcome is Outcome.DIVERGED:
        return 0.0 if metric in _ACCURACIES else math.inf
    return float(record.metrics[metric][-1])


def _choice(tried: Sequence[Scored]) -> Choice:
    best = max(tried, key=lambda one: one.score)  # the first of those that tie
    others = [one.score for one in tried if one is not best]
    decided_by = max((_first_difference(best.score, score) for score in others), default=0)
    tied = sum(score == best.score for score in others)
    edges: dict[str, str] = {}
    for name, level in best.levels if not tied else ():
        levels = sorted({value for one in tried for other, value in one.levels if other == name and _is_number(value)})
        if _is_number(level) and len(levels) > 1 and level in (levels[0], levels[-1]):
            edges[name] = "lowest" if level == levels[0] else "highest"
    return Choice(best, tuple(tried), edges, tied, -1 if tied else decided_by)


def _first_difference(score: Sequence[float], other: Sequence[float]) -> int:
    """Return the first place in which two scores differ; one past their end if in none."""
    return next((n for n, (a, b) in enumerate(zip(score, other, strict=True)) if a != b), len(score))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def choices_of(design: Mapping[str, Any], jobs: Sequence[Job], records: Mapping[str, Record]) -> list[Choice]:
    """Return the choices that the tuning stage of a sweep leads to.

    Args:
        design: The design in the record of either stage.
        jobs: The jobs of the tuning stage.
        records: The records of its runs.
    """
    found = choices(jobs, records, [str(name) for name in design["per"]], str(design["by"]))
    ranges = design.get("ranges")
    return found if ranges is None else [with_edges(choice, ranges) for choice in found]


def with_edges(choice: Choice, ranges: Mapping[str, Sequence[float]]) -> Choice:
    """Return a choice with those edges alone that lie close to an end of the range that was searched.

    Args:
        choice: The choice of a search that tries values inside of ranges.
        ranges: The lowest and the highest value of each factor that is a number.
    """
    edges = {}
    for name, level in choice.best.levels:
        if name in ranges and _is_number(level):
            low, high, here = (_scaled(value, ranges[name]) for value in (*ranges[name], level))
            if min(here - low, high - here) <= CLOSE * (high - low):
                edges[name] = "lowest" if here - low < high - here else "highest"
    return replace(choice, edges=edges)


def is_wide(low: float, high: float) -> bool:
    """Whether a range of positive numbers is so wide that it is searched on a logarithmic scale."""
    return low > 0 and high / low >= WIDE


def _scaled(value: float, ends: Sequence[float]) -> float:
    return math.log(value) if is_wide(*ends) else float(value)


def beyond(values: Sequence[float], end: str) -> float:
    """Return the value that continues a range at its lowest or highest end.

    Positive values are continued by their ratio, others by their difference. The result has at most four significant digits.

    Args:
        values: The values, at least two, in any order.
        end: "lowest" or "highest".
    """
    ordered = sorted(values, reverse=end == "lowest")
    last, before = ordered[-1], ordered[-2]
    following = last * last / before if min(ordered) > 0 else 2 * last - before
    if all(isinstance(value, int) for value in values):  # a setting such as a batch size takes no other numbers
        return math.ceil(following) if end == "highest" else math.floor(following)
    return float(f"{following:.3e}")


def words(choice: Choice, by: str, metric: str = "success metric") -> str:
    """Say in one line what a group chose, and why.

    Args:
        choice: The choice.
        by: "converged", or the metric whose median was to be best.
        metric: The name of the success metric, which may have broken a tie.
    """
    best = choice.best
    levels = ", ".join(f"{name}={level}" for name, level in best.levels)
    edge = "".join(f"; {name} is the {end} that was tried" for name, end in choice.edges.items())
    return f"{levels} ({why(choice, by, metric)}{edge})"


def why(choice: Choice, by: str, metric: str = "success metric") -> str:
    """Say what a group reached with its choice on the tuning seeds, and what broke a tie. See `words` for the arguments."""
    best = choice.best
    said = f"{best.converged} of {best.n} converged" if by == CONVERGED else f"median {_plain(by)} {best.median:.4g}"
    if choice.decided_by < 0:
        return f"{said}; {choice.tied} more did equally well, and the first is taken"
    if by == CONVERGED and best.converged:
        said += f", restricted mean {best.restricted_mean:.4g} steps"
    return said if choice.decided_by < 2 else f"{said}; a tie, decided by the median final {_plain(metric)}, {best.median:.4g}"


def _plain(metric: str) -> str:
    return metric.replace("_", " ")


def label(choice: Choice) -> str:
    """Return the label of a group that chose: its levels of the factors that have a choice of their own."""
    return ", ".join(f"{level}" if name == "feedback" else f"{name}={level}" for name, level in choice.best.key) or "all runs"
