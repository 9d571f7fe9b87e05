"""A sweep as tidy frames: one row per run, and one per run and evaluation. The ledger and MLflow give equal frames.

Undefined is NaN throughout; a step that never came is NaN.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from fa_sweep.report.earlier import EarlierLook, earlier_looks
from fa_sweep.sweep.folder import Sweep
from fa_sweep.sweep.jobs import Job
from fa_sweep.sweep.ledger import finished, run_events
from fa_sweep.sweep.outcomes import Outcome
from fa_sweep.sweep.shards import Record
from fa_sweep.tasks import METRICS
from fa_sweep.tracking.content import is_main_history

CHANCE, CHANCE_AT_END = "chance_deg/", "chance_deg_at_end/"


@dataclass(frozen=True)
class About:
    """What a reader has to know of a sweep as a whole.

    `preset` names the preset that was run as it stands; it is empty for any other sweep. `missing` are planned runs that
    neither finished nor failed. `failed` maps run names to errors. `environments` are the distinct ones that the numbers were
    computed with, and how many runs each. `earlier` are sweeps that looked at some of the groups before, with other seeds.
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


@dataclass(frozen=True)
class Frames:
    """What a sweep found: `runs`, one row per finished run, and `histories`, one row per run and evaluation.

    `histories` has one column per metric; `factors` are the settings that were swept.

    Both carry `group`, an ordered category, and `seed`. `final.METRIC` in `runs` is the value at the last evaluation,
    `chance_deg/ANGLE` what the angle was at the first evaluation with feedback that the network had never met, and
    `chance_deg_at_end/ANGLE` what it was at the last one.
    """

    about: About
    factors: list[str]
    runs: pd.DataFrame
    histories: pd.DataFrame
    jobs: list[Job] = field(repr=False)

    @property
    def groups(self) -> list[str]:
        """Every planned group, in the order of the sweep, whether or not a run of it finished."""
        return [str(name) for name in self.runs["group"].cat.categories]

    @property
    def layers(self) -> int:
        """The number of weight layers of the deepest network."""
        return max(len(job.run.model.hidden) + 1 for job in self.jobs)


def from_sweep(sweep: Sweep) -> Frames:
    """Read a sweep from its folder and the ledger around it."""
    records = sweep.records(quiet=True)
    record = sweep.record
    errors = sweep.failures
    failures = {job.name: str(errors[job.run_id]) for job in sweep.jobs if job.run_id in errors and job.run_id not in records}
    about = About(
        id=sweep.id,
        hash=sweep.hash,
        command=record.command,
        preset=record.preset_as_it_stands,
        source="ledger",
        planned=len(sweep.jobs),
        reused=sum(job.reused for job in sweep.jobs),
        missing=sum(job.run_id not in records and job.run_id not in errors for job in sweep.jobs),
        failed=failures,
        environments=environments(records.values()),
        earlier=earlier_looks(sweep, sweep.jobs),
    )
    return make_frames(about, sweep.jobs, records)


def make_frames(about: About, jobs: Sequence[Job], records: Mapping[str, Record]) -> Frames:
    """Build the frames of finished runs; `jobs` in the order of the sweep, unfinished ones included."""
    factors = list(dict.fromkeys(name for job in jobs for name in job.factors))
    groups = list(dict.fromkeys(job.group for job in jobs))
    ended = sorted(finished(jobs, records), key=lambda pair: pair[0].number)
    runs = pd.DataFrame([_run_row(job, record, factors) for job, record in ended], columns=_run_columns(factors, ended))
    runs["group"] = pd.Categorical(runs["group"], categories=groups, ordered=True)
    return Frames(about, factors, runs, _histories(ended, groups), list(jobs))


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
    # Told at the first evaluation and at the last one.
    by_chance = {n: float(v[0]) for n, v in record.metrics.items() if n.startswith(CHANCE)}
    at_end = {n.replace(CHANCE, CHANCE_AT_END): float(record.metrics[n][-1]) for n in by_chance}
    final = {f"final.{name}": float(values[-1]) for name, values in record.metrics.items() if name not in by_chance}
    if found.outcome is Outcome.DIVERGED:
        # Dropping a diverged run would flatter its mode.
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


def _histories(finished: Sequence[tuple[Job, Record]], groups: Sequence[str]) -> pd.DataFrame:
    names = dict.fromkeys(n for _, record in finished for n in record.metrics if is_main_history(n))
    lengths = [len(record.steps) for _, record in finished]
    codes = [groups.index(job.group) for job, _ in finished]
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
    """Return the distinct environments of records, and how many runs each has."""
    counted: dict[tuple[tuple[str, str], ...], int] = {}
    for record in records:
        key = tuple(record.environment.items())
        counted[key] = counted.get(key, 0) + 1
    return [(dict(key), count) for key, count in counted.items()]
