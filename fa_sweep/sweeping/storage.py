"""Reads and writes files in such a way that a file is either complete or absent.

A file is written under a temporary name, flushed to the disk and then renamed. A file that is read may be damaged or come from
another program. In all such cases the reading functions raise `Unreadable` with a message of one line.

Columns are made from buffers, and Parquet files are read through ParquetFile. The usual `pa.array` and `pq.read_table` would
import pandas. That takes a fifth of a second, and a sweep without a report does not need pandas.
"""

import contextlib
import errno
import hashlib
import json
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fa_sweep.errors import CannotWrite, Unreadable
from fa_sweep.process.secrets import redacted

try:
    from fcntl import LOCK_EX, LOCK_NB, flock
except ImportError:  # Windows: without locks, two commands may do the same thing at once
    flock = None  # type: ignore[assignment]

LARGEST_JSON = 2**26  # bytes; a larger file was not written by this program


def table_bytes(columns: Mapping[str, pa.Array], metadata: Mapping[str, str] | None = None) -> bytes:
    """Return the content of a Parquet file with the given columns, by name, and with page checksums."""
    table = pa.Table.from_arrays(list(columns.values()), names=list(columns)).replace_schema_metadata(metadata)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    return bytes(sink.getvalue())


def digest(content: bytes) -> str:
    """Return the SHA-256 of a file's content as 64 hex digits."""
    return hashlib.sha256(content).hexdigest()


def table_of(content: bytes, path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Return the table that a Parquet file's content holds, with each column in one chunk.

    Args:
        content: the content of the file.
        path: the file's path, for messages.
        columns: the names of the columns to read. With None, all are read.

    Raises:
        Unreadable: the content is damaged or is not a Parquet file.
    """
    try:
        with pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True) as file:
            # Threads would save nothing here, and on a busy machine their end may abort the process at its exit.
            table = file.read(columns=columns, use_threads=False).combine_chunks()
    except (OSError, pa.ArrowException, MemoryError, OverflowError, ValueError, KeyError, TypeError) as error:
        raise Unreadable(f"{path} is damaged, or is not a Parquet file: {_said(error)}") from error
    if len(set(table.column_names)) < len(table.column_names):
        raise Unreadable(f"{path} is damaged: two of its columns have one name")
    return table


def numbers(values: np.ndarray) -> pa.Array:
    """Turn an array of numbers into a column."""
    values = np.ascontiguousarray(values)
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [None, pa.py_buffer(values)])


def texts(values: Sequence[str]) -> pa.Array:
    """Turn texts into a column."""
    encoded = [value.encode(errors="backslashreplace") for value in values]  # a path may contain bytes that are not UTF-8
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    return pa.Array.from_buffers(pa.large_string(), len(encoded), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))])


def lists(lengths: Sequence[int], flat: pa.Array) -> pa.Array:
    """Turn lists into a column.

    Args:
        lengths: the length of each list.
        flat: the elements of all lists, one list after the other.
    """
    return pa.LargeListArray.from_arrays(numbers(np.cumsum([0, *lengths], dtype=np.int64)), flat)


def of_lists(column: pa.ChunkedArray) -> np.ndarray:
    """Turn a column of equally long lists of numbers into an array with one row per list, without copying.

    Raises:
        ValueError: the lists differ in length, values are missing, or the column holds anything but lists of numbers.
    """
    rows = column.chunk(0)
    if not pa.types.is_large_list(rows.type) or rows.null_count or rows.values.null_count:
        raise ValueError("a column of histories has missing values, or holds no lists")
    first, last = rows.offsets[0].as_py(), rows.offsets[-1].as_py()
    flat = rows.values.slice(first, last - first)  # `flatten` would give the same, but it imports pyarrow.compute
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
    """Write a JSON file with one key per line and with secrets masked. Raises CannotWrite."""
    write_bytes(json_bytes(values), path)


def json_bytes(values: Mapping[str, Any]) -> bytes:
    """Return values as the content of a JSON file, with secrets masked."""
    return json.dumps(redacted(values), indent=2).encode() + b"\n"


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file, or an empty dictionary if the file does not exist. Raises Unreadable."""
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
        raise Unreadable(f"{path} is not valid JSON: {_said(error)}") from error
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
    """Open a regular file for reading bytes. Raises OSError for any other kind: reading a FIFO could block for ever."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return os.fdopen(descriptor, "rb")


def write_bytes(content: bytes, path: Path) -> None:
    """Write a file in one step. Until all of it is on the disk, readers find the earlier file, or none.

    Raises:
        CannotWrite: the file could not be written.
    """
    write_and_hold(content, path).close()


def write_with(write: Callable[[Path], object], path: Path) -> Path:
    """Have a function write a file under a temporary name, and rename it once it is whole.

    Args:
        write: Called with the temporary path.
        path: The path of the file.

    Returns:
        The path of the file.

    Raises:
        CannotWrite: the file could not be written.
    """
    temporary = path.with_name(f".{path.name[:100]}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        raise CannotWrite(error.errno or 0, f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return path


def write_and_hold(content: bytes, path: Path) -> IO[bytes]:
    """Write a file in one step, like `write_bytes`, and return it open and locked.

    The file is locked before it gets its name, so no other process can lock it first. If the file system has no locks, the file
    is returned unlocked.

    Raises:
        CannotWrite: the file could not be written.
    """
    temporary = path.with_name(f".{path.name[:100]}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(temporary, "w+b")  # noqa: SIM115  it may stay open
        try:
            with contextlib.suppress(OSError):  # the file system has no locks
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
    """Lock an open file until it is closed or this process ends. On Windows this does nothing.

    Args:
        file: the file.
        wait: wait for as long as another process has the lock.

    Raises:
        BlockingIOError: another process has the lock, and `wait` is false.
        OSError: the file system has no locks.
    """
    if flock is not None:
        flock(file, LOCK_EX if wait else LOCK_EX | LOCK_NB)


def remove_leavings(folder: Path) -> None:
    """Remove the temporary files that killed processes left in a folder. Files that are being written are locked and stay."""
    for path in folder.glob(".*.tmp"):
        with contextlib.suppress(OSError), open(path, "r+b") as file:
            lock(file)
            path.unlink()


def sync_folder(folder: Path) -> None:
    """Flush a folder's list of names to the disk, so that a rename in it survives a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems cannot sync folders
            raise
    finally:
        os.close(descriptor)


def _said(error: BaseException) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
