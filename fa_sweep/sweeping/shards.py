"""Shards: Parquet files with the histories of finished runs, one row per run.

A shard's name contains the SHA-256 of its content, so both become visible in one rename. Every reader compares the two and thus
notices if the content has changed. Shards of the first version have other names, without a checksum. Readers can only check
whether their content has the right form.
"""

import json
import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fa_sweep._typing import Array
from fa_sweep.engine.evaluation import metric_names
from fa_sweep.engine.training import Histories
from fa_sweep.errors import Unreadable
from fa_sweep.sweeping.environment import environment
from fa_sweep.sweeping.jobs import Job
from fa_sweep.sweeping.storage import digest, lists, numbers, of_lists, read_bytes, table_bytes, table_of, texts, write_bytes

SHARDS = "shards"
_PLAIN = {"run_id": str, "diverged_at_step": int, "finished_at_ms": int, "duration_s": float}
_OUTPUT_RANGE = "output_range"  # shards of earlier versions lack this column
_DIGITS = 32  # how many hex digits of the SHA-256 a shard's name contains
_VERIFIED = re.compile(rf"[0-9a-f]{{12}}-([0-9a-f]{{{_DIGITS}}})(-[0-9a-f]+)?\.parquet")


@dataclass(frozen=True)
class Record:
    """The results of one finished run with E evaluations.

    Attributes:
        run_id: the id of the run.
        steps: the training steps of the evaluations, (E,).
        metrics: the history (E,) of each metric, by name.
        diverged_at_step: the step at which the run diverged; -1 if it did not.
        finished_at_ms: when the shard was written, in Unix time.
        duration_s: the shard's training time divided by its number of runs.
        environment: the environment in which the run was trained (see `fa_sweep.sweeping.environment`).
        output_range: the range of the final outputs relative to that of the targets (see `Histories`); NaN if it is not known.
    """

    run_id: str
    steps: Array
    metrics: dict[str, Array]
    diverged_at_step: int
    finished_at_ms: int
    duration_s: float
    environment: dict[str, str]
    output_range: float = math.nan


def write_shard(
    folder: Path,
    run_ids: Sequence[str],
    histories: Histories,
    made_with: Mapping[str, str] | None = None,
    token: str = "",
) -> None:
    """Write the histories of runs as a shard into a sweep's folder. On return they are on the disk.

    Args:
        folder: the sweep's folder.
        run_ids: the ids of the R runs.
        histories: their histories, with the runs in the same order.
        made_with: the environment in which the runs were trained. If it is None or empty, that of this process is recorded.
        token: hex digits to put at the end of the shard's name, so that `shards_with_tokens` finds the shard.

    Raises:
        CannotWrite: the file could not be written.
    """
    runs, evaluations, now_ms = len(run_ids), [len(histories.steps)] * len(run_ids), time.time_ns() // 1_000_000
    columns = {
        "run_id": texts(run_ids),
        "diverged_at_step": numbers(histories.diverged_at_step),
        "finished_at_ms": numbers(np.full(runs, now_ms)),
        "duration_s": numbers(np.full(runs, histories.duration_s / runs)),
        "steps": lists(evaluations, numbers(np.tile(histories.steps, runs))),
    }
    for metric, values in histories.metrics.items():
        columns[metric] = lists(evaluations, numbers(values.T.astype(np.float64, copy=False).ravel()))
    # A list of one value, because earlier versions can read only lists beside the columns that they know.
    columns[_OUTPUT_RANGE] = lists([1] * runs, numbers(histories.output_range))
    content = table_bytes(columns, {"environment": json.dumps(made_with or environment())})
    # Names begin with the time, so that sorting shards by name sorts them by age. The ledger prefers the newest.
    name = f"{now_ms:012x}-{digest(content)[:_DIGITS]}{f'-{token}' if token else ''}.parquet"
    write_bytes(content, folder / SHARDS / name)


def shards_with_tokens(folder: Path) -> set[str]:
    """Return the tokens in the names of all shards that a sweep's folder holds at this moment."""
    matches = (_VERIFIED.fullmatch(path.name) for path in (folder / SHARDS).glob("*.parquet"))
    return {match[2].lstrip("-") for match in matches if match and match[2]}


def is_verifiable(path: Path) -> bool:
    """Whether a shard's name contains a checksum of its content. The names of the first version's shards do not."""
    return _VERIFIED.fullmatch(path.name) is not None


def read_shard(path: Path, jobs: Mapping[str, Job]) -> dict[str, Record]:
    """Read and check the records of some jobs in a shard.

    Args:
        path: the shard's file.
        jobs: the wanted jobs, by run id. They say which evaluations and metrics a record must have.

    Returns:
        The records by run id. Runs that are not in the shard are left out.

    Raises:
        Unreadable: the file is damaged, is not a shard, or lacks an evaluation or metric that one of the wanted runs must have.
    """
    table = table_of(_verified(path), path)
    missing = [name for name in (*_PLAIN, "steps") if name not in table.column_names]
    if missing:
        raise Unreadable(f"{path} is not a shard of a ledger: it has no column {missing[0]}")
    try:
        plain = {name: _plain_column(table[name], kind) for name, kind in _PLAIN.items()}
        mine = {run_id: row for row, run_id in enumerate(plain["run_id"]) if run_id in jobs}
        if not mine:
            return {}
        histories = {name: of_lists(table[name]) for name in table.column_names if name not in _PLAIN}
        made_with = _environment((table.schema.metadata or {}).get(b"environment"))
    except ValueError as error:
        raise Unreadable(f"{path} is damaged, or is not a shard of a ledger: {error}") from error
    steps = histories.pop("steps")
    records = {}
    expected: dict[int, Array] = {}  # by the `id()` of the training settings: many jobs share one such object
    for run_id, row in mine.items():
        train = jobs[run_id].run.train
        if id(train) not in expected:
            expected[id(train)] = np.array(train.evaluation_steps())
        _check_history(jobs[run_id], steps[row], expected[id(train)], histories, path)
        metrics = {name: histories[name][row] for name in metric_names(len(jobs[run_id].widths) - 1, jobs[run_id].targets)}
        own = {name: values[row] for name, values in plain.items()}
        spread = histories.get(_OUTPUT_RANGE)
        output_range = math.nan if spread is None or spread.shape[1] != 1 else float(spread[row][0])
        records[run_id] = Record(steps=steps[row], metrics=metrics, environment=made_with, output_range=output_range, **own)
    return records


def read_run_ids(path: Path) -> list[str]:
    """Return the ids of the runs in a shard. Raises Unreadable if the file is damaged or is not a shard."""
    try:
        return _plain_column(table_of(_verified(path), path, ["run_id"])["run_id"], str)
    except (KeyError, ValueError) as error:
        raise Unreadable(f"{path} is not a shard of a ledger: it has no run ids") from error


def _verified(path: Path) -> bytes:
    """Return a shard's content. Raises Unreadable if it does not match the checksum in the shard's name."""
    content = read_bytes(path)
    named = _VERIFIED.fullmatch(path.name)
    if named and digest(content)[:_DIGITS] != named[1]:
        raise Unreadable(f"{path} is damaged: its content is not what was written")
    return content


def _plain_column(column: Any, kind: type) -> list[Any]:
    values: list[Any] = column.to_pylist()
    if any(type(value) is not kind for value in values):
        raise ValueError("a column has missing values, or values of another type")
    return values


def _environment(text: bytes | None) -> dict[str, str]:
    try:
        values = json.loads(text or b"{}")
    except RecursionError as error:
        raise ValueError("its environment is no JSON") from error
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise ValueError("its environment is no mapping of texts")
    return values


def _check_history(job: Job, steps: Array, expected: Array, histories: Mapping[str, Array], path: Path) -> None:
    if not np.array_equal(steps, expected):
        raise Unreadable(f"{path} has {len(steps)} evaluations of run {job.run_id}, not the {len(expected)} that it must have")
    for name in metric_names(len(job.widths) - 1, job.targets):
        if name not in histories or histories[name].dtype != np.float64 or histories[name].shape[1] != len(steps):
            raise Unreadable(f"{path} has no whole history of {name}")
