"""Read a sweep into tidy frames: one row per run, and one row per run and evaluation.

The frames are the same whether they are read from the ledger or from MLflow. Undefined values are NaN, and so is the step of an
event that never happened.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fa_sweep.decisions.choice import Choice, choices_of
from fa_sweep.decisions.course import looks_of
from fa_sweep.decisions.designs import check_together, is_sequential, is_tuned
from fa_sweep.decisions.looks import Look
from fa_sweep.errors import ConfigError, Unreadable
from fa_sweep.process.notices import say_once
from fa_sweep.report.earlier import EarlierLook, earlier_looks
from fa_sweep.settings.designs import DECIDE
from fa_sweep.settings.identity import sweep_hash
from fa_sweep.sweeping.folder import OUTPUTS, Sweep, all_sweeps
from fa_sweep.sweeping.jobs import Job
from fa_sweep.sweeping.ledger import finished, run_events
from fa_sweep.sweeping.outcomes import Outcome
from fa_sweep.sweeping.shards import Record
from fa_sweep.sweeping.symptoms import advice
from fa_sweep.sweeping.union import UnitedRecords, united
from fa_sweep.tasks import METRICS
from fa_sweep.tracking.content import is_main_history

CHANCE, CHANCE_AT_END = "chance_deg/", "chance_deg_at_end/"


@dataclass(frozen=True)
class About:
    """Facts about a sweep as a whole.

    Attributes:
        id: The sweep's id.
        hash: A hash of the set of its job ids. It seeds the random numbers of bootstraps and permutation tests.
        command: The command that started the sweep.
        preset: The name of the preset, if the sweep is a preset with its settings unchanged; otherwise empty.
        source: Where the frames were read from.
        planned: The number of planned runs.
        reused: The number of planned runs that an earlier sweep had already trained.
        missing: The number of planned runs that have neither finished nor failed.
        failed: The error messages of the failed runs, by the name of the run.
        environments: The distinct environments in which runs were trained, each with its number of runs.
        earlier: Earlier sweeps that ran some of the groups with a different set of seeds.
        sweeps: The ids of the sweeps, if these are the frames of several; otherwise empty.
        in_several: How many jobs stand in more than one of these sweeps. Each is counted once.
        name: The name that the user gave the sweep; empty if there is none.
        outcomes: What the report compares, the primary outcome first, if that was stated with the sweep (with each of several
            sweeps); otherwise empty.
        margin: The margin of equivalence that was stated with the sweep, if any.
        design: What the design of the sweep decided (see `decisions.designs`); empty for a grid.
    """

    id: str
    hash: str
    command: str
    preset: str
    source: str
    planned: int
    reused: int
    missing: int
    failed: dict[str, str]
    environments: list[tuple[dict[str, str], int]]
    earlier: list[EarlierLook] = field(default_factory=list)
    sweeps: list[str] = field(default_factory=list)
    in_several: int = 0
    name: str = ""
    outcomes: list[str] = field(default_factory=list)
    margin: float | None = None
    design: dict[str, Any] = field(default_factory=dict)

    @property
    def is_sequential(self) -> bool:
        """Whether the results decided how many seeds there are, at least in one of the sweeps."""
        return is_sequential(self.design)


@dataclass(frozen=True)
class Frames:
    """The results of a sweep.

    Attributes:
        about: Facts about the sweep as a whole.
        factors: The names of the settings that were swept, without the seed.
        runs: One row per finished run. `factor.NAME` is the level of a factor. `final.METRIC` is a metric at the last
            evaluation; the losses, errors and accuracies of a diverged run are the worst possible values.
            `chance_deg/ANGLE` is an angle by chance at the first evaluation: the angle that newly drawn feedback, which the
            network was not trained with, would give. `chance_deg_at_end/ANGLE` is the same at the last evaluation.
        histories: One row per run and evaluation, with one column per metric.
        jobs: The planned jobs, in the order of the sweep.
        advice: For each group in which runs did not learn: how many, why, and what to try.
        looks: What was known after each round of seeds, if the results decided how many there are; otherwise empty.
        choices: What each group chose on the tuning seeds, if the sweep was tuned and its first stage is still there.

    Both frames have the columns `group` (an ordered category) and `seed`.
    """

    about: About
    factors: list[str]
    runs: pd.DataFrame
    histories: pd.DataFrame
    jobs: list[Job] = field(repr=False)
    advice: list[str] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)

    @property
    def groups(self) -> list[str]:
        """The names of all planned groups in the order of the sweep, including those without finished runs."""
        return [str(name) for name in self.runs["group"].cat.categories]

    @property
    def layers(self) -> int:
        """The number of weight layers in the deepest network."""
        return max(len(job.run.model.hidden) + 1 for job in self.jobs)


def from_sweep(sweep: Sweep, *, outputs: Path = OUTPUTS, every_metric: bool = False) -> Frames:
    """Read a sweep's frames from its folder and from the ledger. Other sweeps may have trained some of its runs.

    Args:
        sweep: The sweep.
        outputs: The folder of the ledger.
        every_metric: Whether the histories have every metric, and not only those that a report needs.
    """
    records = sweep.records(outputs, quiet=True)
    about = _about(sweep, records)
    about = replace(about, environments=environments(records.values()), earlier=earlier_looks(sweep, sweep.jobs, outputs))
    frames = make_frames(about, sweep.jobs, records, every_metric=every_metric)
    return replace(frames, choices=_choices(sweep, outputs))


def _choices(sweep: Sweep, outputs: Path) -> list[Choice]:
    """Return the choices of the first stage of a sweep that was tuned; empty if that stage is gone."""
    design = sweep.record.design
    if not is_tuned(design):
        return []
    stage = next((one for one in all_sweeps(outputs) if one.id == design.get("tuning")), None)
    if stage is None:
        return []
    try:
        return choices_of(design, stage.jobs, stage.records(outputs, quiet=True))
    except (Unreadable, ConfigError, KeyError) as error:
        say_once(f"{error}; the report cannot show how the settings were chosen")
        return []


def from_sweeps(sweeps: Sequence[Sweep], *, outputs: Path = OUTPUTS, every_metric: bool = False) -> Frames:
    """Read one or several sweeps from the ledger into one set of frames (see `together`).

    Args:
        sweeps: The sweeps, at least one.
        outputs: The folder of the ledger.
        every_metric: Whether the histories have every metric, and not only those that a report needs.
    """
    if len(sweeps) == 1:
        return from_sweep(sweeps[0], outputs=outputs, every_metric=every_metric)
    parts = []
    for sweep in sweeps:
        records = sweep.records(outputs, quiet=True)
        parts.append(Part(_about(sweep, records), sweep.jobs, records))
    frames = together(parts, every_metric=every_metric)
    newest = max(sweeps, key=lambda sweep: sweep.record.created_at_ms)
    earlier = [look for look in earlier_looks(newest, frames.jobs, outputs) if look.id not in frames.about.sweeps]
    return replace(frames, about=replace(frames.about, earlier=earlier))


def _about(sweep: Sweep, records: Mapping[str, Record]) -> About:
    """Return the facts about a sweep of the ledger, without its environments and earlier looks."""
    record, errors = sweep.record, sweep.failures
    return About(
        id=sweep.id,
        hash=sweep.hash,
        command=record.command,
        preset=record.preset_as_it_stands,
        source="ledger",
        planned=len(sweep.jobs),
        reused=sum(job.reused for job in sweep.jobs),
        missing=sum(job.run_id not in records and job.run_id not in errors for job in sweep.jobs),
        failed={j.name: str(errors[j.run_id]) for j in sweep.jobs if j.run_id in errors and j.run_id not in records},
        environments=[],
        name=sweep.labels.name,
        outcomes=list(record.outcomes),
        margin=record.margin,
        design=dict(record.design),
    )


@dataclass(frozen=True)
class Part:
    """One of several sweeps that are put together: the facts about it, its planned jobs, and the records of finished runs."""

    about: About
    jobs: Sequence[Job]
    records: Mapping[str, Record]


def together(parts: Sequence[Part], *, every_metric: bool = False) -> Frames:
    """Put several sweeps together into one set of frames.

    A job that stands in several sweeps is counted once. The factors are those of the sweeps, and every other setting in which
    their jobs differ.

    Args:
        parts: The sweeps.
        every_metric: Whether the histories have every metric, and not only those that a report needs.

    Raises:
        ConfigError: One is the tuning stage of another one.
    """
    check_together({part.about.id: part.about.design for part in parts})
    jobs = united([part.jobs for part in parts])
    records = UnitedRecords([part.records for part in parts])
    names = {(job.run_id, job.id): job.name for job in jobs}
    errors: dict[str, str] = {}
    for part in parts:
        of_name = {job.name: names[job.run_id, job.id] for job in part.jobs if job.run_id not in records}
        errors |= {of_name[name]: error for name, error in part.about.failed.items() if name in of_name}
    abouts = [part.about for part in parts]
    alike = all((about.outcomes, about.margin) == (abouts[0].outcomes, abouts[0].margin) for about in abouts)
    whole = sweep_hash(job.id for job in jobs)
    about = About(
        id=f"{len(parts)}-sweeps-{whole[:8]}",
        hash=whole,
        command="; ".join(dict.fromkeys(about.command for about in abouts)),
        preset="",
        source=", ".join(dict.fromkeys(about.source for about in abouts)),
        planned=len(jobs),
        reused=sum(job.reused for job in jobs),
        missing=sum(job.run_id not in records for job in jobs) - len(errors),
        failed=errors,
        environments=environments(records.values()),
        sweeps=[about.id for about in abouts],
        in_several=sum(len(part.jobs) for part in parts) - len(jobs),
        name=", ".join(about.name for about in abouts) if all(about.name for about in abouts) else "",
        outcomes=abouts[0].outcomes if alike else [],
        margin=abouts[0].margin if alike else None,
        design={"kind": DECIDE} if any(about.is_sequential for about in abouts) else {},
    )
    return make_frames(about, jobs, records, every_metric=every_metric)


def make_frames(about: About, jobs: Sequence[Job], records: Mapping[str, Record], *, every_metric: bool = False) -> Frames:
    """Build the frames of a sweep from the records of its finished runs.

    Args:
        about: Facts about the sweep.
        jobs: All planned jobs in the order of the sweep.
        records: The record of each finished run, by run id.
        every_metric: Whether the histories have every metric, and not only those that a report needs.
    """
    factors = list(dict.fromkeys(name for job in jobs for name in job.factors))
    groups = list(dict.fromkeys(job.group for job in jobs))
    ended = sorted(finished(jobs, records), key=lambda pair: pair[0].number)
    runs = pd.DataFrame([_run_row(job, record, factors) for job, record in ended], columns=_run_columns(factors, ended))
    runs["group"] = pd.Categorical(runs["group"], categories=groups, ordered=True)
    histories = _histories(ended, groups, every_metric=every_metric)
    looks = looks_of(about.design, jobs, records) if about.is_sequential and "rule" in about.design else []
    return Frames(about, factors, runs, histories, list(jobs), advice(jobs, records), looks)


def _run_columns(factors: Sequence[str], finished: Sequence[tuple[Job, Record]]) -> list[str]:
    metrics = dict.fromkeys(name for _, record in finished for name in record.metrics)
    fixed = ["run_id", "name", "group", "seed", "mode", "hold", "outcome", "first_reach_step", "convergence_step"]
    fixed += ["diverged_at_step", "at_end", "horizon_step", "last_step", "reused", "reproduce"]
    by_chance = [name for name in metrics if name.startswith(CHANCE)]
    finals = [f"final.{name}" for name in metrics if name not in by_chance]
    at_end = [name.replace(CHANCE, CHANCE_AT_END) for name in by_chance]
    return [*fixed, *(f"factor.{name}" for name in factors), *finals, *by_chance, *at_end]


def _run_row(job: Job, record: Record, factors: Sequence[str]) -> dict[str, Any]:
    found = run_events(job, record)
    # Angles by chance are measured only at the first and at the last evaluation.
    by_chance = {n: float(v[0]) for n, v in record.metrics.items() if n.startswith(CHANCE)}
    at_end = {n.replace(CHANCE, CHANCE_AT_END): float(record.metrics[n][-1]) for n in by_chance}
    final = {f"final.{name}": float(values[-1]) for name, values in record.metrics.items() if name not in by_chance}
    if found.outcome is Outcome.DIVERGED:
        # A diverged run counts as the worst possible result, because leaving it out would flatter its mode.
        worst = {"accuracy": 0.0, "accuracy_sampled": 0.0}
        final |= {f"final.{name}": worst.get(name, np.inf) for name in ("loss", *METRICS[job.targets])}
    return {
        "run_id": job.run_id,
        "name": job.name,
        "group": job.group,
        "seed": job.run.seed,
        "mode": job.run.feedback.mode,
        "hold": job.run.train.hold,
        **vars(found),
        "outcome": found.outcome.value,
        "last_step": float(record.steps[-1]),
        "reused": job.reused,
        "reproduce": job.reproduce,
        **{f"factor.{name}": _level(job.factors.get(name)) for name in factors},
        **final,
        **by_chance,
        **at_end,
    }


def _level(value: Any) -> Any:
    return str(value) if isinstance(value, list) else value


def _histories(finished: Sequence[tuple[Job, Record]], groups: Sequence[str], *, every_metric: bool) -> pd.DataFrame:
    names = dict.fromkeys(n for _, record in finished for n in record.metrics if every_metric or is_main_history(n))
    place = {name: number for number, name in enumerate(groups)}
    lengths = [len(record.steps) for _, record in finished]
    codes = [place[job.group] for job, _ in finished]
    columns: dict[str, Any] = {
        "run_id": np.repeat(np.array([job.run_id for job, _ in finished], dtype=object), lengths),
        "group": pd.Categorical.from_codes(np.repeat(codes, lengths).astype(int), categories=list(groups), ordered=True),
        "seed": np.repeat(np.array([job.run.seed for job, _ in finished], dtype=np.int64), lengths),
        "step": np.concatenate([record.steps for _, record in finished]) if finished else np.array([], dtype=np.int64),
    }
    for name in names:
        parts = [record.metrics.get(name, np.full(len(record.steps), np.nan)) for _, record in finished]
        columns[name] = np.concatenate(parts)
    return pd.DataFrame(columns)


def environments(records: Iterable[Record]) -> list[tuple[dict[str, str], int]]:
    """Return the distinct environments in which the runs were trained, each with its number of runs."""
    counted: dict[tuple[tuple[str, str], ...], int] = {}
    for record in records:
        key = tuple(record.environment.items())
        counted[key] = counted.get(key, 0) + 1
    return [(dict(key), count) for key, count in counted.items()]
