"""Locks between commands: files that only one process at a time can hold.

A lock is released when its process ends, even if the process is killed.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    from fcntl import LOCK_EX, LOCK_NB, flock
except ImportError:  # Windows: there are no locks between commands
    flock = None  # type: ignore[assignment]

POLL_S = 0.05
NO_LOCKS = -1  # stands for the descriptor of a lock file where locking is impossible


@contextmanager
def exclusive(file: Path, wait_s: float, waiting: Callable[[], None] = lambda: None) -> Iterator[bool]:
    """Hold a lock file within the block, and remove the file afterwards.

    Args:
        file: The lock file, in a folder that exists.
        wait_s: How long to wait for another process that holds the lock, in seconds.
        waiting: Called once if another process holds the lock.

    Yields:
        Whether the lock was obtained in time. The block runs in either case. Where locking is impossible,
        the value is always true: on Windows, on some network file systems, and in a folder that cannot be written.
    """
    held = _hold(file, wait_s, waiting)
    try:
        yield held is not None
    finally:
        if held is not None and held != NO_LOCKS:
            file.unlink(missing_ok=True)
            os.close(held)


def _hold(file: Path, wait_s: float, waiting: Callable[[], None]) -> int | None:
    """Return the locked file's descriptor, `NO_LOCKS` if locking is impossible, or None if another process kept the lock."""
    deadline, told = time.monotonic() + wait_s, False
    while True:
        try:
            opened = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError:
            return NO_LOCKS
        if (free := _try(opened)) is None:
            os.close(opened)
            return NO_LOCKS
        if free and _is(opened, file):  # otherwise the previous holder has removed this file, and locking it protects nothing
            return opened
        os.close(opened)
        if free:
            continue
        if time.monotonic() >= deadline:
            return None
        if not told:
            waiting()
            told = True
        time.sleep(POLL_S)


def _try(opened: int) -> bool | None:
    if flock is None:
        return None
    try:
        flock(opened, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _is(opened: int, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(opened), os.stat(file))
    except OSError:
        return False
