"""The ledger: every finished run's histories, one Parquet file a shard, a row a run.

Shards lie in the folder of the sweep (or single run) that trained them; a run is found by its id in all of them.
"""

import json
import sys
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa

from fa_sweep.convergence import Events, events
from fa_sweep.sweep.environment import environment
from fa_sweep.sweep.jobs import Job
from fa_sweep.sweep.storage import lists, numbers, of_lists, read_table, texts, write_table
from fa_sweep.training import Histories

Array = np.ndarray

SHARDS = "shards"
_PLAIN = ("run_id", "diverged_at_step", "finished_at_ms", "duration_s")


@dataclass(frozen=True)
class Record:
    """One finished run: `metrics[name]` (E,) at `steps` (E,); `diverged_at_step` -1 for none.

    `finished_at_ms` is Unix time; `duration_s` the run's share of its stack's training time; `environment` what the
    numbers were computed with.
    """

    run_id: str
    steps: Array
    metrics: dict[str, Array]
    diverged_at_step: int
    finished_at_ms: int
    duration_s: float
    environment: dict[str, str]


def shard_path(folder: Path) -> Path:
    """Return where a new shard of a sweep is to lie."""
    return folder / SHARDS / f"{uuid.uuid4().hex[:12]}.parquet"


def write_shard(
    folder: Path,
    run_ids: Sequence[str],
    histories: Histories,
    made_with: Mapping[str, str] | None = None,
    path: Path | None = None,
) -> None:
    """Keep the histories of a stack's runs, at a new path if none is given; on return they are on the disk.

    `made_with`: the environment that they were computed in, where that is not this process's.
    """
    runs, evaluations = len(run_ids), [len(histories.steps)] * len(run_ids)
    columns = {
        "run_id": texts(run_ids),
        "diverged_at_step": numbers(histories.diverged_at_step),
        "finished_at_ms": numbers(np.full(runs, time.time_ns() // 1_000_000)),
        "duration_s": numbers(np.full(runs, histories.duration_s / runs)),
        "steps": lists(evaluations, numbers(np.tile(histories.steps, runs))),
    }
    for metric, values in histories.metrics.items():
        columns[metric] = lists(evaluations, numbers(values.T.astype(np.float64, copy=False).ravel()))
    write_table(columns, path or shard_path(folder), {"environment": json.dumps(made_with or environment())})


def find_runs(outputs: Path, wanted: Iterable[str], also: Path | None = None) -> dict[str, Path]:
    """Return which shard holds each finished run among the wanted, over all sweeps and single runs under `outputs`.

    `also`: a sweep's folder that may lie elsewhere. A shard is read whole before anything counts as finished: a damaged one
    counts as absent, and is said.
    """
    wanted_ids = set(wanted)
    found: dict[str, Path] = {}
    paths = {*outputs.glob(f"*/*/{SHARDS}/*.parquet"), *(also.glob(f"{SHARDS}/*.parquet") if also else ())}
    for path in sorted(paths, reverse=True):  # of one that was trained twice the later, as names go
        if len(found) == len(wanted_ids):
            break
        try:
            there = read_table(path, ["run_id"])["run_id"].to_pylist()
            mine = [run_id for run_id in there if run_id in wanted_ids and run_id not in found]
            if mine:
                read_table(path)
        except (OSError, pa.ArrowException) as error:
            reason = " ".join(str(error).split())[:200]
            print(f"fa_sweep: {path} cannot be read and counts as absent: {reason}", file=sys.stderr)
            continue
        found |= dict.fromkeys(mine, path)
    return found


class Records(Mapping[str, Record]):
    """Finished runs by id, read when they are asked for, one shard in memory at a time.

    Iteration goes shard by shard, and so should whoever has many to look up: see `finished`.
    """

    def __init__(self, places: Mapping[str, Path]) -> None:
        """`places`: the shard of each run, as `find_runs` found it."""
        self._by_shard: dict[Path, list[str]] = {}
        for run_id, path in places.items():
            self._by_shard.setdefault(path, []).append(run_id)
        self._places = places
        self._open: tuple[Path, dict[str, Record]] | None = None

    def __getitem__(self, run_id: str) -> Record:
        path = self._places[run_id]
        if self._open is None or self._open[0] != path:
            self._open = None  # before the next one is read
            self._open = path, _read_shard(path, set(self._by_shard[path]))
        return self._open[1][run_id]

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(self._by_shard.values())

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, run_id: object) -> bool:
        return run_id in self._places


def _read_shard(path: Path, run_ids: set[str]) -> dict[str, Record]:
    table = read_table(path)
    made_with = json.loads((table.schema.metadata or {}).get(b"environment", b"{}"))
    plain = {name: table[name].to_pylist() for name in _PLAIN}
    histories = {name: of_lists(table[name]) for name in table.column_names if name not in _PLAIN}
    steps = histories.pop("steps")
    records: dict[str, Record] = {}
    for row, run_id in enumerate(plain["run_id"]):
        if run_id in run_ids:
            metrics = {name: values[row] for name, values in histories.items()}
            own = {name: values[row] for name, values in plain.items()}
            records[run_id] = Record(steps=steps[row], metrics=metrics, environment=made_with, **own)
    return records


def finished(jobs: Iterable[Job], records: Mapping[str, Record]) -> Iterator[tuple[Job, Record]]:
    """Yield each finished job with its record, in the order of the records: shard by shard, however many there are."""
    of_run: dict[str, list[Job]] = {}
    for job in jobs:
        of_run.setdefault(job.run_id, []).append(job)
    for run_id, record in records.items():
        for job in of_run.get(run_id, ()):
            yield job, record


def run_events(job: Job, record: Record) -> Events:
    """Return the events of one finished run by its job's criterion."""
    return events(job.run, record.steps, record.metrics[job.run.task.success.metric], record.diverged_at_step)
