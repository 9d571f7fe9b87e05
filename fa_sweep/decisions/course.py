"""The course of a sequential sweep: its rule, the order of its seeds, and what a run contributes to a look.

A sweep's jobs, the records of its runs and its settings `decide` determine every look, so a report can repeat them all.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from fa_sweep._typing import Array
from fa_sweep.checks import did_you_mean
from fa_sweep.decisions.looks import Look, look
from fa_sweep.decisions.rules import FINAL, FRACTION, TIME, Rule
from fa_sweep.errors import ConfigError
from fa_sweep.settings.designs import DecideConfig
from fa_sweep.sweeping.jobs import Job
from fa_sweep.sweeping.ledger import finished, run_events
from fa_sweep.sweeping.outcomes import Outcome
from fa_sweep.sweeping.references import references
from fa_sweep.sweeping.shards import Record
from fa_sweep.tasks import METRICS

FRACTIONS = {"converged": "converged", "reached": "succeeded at some evaluation", "at_end": "succeeded at the last evaluation"}
TIMES = "time"


@dataclass(frozen=True)
class Course:
    """How a sequential sweep goes on.

    Attributes:
        rule: The rule that allows it to stop.
        outcome: What is decided about, as the setting `decide.outcome` names it.
        comparisons: The pairs (group, reference) that are compared.
        groups: The groups, in the order of the sweep.
        seeds: All seeds that it may take, in their order.
        round: How many seeds are added at a time.
    """

    rule: Rule
    outcome: str
    comparisons: tuple[tuple[str, str], ...]
    groups: tuple[str, ...]
    seeds: tuple[int, ...]
    round: int

    @classmethod
    def of(cls, jobs: Sequence[Job], settings: DecideConfig) -> "Course":
        """Return the course of a sweep.

        Args:
            jobs: All jobs that the sweep may have, in its order.
            settings: The settings `decide`.

        Raises:
            ConfigError: The settings do not fit together or do not fit the sweep, or the groups have different seeds.
        """
        kind = FRACTION if settings.outcome in FRACTIONS else TIME if settings.outcome == TIMES else FINAL
        try:
            rule = Rule(settings.rule, kind, settings.margin, settings.width)
        except ConfigError as error:
            raise ConfigError(str(error).replace("the rule's kind", "decide.rule").replace("the rule's ", "decide.")) from error
        seeds: dict[str, list[int]] = {}
        for job in jobs:
            seeds.setdefault(job.group, []).append(job.run.seed)
        first = next(iter(seeds))
        for group, its in seeds.items():
            if its != seeds[first]:
                raise ConfigError(
                    f"the groups {first} and {group} have different seeds, or in another order; a sweep that adds seeds needs "
                    "the same in all groups"
                )
        if kind == FINAL:
            _check_metric(settings.outcome, jobs)
        pairs = _pairs(jobs, list(seeds), settings.reference)
        if not rule.about_groups and not pairs:
            remedy = f"name one, such as decide.reference='{first}'" if len(seeds) > 1 else "sweep over two groups or more"
            raise ConfigError(f"decide.rule is {settings.rule!r}, but no group has another one to be compared with; {remedy}")
        if settings.outcome in ("converged", TIMES):
            _check_horizon(settings.outcome, jobs)
        return cls(rule, settings.outcome, tuple(pairs), tuple(seeds), tuple(seeds[first]), settings.round)

    def sizes(self) -> list[int]:
        """Return the numbers of seeds at which a look is taken."""
        return [*range(self.round, len(self.seeds), self.round), len(self.seeds)]

    def jobs(self, jobs: Sequence[Job], size: int) -> list[Job]:
        """Return those of the jobs whose seed is among the first `size` ones."""
        wanted = set(self.seeds[:size])
        return [job for job in jobs if job.run.seed in wanted]

    def data(self, jobs: Sequence[Job], records: Mapping[str, Record]) -> dict[str, Array]:
        """Return each group's values in the order of the seeds, (n,), as `looks.look` takes them.

        Args:
            jobs: The jobs so far. Each needs a record.
            records: The records of the finished runs, by run id.

        Raises:
            ConfigError: The groups have different horizons, so their times cannot be compared.
        """
        order = {seed: place for place, seed in enumerate(self.seeds)}
        found = {group: np.full(len({job.run.seed for job in jobs}), math.nan) for group in self.groups}
        horizons = set()
        for job, record in finished(jobs, records):
            value, horizon = self._value(job, record)
            found[job.group][order[job.run.seed]] = value
            horizons.add(horizon)
        if self.rule.outcome == TIME and len(horizons) > 1:
            raise ConfigError("decide.outcome is time, but the groups have different horizons; choose converged, or a metric")
        return found

    def look(self, jobs: Sequence[Job], records: Mapping[str, Record], earlier: Look | None) -> Look:
        """Take a look at the jobs so far, after `earlier` ones."""
        return look(self.rule, self.data(jobs, records), self.comparisons, earlier)

    def _value(self, job: Job, record: Record) -> tuple[float, float]:
        """Return a run's value and, for times, its horizon in steps."""
        events = run_events(job, record)
        if self.outcome == TIMES:
            time = events.horizon_step if math.isnan(events.convergence_step) else events.convergence_step
            return time / events.horizon_step if events.horizon_step > 0 else math.nan, events.horizon_step
        if self.outcome == "reached":
            return float(not math.isnan(events.first_reach_step)), 0.0
        if self.outcome in FRACTIONS:
            return float(events.at_end if self.outcome == "at_end" else events.outcome is Outcome.CONVERGED), 0.0
        if events.outcome is Outcome.DIVERGED:
            return 0.0 if self.outcome.startswith("accuracy") else math.inf, 0.0
        return float(record.metrics[self.outcome][-1]), 0.0


def _pairs(jobs: Sequence[Job], groups: Sequence[str], reference: str | None) -> list[tuple[str, str]]:
    if reference is not None:
        if reference not in groups:
            meant = did_you_mean(reference, groups)
            raise ConfigError(f"decide.reference is {reference!r}; {meant}choose one of {'; '.join(groups)}")
        return [(group, reference) for group in groups if group != reference]
    return [(group, its) for group, its in references(jobs).items() if group != its]


def _check_horizon(outcome: str, jobs: Sequence[Job]) -> None:
    """Raise ConfigError if a run has too few evaluations to count as converged."""
    for train in {id(job.run.train): job.run.train for job in jobs}.values():
        if train.evaluations() < train.hold:
            raise ConfigError(
                f"decide.outcome is {outcome!r}, but no run can count as converged: {train.evaluations()} evaluations are "
                f"fewer than train.hold, {train.hold}; evaluate more often, or choose another outcome"
            )


def _check_metric(metric: str, jobs: Sequence[Job]) -> None:
    known = {"loss", *(name for job in jobs for name in METRICS[job.targets])}
    for job in {job.targets: job for job in jobs}.values():
        if metric != "loss" and metric not in METRICS[job.targets]:
            names: list[Any] = [*FRACTIONS, TIMES, *sorted(known)]
            raise ConfigError(f"decide.outcome is {metric!r}; {did_you_mean(metric, names)}choose one of {', '.join(names)}")


def course_of(design: Mapping[str, Any], jobs: Sequence[Job]) -> Course:
    """Return the course of a sequential sweep.

    Args:
        design: The design in the sweep's record.
        jobs: The sweep's jobs.

    Raises:
        ConfigError: The record does not fit the jobs.
    """
    try:
        settings = DecideConfig(**{each.name: design[each.name] for each in fields(DecideConfig)})
    except (KeyError, TypeError) as error:
        raise ConfigError(f"the record of the sweep has no complete design: {error}; run the sweep's command again") from error
    return Course.of(jobs, settings)


def looks_of(design: Mapping[str, Any], jobs: Sequence[Job], records: Mapping[str, Record]) -> list[Look]:
    """Return all looks of a sequential sweep, up to the last round of which all runs have finished."""
    course = course_of(design, jobs)
    by_seed: dict[int, list[Job]] = {}
    for job in jobs:
        by_seed.setdefault(job.run.seed, []).append(job)
    whole = 0
    while whole < len(course.seeds) and all(job.run_id in records for job in by_seed[course.seeds[whole]]):
        whole += 1
    found: list[Look] = []
    for size in course.sizes():
        if size <= whole:
            found.append(course.look(course.jobs(jobs, size), records, found[-1] if found else None))
    return found
