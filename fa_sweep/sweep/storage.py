"""Files that are whole or not there: written under a temporary name, flushed to the disk, then renamed.

Columns are made from buffers and files read through ParquetFile: `pa.array` and `pq.read_table` import pandas, which takes a
fifth of a second that a sweep without a report has no use for.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def write_table(columns: Mapping[str, pa.Array], path: Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write a Parquet file."""
    table = pa.Table.from_arrays(list(columns.values()), names=list(columns)).replace_schema_metadata(metadata)
    _write(path, lambda file: pq.write_table(table, file, compression="zstd"))


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a Parquet file, or some columns of it, each in one piece. Raises OSError or pa.ArrowException for a damaged one."""
    with pq.ParquetFile(path) as file:
        return file.read(columns=columns).combine_chunks()


def numbers(values: np.ndarray) -> pa.Array:
    """Return numbers as a column."""
    values = np.ascontiguousarray(values)
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [None, pa.py_buffer(values)])


def texts(values: Sequence[str]) -> pa.Array:
    """Return texts as a column."""
    encoded = [value.encode() for value in values]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    return pa.Array.from_buffers(pa.large_string(), len(encoded), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))])


def lists(lengths: Sequence[int], flat: pa.Array) -> pa.Array:
    """Return lists, given one after the other, as a column."""
    return pa.LargeListArray.from_arrays(numbers(np.cumsum([0, *lengths], dtype=np.int64)), flat)


def of_lists(column: pa.ChunkedArray) -> np.ndarray:
    """Return a column of lists of numbers, all of one length, as an array, a row each; a view."""
    rows = column.chunk(0)
    first, last = rows.offsets[0].as_py(), rows.offsets[-1].as_py()
    flat = rows.values.slice(first, last - first)  # `flatten` is this too, and imports pyarrow.compute
    size = flat.type.bit_width // 8
    kind = np.dtype(f"{'f' if pa.types.is_floating(flat.type) else 'i'}{size}")
    values = np.frombuffer(flat.buffers()[1], kind, len(flat), flat.offset * size)
    return values.reshape(len(column), -1)


def write_json(values: dict[str, Any], path: Path) -> None:
    """Write a JSON file, one key a line."""
    _write(path, lambda file: file.write(json.dumps(values, indent=2).encode() + b"\n"))


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file; empty if there is none."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def _write(path: Path, write: Callable[[BinaryIO], Any]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    # The name has to reach the disk as well.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
