"""Files that are whole or not there: written under a temporary name, flushed to the disk, then renamed.

Whatever is read may be damaged or somebody else's: every fault becomes an `Unreadable` with one line. Columns are made from
buffers and files read through ParquetFile: `pa.array` and `pq.read_table` import pandas, which takes a fifth of a second that a
sweep without a report has no use for.
"""

import contextlib
import errno
import hashlib
import json
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fa_sweep.errors import CannotWrite, Unreadable
from fa_sweep.process.secrets import redacted

try:
    from fcntl import LOCK_EX, LOCK_NB, flock
except ImportError:  # Windows: two commands that do one thing at once are not kept apart
    flock = None  # type: ignore[assignment]

LARGEST_JSON = 2**26  # bytes; a larger file was not written by this program


def table_bytes(columns: Mapping[str, pa.Array], metadata: Mapping[str, str] | None = None) -> bytes:
    """Return columns as the content of a Parquet file with page checksums."""
    table = pa.Table.from_arrays(list(columns.values()), names=list(columns)).replace_schema_metadata(metadata)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    return bytes(sink.getvalue())


def digest(content: bytes) -> str:
    """Return the SHA-256 of a file's content, 64 hex digits."""
    return hashlib.sha256(content).hexdigest()


def table_of(content: bytes, path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Return the table that a Parquet file's content holds, or some of its columns, each in one piece.

    Raises Unreadable, naming `path`, for content that is damaged.
    """
    try:
        with pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True) as file:
            table = file.read(columns=columns).combine_chunks()
    except (OSError, pa.ArrowException, MemoryError, OverflowError, ValueError, KeyError, TypeError) as error:
        raise Unreadable(f"{path} is damaged, or is no Parquet file: {_said(error)}") from error
    if len(set(table.column_names)) < len(table.column_names):
        raise Unreadable(f"{path} is damaged: two of its columns have one name")
    return table


def numbers(values: np.ndarray) -> pa.Array:
    """Return numbers as a column."""
    values = np.ascontiguousarray(values)
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [None, pa.py_buffer(values)])


def texts(values: Sequence[str]) -> pa.Array:
    """Return texts as a column."""
    encoded = [value.encode(errors="backslashreplace") for value in values]  # a path may hold bytes that are no UTF-8
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    return pa.Array.from_buffers(pa.large_string(), len(encoded), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))])


def lists(lengths: Sequence[int], flat: pa.Array) -> pa.Array:
    """Return lists, given one after the other, as a column."""
    return pa.LargeListArray.from_arrays(numbers(np.cumsum([0, *lengths], dtype=np.int64)), flat)


def of_lists(column: pa.ChunkedArray) -> np.ndarray:
    """Return a column of lists of numbers, all of one length, as an array with one row per list; a view.

    Raises ValueError for lists of several lengths, for missing values and for anything but numbers.
    """
    rows = column.chunk(0)
    if not pa.types.is_large_list(rows.type) or rows.null_count or rows.values.null_count:
        raise ValueError("a column of histories has missing values, or holds no lists")
    first, last = rows.offsets[0].as_py(), rows.offsets[-1].as_py()
    flat = rows.values.slice(first, last - first)  # `flatten` is this too, and imports pyarrow.compute
    if not (pa.types.is_float64(flat.type) or pa.types.is_int64(flat.type)):
        raise ValueError(f"a column of histories holds {flat.type}")
    values = np.frombuffer(
        flat.buffers()[1], np.dtype("f8" if pa.types.is_float64(flat.type) else "i8"), len(flat), flat.offset * 8
    )
    offsets = np.frombuffer(rows.buffers()[1], np.int64, len(rows) + 1, rows.offset * 8)
    if len(set(np.diff(offsets).tolist())) != 1:
        raise ValueError("the histories of one column differ in length")
    return values.reshape(len(column), -1)


def write_json(values: Mapping[str, Any], path: Path) -> None:
    """Write a JSON file with one key per line, without secrets. Raises CannotWrite."""
    write_bytes(json_bytes(values), path)


def json_bytes(values: Mapping[str, Any]) -> bytes:
    """Return values as the content of a JSON file, without secrets."""
    return json.dumps(redacted(values), indent=2).encode() + b"\n"


def read_json(path: Path) -> dict[str, Any]:
    """Return the mapping that a JSON file holds; empty if there is no such file. Raises Unreadable."""
    try:
        with open_regular(path) as file:
            content = file.read(LARGEST_JSON + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror or error}") from error
    if len(content) > LARGEST_JSON:
        raise Unreadable(f"{path} is larger than {LARGEST_JSON >> 20} MiB, which this program never writes")
    try:
        values = json.loads(content.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"{path} is no JSON: {_said(error)}") from error
    if not isinstance(values, dict):
        raise Unreadable(f"{path} holds no JSON object")
    return values


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def read_bytes(path: Path) -> bytes:
    """Return the content of a regular file. Raises Unreadable."""
    try:
        with open_regular(path) as file:
            content: bytes = file.read()
            return content
    except (OSError, MemoryError) as error:
        raise Unreadable(f"{path} cannot be read: {getattr(error, 'strerror', None) or error or 'too large'}") from error


def open_regular(path: Path) -> Any:
    """Open a regular file to read bytes from. Raises OSError for anything else: a FIFO would be waited for without end."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return os.fdopen(descriptor, "rb")


def write_bytes(content: bytes, path: Path) -> None:
    """Write a file whole: on return it is on the disk, and before that it is not there. Raises CannotWrite."""
    write_and_hold(content, path).close()


def write_and_hold(content: bytes, path: Path) -> IO[bytes]:
    """Write a file as `write_bytes` does, and return it open and locked: it was locked before anybody could find it."""
    temporary = path.with_name(f".{path.name[:100]}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(temporary, "w+b")  # noqa: SIM115  it may stay open
        try:
            with contextlib.suppress(OSError):  # a file system without locks
                lock(file)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            os.replace(temporary, path)
            sync_folder(path.parent)
        except BaseException:
            file.close()
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise CannotWrite(error.errno, f"{path} cannot be written: {error.strerror or error}") from error
    return file


def lock(file: IO[bytes], *, wait: bool = False) -> None:
    """Lock an open file until it is closed, or this process ends in whatever way.

    Raises BlockingIOError where another one has the lock, unless told to `wait`, and another OSError where there are no locks.
    """
    if flock is not None:
        flock(file, LOCK_EX if wait else LOCK_EX | LOCK_NB)


def remove_leavings(folder: Path) -> None:
    """Remove the temporary files that processes left in a folder when they were killed; those being written are locked."""
    for path in folder.glob(".*.tmp"):
        with contextlib.suppress(OSError), open(path, "r+b") as file:
            lock(file)
            path.unlink()


def sync_folder(folder: Path) -> None:
    """Have the names in a folder reach the disk as well."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems sync no folders
            raise
    finally:
        os.close(descriptor)


def _said(error: BaseException) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
