"""Examples from files, read with suspicion: each fault is one line that names file and fault, and nothing is unpickled."""

import csv
import gzip
import hashlib
import math
import os
import struct
import zipfile
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from fa_sweep.checks import ConfigError
from fa_sweep.tasks.split import SplitConfig

Array = np.ndarray

LARGEST_BYTES = 2**31  # of one array, decompressed: an archive may claim what no machine holds
_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


@dataclass
class FileConfig(SplitConfig):
    """`path`: of the file, relative to the working folder. `content`: its hash, 16 hex digits; null: taken from the file.

    The content is part of a run's id, the path is not: the same data elsewhere are the same runs.
    """

    path: str
    content: str | None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.path.strip():
            raise ConfigError("task.path is empty; give the file to read")
        if self.content is None:
            self.content = self._found()

    def files(self) -> list[str]:
        """Return the paths of all files that the task reads."""
        return [self.path]

    def _found(self) -> str:
        return hashlib.sha256("".join(_digest(*_stat(path)) for path in self.files()).encode()).hexdigest()[:16]

    def check_content(self) -> None:
        """Raise ConfigError where the files are not those that the settings were made with."""
        if self._found() != self.content:
            raise ConfigError(
                f"task.content is {self.content}; {self.path} now holds {self._found()}; restore it or start anew"
            )


def _stat(path: str) -> tuple[str, int, int]:
    try:
        found = os.stat(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    if not os.path.isfile(path):
        raise ConfigError(f"{path} is no file")
    return path, found.st_mtime_ns, found.st_size


@lru_cache(maxsize=64)
def _digest(path: str, mtime_ns: int, size: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_idx(path: str) -> Array:
    """Read an IDX file (the format of MNIST), gzipped or not: two zero bytes, type, rank, big-endian sizes, data."""
    try:
        with open(path, "rb") as raw:
            zipped = raw.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if zipped else open(path, "rb") as file:
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
            _refuse_size(path, expected)
            data = file.read(expected + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    if len(data) != expected:
        fault = "is truncated" if len(data) < expected else "is longer than its header says"
        raise ConfigError(f"{path} {fault}: {' x '.join(map(str, shape))} values take {expected} bytes")
    return np.frombuffer(data, dtype).reshape(shape)


def read_npz(path: str, names: tuple[str, ...]) -> list[Array]:
    """Read numeric arrays of an .npz by name. Headers are checked before anything is decompressed."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: info for info in archive.infolist()}
            return [_read_member(path, archive, members, name) for name in names]
    except ConfigError:
        raise
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
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
        _refuse_size(f"{path}: array {name!r}", expected)
        if info.file_size - file.tell() != expected:
            raise ConfigError(f"{path}: array {name!r} is truncated or longer than its header says")
        data = file.read(expected)
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def read_csv(path: str) -> tuple[list[str], Array]:
    """Read a CSV file with a header and numeric columns: names, values (rows, columns), all finite."""
    rows: list[list[float]] = []
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            names = [name.strip() for name in next(reader, [])]
            if not names:
                raise ConfigError(f"{path} is empty")
            for row in reader:
                if row:
                    rows.append(_numbers(f"{path}, line {reader.line_num}", names, row))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    if len(set(names)) < len(names):
        raise ConfigError(f"{path} has two columns of one name")
    if not rows:
        raise ConfigError(f"{path} has a header and no rows")
    return names, np.array(rows)


def _numbers(where: str, names: list[str], row: list[str]) -> list[float]:
    if len(row) != len(names):
        raise ConfigError(f"{where} has {len(row)} values for {len(names)} columns")
    values = []
    for name, text in zip(names, row, strict=True):
        try:
            value = float(text)
        except ValueError:
            raise ConfigError(f"{where}, column {name}: {text!r} is no number") from None
        if not math.isfinite(value):
            raise ConfigError(f"{where}, column {name}: {text!r}; every value has to be finite")
        values.append(value)
    return values


def class_labels(values: Array, source: str) -> tuple[Array, int]:
    """values (examples,) -> labels 0 ... C-1 in the order of the values, and C; ConfigError for fewer than two."""
    if values.dtype.kind == "f" and (values != np.round(values)).any():
        raise ConfigError(f"{source}: classes have to be whole numbers; for numbers choose regression")
    classes, labels = np.unique(values, return_inverse=True)
    if len(classes) < 2:
        raise ConfigError(f"{source}: all examples are of one class")
    return labels, len(classes)


def _refuse_size(what: str, size: int) -> None:
    if size > LARGEST_BYTES:
        raise ConfigError(
            f"{what} claims {size / 2**30:.1f} GiB decompressed; at most {LARGEST_BYTES / 2**30:.0f} GiB are read"
        )
    if size == 0:
        raise ConfigError(f"{what} is empty: it holds no values")


def suffix(path: str) -> str:
    """Return a path's suffix in lower case."""
    return Path(path).suffix.lower()
