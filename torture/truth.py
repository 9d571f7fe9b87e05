"""Reads runs from shards and from MLflow's tables, and compares them with those of an undisturbed sweep.

It reads with pyarrow and sqlite3, because the program's own readers are under attack.
"""

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

OF_THE_MOMENT = frozenset({"run_id", "finished_at_ms", "duration_s"})


def digests_in(shard: Path) -> dict[str, str]:
    """Return a hash of the results of each run in a shard, by run id. Columns with times are left out.

    Raises:
        OSError, pa.ArrowException: if the shard cannot be read.
        KeyError: if it has no run ids.
    """
    with pq.ParquetFile(shard) as file:
        table = file.read()
    rows: dict[str, str] = {}
    for row in table.to_pylist():
        numbers = {name: _exact(value) for name, value in row.items() if name not in OF_THE_MOMENT}
        rows[str(row["run_id"])] = hashlib.sha256(repr(sorted(numbers.items())).encode()).hexdigest()
    return rows


def _exact(value: Any) -> Any:
    """Return a value with each float replaced by its hexadecimal text, so that only equal bits compare equal."""
    if isinstance(value, list):
        return [_exact(member) for member in value]
    return value.hex() if isinstance(value, float) else value


def shards_of(outputs: Path) -> list[Path]:
    """Return every file of sweeps and single runs that may be a shard. Links are included, temporary files are not."""
    return sorted(path for path in outputs.glob("*/*/shards/*.parquet") if not path.name.startswith("."))


def ledger(outputs: Path) -> list[tuple[str, str]]:
    """Return (run id, hash of its results) for every run in every shard that can be read."""
    rows: list[tuple[str, str]] = []
    for shard in shards_of(outputs):
        try:
            rows += digests_in(shard).items()
        except (OSError, KeyError, pa.ArrowException):
            continue
    return rows


@dataclass(frozen=True)
class Stored:
    """One run in MLflow's tables.

    Attributes:
        id: MLflow's id of the run.
        name: the run's name.
        experiment: the name of the run's experiment.
        status: MLflow's status, such as FINISHED or RUNNING.
        active: whether the run has not been deleted.
        tags: the run's tags.
        params: the run's parameters.
        numbers: a hash of all points of the run's metrics.
    """

    id: str
    name: str
    experiment: str
    status: str
    active: bool
    tags: Mapping[str, str]
    params: Mapping[str, str]
    numbers: str

    @property
    def parent(self) -> str | None:
        """The id of its parent run; None if it has no parent."""
        return self.tags.get("mlflow.parentRunId")


def connect(database: Path) -> sqlite3.Connection:
    """Open an SQLite database read-only."""
    return sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=10)


def stored(database: Path) -> list[Stored]:
    """Return every run in a store, deleted ones included.

    Raises:
        sqlite3.Error: if the file is not a complete MLflow database.
    """
    with closing(connect(database)) as tables:
        names = dict(tables.execute("select experiment_id, name from experiments"))
        tags = _by_run(tables, "select run_uuid, key, value from tags")
        params = _by_run(tables, "select run_uuid, key, value from params")
        metrics: dict[str, list[tuple[Any, ...]]] = {}
        for run, *point in tables.execute("select run_uuid, key, step, value, is_nan from metrics"):
            metrics.setdefault(run, []).append(tuple(_exact(member) for member in point))
        runs = tables.execute("select run_uuid, name, experiment_id, status, lifecycle_stage from runs").fetchall()
    return [
        Stored(
            id=run,
            name=name,
            experiment=names[experiment],
            status=status,
            active=stage == "active",
            tags=tags.get(run, {}),
            params=params.get(run, {}),
            numbers=hashlib.sha256(repr(sorted(metrics.get(run, []))).encode()).hexdigest(),
        )
        for run, name, experiment, status, stage in runs
    ]


def _by_run(tables: sqlite3.Connection, query: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for run, key, value in tables.execute(query):
        found.setdefault(run, {})[key] = value
    return found


@dataclass(frozen=True)
class Truth:
    """The results of an undisturbed sweep or single run, with which other results are compared.

    Attributes:
        ledger: the hash of each run's results in the ledger, by run id.
        store: the content of each run in MLflow (see `content`), by run id.
    """

    ledger: Mapping[str, str]
    store: Mapping[str, tuple[str, str]]
    single: bool = False
    """Whether this is a single run outside any sweep. Such a run has no parent in MLflow."""

    @classmethod
    def of(cls, cwd: Path, database: str = "outputs/mlflow.db") -> "Truth":
        """Read the results from the working folder in which a command ran undisturbed."""
        children = [run for run in stored(cwd / database) if "fa_sweep.run_id" in run.tags]
        single = all(run.parent is None for run in children)
        truth = cls(dict(ledger(cwd / "outputs")), {run.tags["fa_sweep.run_id"]: content(run) for run in children}, single)
        assert truth.ledger, f"{cwd} has no runs"
        assert truth.ledger.keys() == truth.store.keys(), f"{cwd} is no whole sweep"
        return truth


def content(run: Stored) -> tuple[str, str]:
    """Return what must be equal in every store: the hash of a run's metrics, and its parameters as a text."""
    return run.numbers, repr(sorted(run.params.items()))


def wrong_in_ledger(outputs: Path, truth: Truth) -> list[str]:
    """Return what is wrong with the runs in the shards. Each must be there once, with the bits of the undisturbed sweep."""
    rows = ledger(outputs)
    times = Counter(run for run, _ in rows)
    problems = []
    if absent := truth.ledger.keys() - times.keys():
        problems.append(f"{len(absent)} of {len(truth.ledger)} runs are in no shard")
    if twice := [run for run in truth.ledger if times[run] > 1]:
        problems.append(f"{len(twice)} runs stand more than once in the ledger")
    if other := [run for run, bits in rows if run in truth.ledger and bits != truth.ledger[run]]:
        problems.append(f"{len(other)} runs have other numbers in the ledger")
    return problems


def tracked_in(runs: list[Stored], experiment: str) -> list[Stored]:
    """Return the runs that a command tracked in an experiment: its sweeps, and the runs and copies in those beside it."""
    return [run for run in runs if run.experiment in (experiment, f"{experiment} runs", f"{experiment} copies")]


def wrong_in_store(runs: list[Stored], truth: Truth) -> list[str]:
    """Return what is wrong with the runs of a store.

    There must be exactly one FINISHED parent with all runs under it, or, for a single run, that run once. No run may be
    RUNNING, doubled or changed.

    Args:
        runs: the runs to judge.
        truth: the undisturbed sweep.
    """
    there = [run for run in runs if run.active and run.tags.get("fa_sweep.kind") == "sweep"]
    problems = []
    if running := [run.name for run in runs if run.status == "RUNNING"]:
        problems.append(f"{len(running)} runs are RUNNING, {running[0]} among them")
    for sweep, times in Counter(run.tags.get("fa_sweep.sweep", run.name) for run in there).items():
        if times > 1:
            problems.append(f"sweep {sweep} has {times} parents")
    complete = []
    for parent in there:
        children = [run for run in runs if run.parent == parent.id and run.active]
        ids = Counter(run.tags.get("fa_sweep.job_id", run.name) for run in children)
        if doubled := [job for job, times in ids.items() if times > 1]:
            problems.append(f"{len(doubled)} runs stand more than once under parent {parent.name}")
        if parent.status == "FINISHED" and {run.tags.get("fa_sweep.run_id") for run in children} >= truth.store.keys():
            complete.append(parent)
    if truth.single:
        finished = Counter(run.tags.get("fa_sweep.run_id") for run in runs if run.active and run.status == "FINISHED")
        problems += [f"run {run} is there {finished[run]} times, not once" for run in truth.store if finished[run] != 1]
    elif len(complete) != 1:
        problems.append(f"{len(complete)} parents are FINISHED with all {len(truth.store)} runs under them, not 1")
    if other := changed(runs, truth):
        problems.append(f"{len(other)} runs have other numbers in the store, {other[0]} among them")
    return problems


def changed(runs: list[Stored], truth: Truth) -> list[str]:
    """Return the names of stored runs whose metrics or parameters differ from those of the undisturbed sweep."""
    known = [(run, truth.store.get(run.tags.get("fa_sweep.run_id", ""))) for run in runs if run.active]
    return [run.name for run, true in known if true is not None and content(run) != true]


def untracked(outputs: Path) -> list[str]:
    """Return the names of recorded sweeps and single runs without a `tracked.json`, which notes their import into MLflow."""
    records = [path.parent for path in outputs.glob("*/*/sweep.json")]
    return sorted(folder.name for folder in records if not (folder / "tracked.json").exists())


def temporary(outputs: Path) -> list[str]:
    """Return the paths of files with temporary names, relative to outputs."""
    return sorted(str(path.relative_to(outputs)) for path in outputs.rglob("*") if "tmp" in path.name)


def wrong_in(cwd: Path, truth: Truth, database: str = "outputs/mlflow.db") -> list[str]:
    """Return everything that is wrong in a working folder after a command that should have completed a sweep there.

    Args:
        cwd: the working folder.
        truth: the undisturbed sweep.
        database: the path of MLflow's database, relative to the working folder.
    """
    outputs = cwd / "outputs"
    problems = wrong_in_ledger(outputs, truth)
    try:
        problems += wrong_in_store(stored(cwd / database), truth)
    except sqlite3.Error as error:
        problems.append(f"the database cannot be read: {error}")
    if left := untracked(outputs):
        problems.append(f"{len(left)} sweeps are not noted as tracked, {left[0]} among them")
    if files := temporary(outputs):
        problems.append(f"temporary files are left: {', '.join(files[:3])}")
    return problems
