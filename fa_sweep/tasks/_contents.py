"""The bytes of files: what a task is made of is what its settings were hashed from, or nothing.

A file may be replaced or edited between planning and training, in the same second and at the same size. So the bytes that are
parsed are those that are hashed, from one open file.
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
    """Return the hash of several files' hashes, 16 hex digits."""
    return hashlib.sha256("".join(digests).encode()).hexdigest()[:16]


def digest_of(path: str) -> str:
    """Return the hash of a file, remembered as long as the file system tells of no change."""
    with opened(path) as file:
        found = os.fstat(file.fileno())
    return _digest(path, found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size)


@lru_cache(maxsize=64)
def _digest(path: str, *_: int) -> str:
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


@contextmanager
def opened(path: str) -> Iterator[BinaryIO]:
    """Open a regular file; anything else might never end. Raises ConfigError."""
    try:
        file = open(os.path.expanduser(path), "rb", opener=_never_waiting)  # noqa: SIM115  closed below
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}; check task.path") from error
    with file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ConfigError(f"{path} is no file")
        yield file


def _never_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # a named pipe without a writer would wait for ever


class Contents:
    """Reads the files of one task, each once, and holds what was read against the hash in its settings."""

    def __init__(self, expected: str | None, path: str) -> None:
        """`expected`: the hash of all files together; `path`: the first of them, for the message."""
        self._expected, self._path = expected, path
        self._digests: list[str] = []

    def whole(self, path: str) -> bytes:
        """Return the bytes of the next file. Raises ConfigError where it cannot be read or finds no room."""
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
        """Yield the next file, to be read from its beginning to its end, and its size."""
        with opened(path) as file:
            hashing = _Hashing(file)
            yield BufferedReader(hashing, _CHUNK), os.fstat(file.fileno()).st_size
            while hashing.read(_CHUNK):
                pass
        self._digests.append(hashing.digest.hexdigest())

    def verify(self) -> None:
        """Raise ConfigError where the bytes that were read are not those that the settings were made with."""
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
