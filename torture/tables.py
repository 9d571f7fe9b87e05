"""Hostile Parquet files: variants of a true shard, most of which contain its run ids."""

import io
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

METADATA: Mapping[str, dict[str, str] | None] = {
    "no environment": None,
    "an environment that is no JSON": {"environment": "numpy 2"},
    "an environment that is a list": {"environment": "[1, 2]"},
    "an environment that is null": {"environment": "null"},
    "an environment of numbers": {"environment": '{"numpy": 2, "blas": null}'},
    "an environment 10,000 deep": {"environment": "[" * 10_000},
    "a lone surrogate in its environment": {"environment": '{"numpy": "\\ud800"}'},
    "an environment of 3 MB": {"environment": json.dumps({"numpy": "x" * 3_000_000})},
}
# Files that the program may accept as a shard. It need not report these files, but the numbers that it uses must be true.
NEARLY = frozenset(METADATA) | {
    "a further column of texts", "a column whose name is a path", "times beyond the end of years", "a run id twice",
    "times that are timestamps",
}  # fmt: skip
COLUMNS = ("run_id", "steps", "duration_s", "finished_at_ms", "diverged_at_step", "accuracy", "loss", "angle_deg/gradient")

Change = Callable[[pa.Table], pa.Table]


def variations(shard: Path) -> Iterator[tuple[str, bytes]]:
    """Yield damaged or unusual variants of a shard, as pairs of a description and the file's content."""
    with pq.ParquetFile(shard) as file:
        table = file.read()
    yield "a foreign table", _bytes(pa.table({"a": [1, 2], "b": ["x", "y"]}))
    yield "a table without columns", _bytes(pa.table({}))
    yield "a shard without rows", _bytes(table.slice(0, 0))
    yield "run ids alone", _bytes(table.select(["run_id"]))
    for name in (
        "run_id",
        "steps",
        "duration_s",
        "finished_at_ms",
        "diverged_at_step",
        "accuracy",
        "loss",
        "angle_deg/gradient",
    ):
        yield f"no {name}", _bytes(table.drop_columns([name]))
    for name, change in _CHANGES.items():
        yield name, _bytes(change(table))
    for name, metadata in METADATA.items():
        yield name, _bytes(table.replace_schema_metadata(metadata))
    data = shard.read_bytes()
    yield "half a shard", data[: len(data) // 2]
    yield "a shard without its last byte", data[:-1]
    yield "a shard and one byte more", data + b"\0"
    yield "a shard without its footer", data[: len(data) - 8 - int.from_bytes(data[-8:-4], "little")]
    yield "two shards, one behind the other", data + data


def _set(name: str, make: Callable[[pa.Table], pa.Array]) -> Change:
    """Return a function that takes a table and replaces one column by what `make` returns for that table."""
    return lambda table: table.set_column(table.column_names.index(name), name, make(table))


def _lists(name: str, change: Callable[[list[float]], object], kind: pa.DataType | None = None) -> Change:
    """Return a function that applies `change` to every list in a column. `kind` is the new type (default: inferred)."""
    return _set(name, lambda table: pa.array([change(row) for row in table[name].to_pylist()], kind))


def _shorter(table: pa.Table) -> pa.Table:
    """Return the table without the last evaluation of every history."""
    for name in table.column_names:
        if pa.types.is_large_list(table.schema.field(name).type):
            table = _lists(name, lambda row: row[:-1], table.schema.field(name).type)(table)
    return table


def _ragged(table: pa.Table) -> pa.Table:
    rows = table["loss"].to_pylist()
    return _set("loss", lambda _: pa.array([row[: 1 + n % 3] for n, row in enumerate(rows)], pa.large_list(pa.float64())))(
        table
    )


_CHANGES: Mapping[str, Change] = {
    "shorter histories": _shorter,
    "one history shorter than its steps": _lists("loss", lambda row: row[:-1]),
    "one history longer than its steps": _lists("loss", lambda row: [*row, 0.0]),
    "histories of unequal lengths": _ragged,
    "empty histories": _lists("loss", lambda row: [], pa.large_list(pa.float64())),
    "histories that are null": _lists("loss", lambda row: None, pa.large_list(pa.float64())),
    "a null in a history": _lists("loss", lambda row: [None, *row[1:]]),
    "histories of texts": _lists("loss", lambda row: [str(value) for value in row]),
    "histories of whole numbers": _lists("accuracy", lambda row: [round(value) for value in row]),
    "a history that is one number": _lists("loss", lambda row: row[0]),
    "histories of lists": _lists("loss", lambda row: [[value] for value in row]),
    "fewer steps": _lists("steps", lambda row: row[:-1]),
    "steps that fall": _lists("steps", lambda row: row[::-1]),
    "steps below zero": _lists("steps", lambda row: [value - 10**6 for value in row]),
    "steps that are fractions": _lists("steps", lambda row: [value + 0.5 for value in row]),
    "steps that are texts": _lists("steps", lambda row: [str(value) for value in row]),
    "steps of another run": _lists("steps", lambda row: [value + 7 for value in row]),
    "run ids that are null": _set("run_id", lambda table: pa.array([None] * len(table), pa.large_string())),
    "run ids that are numbers": _set("run_id", lambda table: pa.array(range(len(table)))),
    "run ids that are bytes": _set("run_id", lambda table: pa.array([b"\xff\xfe"] * len(table))),
    "run ids that are lists": _set("run_id", lambda table: pa.array([[run] for run in table["run_id"].to_pylist()])),
    "run ids of 1 MB": _set("run_id", lambda table: pa.array(["x" * 2**20] * len(table))),
    "a run id twice": lambda table: pa.concat_tables([table, table]),
    "durations that are texts": _set("duration_s", lambda table: pa.array(["1 s"] * len(table))),
    "durations that are null": _set("duration_s", lambda table: pa.array([None] * len(table), pa.float64())),
    "times that are null": _set("finished_at_ms", lambda table: pa.array([None] * len(table), pa.int64())),
    "times that are timestamps": _set("finished_at_ms", lambda table: pa.array([10**12] * len(table), pa.timestamp("ms"))),
    "times beyond the end of years": _set("finished_at_ms", lambda table: pa.array([2**62] * len(table))),
    "divergence that is a text": _set("diverged_at_step", lambda table: pa.array(["never"] * len(table))),
    "divergence that is null": _set("diverged_at_step", lambda table: pa.array([None] * len(table), pa.int64())),
    "columns of one name": lambda table: table.append_column("loss", table["loss"]),
    "a further column of texts": lambda table: table.append_column("note", pa.array(["x"] * len(table))),
    "a column whose name is a path": lambda table: table.append_column("../../x", table["loss"]),
    "columns in another case": lambda table: table.rename_columns([name.upper() for name in table.column_names]),
}


def _bytes(table: pa.Table) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()
