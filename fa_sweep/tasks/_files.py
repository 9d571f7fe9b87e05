"""Reads examples from IDX and .npz files that may be damaged or hostile.

Every fault raises a `ConfigError` whose one-line message names the file and the fault. Nothing is ever unpickled.
"""

import gzip
import io
import math
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fa_sweep._typing import Array
from fa_sweep.errors import ConfigError
from fa_sweep.process.resources import require_memory
from fa_sweep.roles import LOCATION
from fa_sweep.tasks._contents import combined, digest_of
from fa_sweep.tasks._split import SplitConfig

LARGEST_BYTES = 2**31  # limit for one decompressed array, because a damaged header may claim more than any machine holds
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


def names_in_npz(path: str, content: bytes) -> dict[str, str]:
    """Return the names of the arrays in an .npz file, by the name in lower case.

    Args:
        path: the name of the file, for messages only.
        content: the bytes of the file.

    Raises:
        ConfigError: the file is damaged.
    """
    with _archive(path, content) as archive:
        names = [info.filename.removesuffix(".npy") for info in archive.infolist()]
    return {name.lower(): name for name in reversed(names)}


def read_npz(path: str, content: bytes, names: tuple[str, str]) -> list[Array]:
    """Read the arrays of inputs and labels from an .npz file. Each array's header is checked before it is decompressed.

    Args:
        path: the name of the file, for messages only.
        content: the bytes of the file.
        names: the names of the two arrays, in lower case.

    Returns:
        The inputs, which are numbers, and the labels, which are numbers or texts.

    Raises:
        ConfigError: an array is missing, damaged, too large or of another type.
    """
    own = names_in_npz(path, content)
    with _archive(path, content) as archive:
        members = {info.filename: info for info in archive.infolist()}
        allowed = ("biuf", "biufUS")
        return [
            _read_member(path, archive, members, own.get(name, name), kinds) for name, kinds in zip(names, allowed, strict=True)
        ]


@contextmanager
def _archive(path: str, content: bytes) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            yield archive
    except ConfigError:
        raise
    except Exception as error:  # if an archive is damaged, zipfile, zlib and NumPy's header parser raise errors of any kind
        raise ConfigError(f"{path} is no readable .npz: {' '.join(str(error).split())[:150]}") from error


def _read_member(path: str, archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], name: str, kinds: str) -> Array:
    """Read one array whose type is one of `kinds`, NumPy's letters for kinds of types."""
    info = members.get(f"{name}.npy")
    if info is None:
        known = ", ".join(sorted(m.removesuffix(".npy") for m in members)[:8]) or "nothing"
        raise ConfigError(f"{path} has no array {name!r}; it holds {known}")
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(file)
        if dtype.hasobject:
            raise ConfigError(
                f"{path}: array {name!r} holds objects, not numbers, which are never unpickled; save texts with astype(str)"
            )
        if dtype.kind not in kinds:
            raise ConfigError(f"{path}: array {name!r} holds {dtype}, not numbers; save it as numbers")
        expected = math.prod(shape) * dtype.itemsize
        _refuse_size(f"{path}: array {name!r}", math.prod(shape), dtype)
        if info.file_size - file.tell() != expected:
            raise ConfigError(f"{path}: array {name!r} is truncated or longer than its header says")
        data = file.read(expected)
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def size_of_test(examples: int) -> int:
    """Return `task.held_out` if it is `auto`: a fifth of the examples, from 1 to 1,000."""
    return max(1, min(1000, examples // 5))


def class_labels(values: Array, source: str, otherwise: str) -> tuple[Array, int]:
    """Number the classes of a column of values.

    Args:
        values: (examples,), whole numbers or texts, one per example.
        source: where the values come from, for messages only.
        otherwise: what to do if they are not classes, for messages only.

    Returns:
        Labels (examples,) from 0 to C - 1, numbered in increasing order of the values, and the number of classes C.

    Raises:
        ConfigError: a value is not a whole number, or there are fewer than two classes.
    """
    if values.dtype.kind == "f" and (values != np.round(values)).any():
        raise ConfigError(f"{source}: classes have to be whole numbers or texts; for numbers {otherwise}")
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
