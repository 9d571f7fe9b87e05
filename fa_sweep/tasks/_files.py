"""Reads examples from IDX, .npz and CSV files that may be damaged or hostile.

Every fault raises a `ConfigError` whose one-line message names the file and the fault. Nothing is ever unpickled.
"""

import csv
import gzip
import io
import math
import os
import struct
import zipfile
import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import numpy as np

from fa_sweep._typing import Array
from fa_sweep.checks import shown
from fa_sweep.errors import ConfigError
from fa_sweep.process.resources import in_bytes, require_memory
from fa_sweep.roles import LOCATION
from fa_sweep.tasks._contents import combined, digest_of, opened
from fa_sweep.tasks._split import SplitConfig

LARGEST_BYTES = 2**31  # limit for one decompressed array, because a damaged header may claim more than any machine holds
LONGEST_LINE = 2**20  # limit for one line of a CSV file, in characters
FIRST_CHECKED = 2**17  # the memory for all values is first estimated after this many have been read
CSV_COPIES = 2.2  # peak memory relative to all values in float64, because they are held as read and again after the split
_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


@dataclass
class FileConfig(SplitConfig):
    """Settings of a task whose examples come from files.

    The content is part of a run's id, but the path is not. If the data are moved, the ids of the runs stay the same.

    Args:
        path: the file, relative to the working folder. A leading ~ stands for the home folder.
        content: the combined hash of all files that the task reads. If it is null, it is computed from the files.

    Raises:
        ConfigError: the path is empty, or a file cannot be read.
    """

    path: str = field(metadata=LOCATION)
    content: str | None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.path.strip():
            raise ConfigError("task.path is empty; give the file to read")
        if self.content is None:
            self.content = combined(digest_of(path) for path in self.files())

    def files(self) -> list[str]:
        """Return the paths of all files that the task reads, in the order in which they are read and hashed."""
        return [self.path]


def read_idx(path: str, content: bytes) -> Array:
    """Read an array from an IDX file (the format of MNIST), gzipped or not.

    The format: two zero bytes, one byte for the type, one for the rank, the sizes (big-endian, 4 bytes each), and the data.

    Args:
        path: the name of the file, for messages only.
        content: the bytes of the file.

    Returns:
        The array, in the file's own shape and type.

    Raises:
        ConfigError: the content is damaged, too large, or not in this format.
    """
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) if content[:2] == b"\x1f\x8b" else io.BytesIO(content) as file:
            head = file.read(4)
            if not head:
                raise ConfigError(f"{path} is empty")
            if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _IDX_TYPES or not 1 <= head[3] <= 4:
                raise ConfigError(f"{path} is no IDX file: its magic number is {head.hex()}")
            sizes = file.read(4 * head[3])
            if len(sizes) < 4 * head[3]:
                raise ConfigError(f"{path} is truncated: it ends within its header")
            shape, dtype = struct.unpack(f">{head[3]}I", sizes), np.dtype(_IDX_TYPES[head[2]])
            expected = math.prod(shape) * dtype.itemsize
            _refuse_size(path, math.prod(shape), dtype)
            data = file.read(expected + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    if len(data) != expected:
        fault = "is truncated" if len(data) < expected else "is longer than its header says"
        raise ConfigError(f"{path} {fault}: {' x '.join(map(str, shape))} values take {expected} bytes")
    return np.frombuffer(data, dtype).reshape(shape)


def read_npz(path: str, content: bytes, names: tuple[str, ...]) -> list[Array]:
    """Read numeric arrays from an .npz file. Each array's header is checked before its data are decompressed.

    Args:
        path: the name of the file, for messages only.
        content: the bytes of the file.
        names: the names of the arrays to read.

    Returns:
        The arrays, in the order of `names`.

    Raises:
        ConfigError: an array is missing, damaged, too large or not numeric.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {info.filename: info for info in archive.infolist()}
            return [_read_member(path, archive, members, name) for name in names]
    except ConfigError:
        raise
    except Exception as error:  # if an archive is damaged, zipfile, zlib and NumPy's header parser raise errors of any kind
        raise ConfigError(f"{path} is no readable .npz: {' '.join(str(error).split())[:150]}") from error


def _read_member(path: str, archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], name: str) -> Array:
    info = members.get(f"{name}.npy")
    if info is None:
        known = ", ".join(sorted(m.removesuffix(".npy") for m in members)[:8]) or "nothing"
        raise ConfigError(f"{path} has no array {name!r}; it holds {known}")
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(file)
        if dtype.hasobject or dtype.kind not in "biuf":
            raise ConfigError(f"{path}: array {name!r} holds {dtype}, not numbers; objects are never unpickled")
        expected = math.prod(shape) * dtype.itemsize
        _refuse_size(f"{path}: array {name!r}", math.prod(shape), dtype)
        if info.file_size - file.tell() != expected:
            raise ConfigError(f"{path}: array {name!r} is truncated or longer than its header says")
        data = file.read(expected)
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def look_at_csv(path: str) -> None:
    """Check the first megabyte of a CSV file, so that an unusable file is refused before all of it is read.

    Raises:
        ConfigError: a larger file has no line end in its first megabyte, or an estimate says that it does not fit into memory.
    """
    if not path.strip():
        return  # `FileConfig` refuses an empty path
    with opened(path) as file:
        beginning, size = file.read(LONGEST_LINE), os.fstat(file.fileno()).st_size
    lines = beginning.count(b"\n") + beginning.count(b"\r")
    if size > LONGEST_LINE and not lines:
        raise ConfigError(f"{path}, line 1 is longer than {in_bytes(LONGEST_LINE)}; this is no CSV file with lines")
    values = (beginning.count(b",") + lines) * size / max(1, len(beginning))
    require_memory({path: int(CSV_COPIES * 8 * values)})


def read_csv(path: str, file: BinaryIO, size: int) -> tuple[list[str], Array]:
    """Read a CSV file with a header and numeric columns, line by line.

    Args:
        path: the name of the file, for messages only.
        file: the open file, at its beginning.
        size: the size of the file in bytes. While the file is read, the memory for all rows is estimated from it.

    Returns:
        The names of the columns, and their values (rows, columns), all finite.

    Raises:
        ConfigError: the file is not such a table, or it does not fit into memory. For a bad value, the message names its line
            and column.
    """
    values = array("d")
    try:
        text = io.TextIOWrapper(file, newline="", encoding="utf-8-sig")
        reader = csv.reader(_lines(path, text))
        names = [name.strip() for name in next(reader, [])]
        if not names:
            raise ConfigError(f"{path} is empty")
        checked = FIRST_CHECKED
        for row in reader:
            if row:
                values.extend(_numbers(f"{path}, line {reader.line_num}", names, row))
                if len(values) >= checked:
                    require_memory({path: int(CSV_COPIES * 8 * len(values) * size / file.tell())})
                    checked = 4 * len(values)
        text.detach()
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    if len(set(names)) < len(names):
        raise ConfigError(f"{path} has two columns of one name")
    if not values:
        raise ConfigError(f"{path} has a header and no rows")
    return names, np.frombuffer(values).reshape(-1, len(names))


def _lines(path: str, file: TextIO) -> Iterator[str]:
    """Yield the lines of a text file. Refuse very long lines, because a file without line ends would fill the memory."""
    number = 1
    while line := file.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE and line[-1] not in "\r\n":
            raise ConfigError(f"{path}, line {number} is longer than {in_bytes(LONGEST_LINE)}; this is no CSV file with lines")
        number += 1
        yield line


def _numbers(where: str, names: list[str], row: list[str]) -> list[float]:
    if len(row) != len(names):
        raise ConfigError(f"{where} has {len(row)} values for {len(names)} columns")
    try:
        values = list(map(float, row))
    except ValueError:
        name, text = next(pair for pair in zip(names, row, strict=True) if not _is_number(pair[1]))
        raise ConfigError(f"{where}, column {name}: {shown(text)} is no number") from None
    if not math.isfinite(sum(values)):  # the sum may overflow even if every value is finite, so check each
        for name, text, value in zip(names, row, values, strict=True):
            if not math.isfinite(value):
                raise ConfigError(f"{where}, column {name}: {shown(text)}; every value has to be finite")
    return values


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def class_labels(values: Array, source: str) -> tuple[Array, int]:
    """Number the classes of a column of values.

    Args:
        values: (examples,), whole numbers, one per example.
        source: where the values come from, for messages only.

    Returns:
        Labels (examples,) from 0 to C - 1, numbered in increasing order of the values, and the number of classes C.

    Raises:
        ConfigError: a value is not a whole number, or there are fewer than two classes.
    """
    if values.dtype.kind == "f" and (values != np.round(values)).any():
        raise ConfigError(f"{source}: classes have to be whole numbers; for numbers choose regression")
    classes, labels = np.unique(values, return_inverse=True)
    if len(classes) < 2:
        raise ConfigError(f"{source}: all examples are of one class")
    return labels, len(classes)


def _refuse_size(what: str, values: int, dtype: np.dtype[Any]) -> None:
    size = values * dtype.itemsize
    if size > LARGEST_BYTES:
        raise ConfigError(
            f"{what} claims {size / 2**30:.1f} GiB decompressed; at most {LARGEST_BYTES / 2**30:.0f} GiB are read"
        )
    if size == 0:
        raise ConfigError(f"{what} is empty: it holds no values")
    require_memory({what: size + 8 * values})  # the array as it was read, and its copy in float64 to train on


def suffix(path: str) -> str:
    """Return the suffix of a path in lower case, such as ".npz"."""
    return Path(path).suffix.lower()
