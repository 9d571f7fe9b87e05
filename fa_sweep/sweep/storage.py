"""Files that are whole or not there: written under a temporary name, flushed to the disk, then renamed."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq


def write_table(table: pa.Table, path: Path) -> None:
    """Write a Parquet file."""
    _write(path, lambda file: pq.write_table(table, file, compression="zstd"))


def write_json(values: dict[str, Any], path: Path) -> None:
    """Write a JSON file, one key a line."""
    _write(path, lambda file: file.write(json.dumps(values, indent=2).encode() + b"\n"))


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file; empty if there is none."""
    return dict(json.loads(path.read_text())) if path.exists() else {}


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
