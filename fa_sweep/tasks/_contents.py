"""Reads the files of a task and checks their bytes against the hash in the task's settings.

A file may be replaced or edited between planning and training, even within one second and without changing its size. Each
file is therefore opened only once, and the hash is computed from the very bytes that are parsed.
"""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from io import BufferedReader, RawIOBase
from typing import Any, BinaryIO

from fa_sweep.errors import ConfigError
from fa_sweep.process.resources import require_memory

_CHUNK = 2**20


def combined(digests: Iterable[str]) -> str:
    """Combine the hashes of several files, in the given order, into one hash of 16 hex digits."""
    return hashlib.sha256("".join(digests).encode()).hexdigest()[:16]


def digest_of(path: str) -> str:
    """Return the SHA-256 of a file, 64 hex digits.

    The result is cached until the file's device, inode, times or size change. Raises ConfigError if the file cannot be read.
    """
    with opened(path) as file:
        found = os.fstat(file.fileno())
    return _digest(path, found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size)


@lru_cache(maxsize=64)
def _digest(path: str, *_: int) -> str:
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


@contextmanager
def opened(path: str) -> Iterator[BinaryIO]:
    """Open a regular file for reading. Refuse anything else, such as a pipe or a device, because it might never end.

    Raises:
        ConfigError: the path cannot be opened, or it is not a regular file.
    """
    try:
        file = open(os.path.expanduser(path), "rb", opener=_never_waiting)  # noqa: SIM115  closed below
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}; check task.path") from error
    with file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ConfigError(f"{path} is no file")
        yield file


def _never_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # opening a named pipe without a writer would block forever


class Contents:
    """Reads each file of a task once, and compares what was read with the hash in the task's settings.

    The files must be read in the order of `FileConfig.files`, because their combined hash depends on it.
    """

    def __init__(self, expected: str | None, path: str) -> None:
        """Prepare to read files. None is opened yet.

        Args:
            expected: the combined hash of all files, from the settings.
            path: the first file. If the hashes differ, the error names this file.
        """
        self._expected, self._path = expected, path
        self._digests: list[str] = []

    def whole(self, path: str) -> bytes:
        """Read a file and return its bytes. Raises ConfigError if it cannot be read or does not fit into memory."""
        with opened(path) as file:
            require_memory({path: os.fstat(file.fileno()).st_size})
            try:
                content = file.read()
            except OSError as error:
                raise ConfigError(f"{path} cannot be read: {error.strerror}; check task.path") from error
        self._digests.append(hashlib.sha256(content).hexdigest())
        return content

    @contextmanager
    def stream(self, path: str) -> Iterator[tuple[BinaryIO, int]]:
        """Open a file for sequential reading, and yield it with its size in bytes.

        When the `with` block ends, the rest of the file is read too, so that its whole content is hashed.

        Raises:
            ConfigError: the file cannot be opened.
        """
        with opened(path) as file:
            hashing = _Hashing(file)
            yield BufferedReader(hashing, _CHUNK), os.fstat(file.fileno()).st_size
            while hashing.read(_CHUNK):
                pass
        self._digests.append(hashing.digest.hexdigest())

    def verify(self) -> None:
        """Raise ConfigError if the files that were read do not have the hash that the settings state."""
        found = combined(self._digests)
        if found != self._expected:
            raise ConfigError(
                f"task.content is {self._expected}, but {self._path} now holds {found}: it was changed since the runs were "
                "planned; restore it, or start anew"
            )


class _Hashing(RawIOBase):
    """A file whose bytes are hashed as they are read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.digest = file, hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._file.readinto(buffer)  # type: ignore[attr-defined]
        self.digest.update(memoryview(buffer)[:count])
        return int(count)

    def tell(self) -> int:
        return self._file.tell()
