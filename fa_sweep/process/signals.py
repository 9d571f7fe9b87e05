"""Ends the command when a signal arrives: it prints one line, kills all child processes, and exits with the signal's status.

The handler ends the process itself instead of raising an exception. An exception that appears at an arbitrary moment may be
swallowed by a destructor, by a callback from C or by a library's `except BaseException`, and the command would go on. Ending
the process is safe because every file of the ledger is renamed into place and every database transaction is atomic.

Python calls a handler only between two bytecode instructions. A thread therefore waits for the same signal, and ends the
process if the main thread is busy for too long with one instruction, such as a large matrix product.

Only the command calls `take_over`. Importing this module changes nothing. The module imports only what Python has loaded at
startup anyway, so that the handlers can be installed before anything else is imported.
"""

import _signal as signal  # the module `signal` without its enumerations, which take time to import
import _thread
import os
import sys
import time

TYPE_CHECKING = False  # typing takes longer to import than this module
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import FrameType
    from typing import Any

GRACE_S = 0.2  # seconds for the main thread to reach its next instruction and handle the signal there
LIMIT_S = 1.0  # seconds for everything, including the acts registered by `before_the_end`
UNTOUCHED = "nothing was begun"


class _Command:
    """The state of the one command that this process runs."""

    name = "fa_sweep"
    meanwhile = UNTOUCHED
    handled: "tuple[int, ...]" = ()
    status: "int | None" = None  # the exit status, once the command has finished its work and its output
    waiting = 0  # the number of a signal that arrived during `held`
    holds = 0  # the number of `held` blocks that are being executed
    said = False  # whether the line about the signal was printed
    hurry = False  # whether another signal has arrived; the remaining acts are then skipped
    status_of_signal = 0
    acts: "list[Callable[[], object]]" = []  # noqa: RUF012 (there is one command in a process)
    strangers: "frozenset[int]" = frozenset()  # children that this process did not start


_now = _Command()
_first = _thread.allocate_lock()  # the thread that acquires it handles the first signal, and never releases it


def take_over(name: str) -> None:
    """Handle SIGINT, SIGTERM and SIGHUP from now until the process ends. Call it once, from the main thread of the command.

    Signals that are ignored already stay ignored, for example under `nohup` or in a shell's background jobs.

    Args:
        name: the name of the command. Its messages begin with it.
    """
    _now.name = name
    _open_standard_files()
    known = [getattr(signal, each) for each in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, each)]
    _now.handled = tuple(number for number in known if signal.getsignal(number) != signal.SIG_IGN)
    for number in _now.handled:
        signal.signal(number, _on_signal)
    if os.name != "posix":
        return
    # If a shell replaces itself with this command, as a container's entry point may, the shell's children become children of
    # this process. They must not be killed with it.
    _now.strangers = frozenset(map(int, _read(f"/proc/self/task/{os.getpid()}/children").split()))
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    _thread.start_new_thread(_watch, (reading,))
    os.register_at_fork(after_in_child=_forget)
    import atexit

    # This runs last, because it is registered first. Python's shutdown then restores the default handler of every signal that
    # is not ignored, and a late signal would change the exit status.
    atexit.register(_ignore)


def meanwhile(sentence: str) -> None:
    """Set the hint that is printed if a signal ends the command from now on: what is kept, and how to continue."""
    _now.meanwhile = sentence


def interrupted() -> str:
    """Return the line that an interrupted command prints at its end."""
    return f"{_now.name}: interrupted; {_now.meanwhile}"


def finished(status: int) -> int:
    """Record that the command has finished its work and its output, and return its exit status.

    From now on a signal ends the process silently and with this status.
    """
    if sys.stdout is not None:
        sys.stdout.flush()
    _now.status = status
    return status


def before_the_end(act: "Callable[[], object]") -> None:
    """Register a function that is called when a signal ends the command, after its child processes were killed.

    Functions registered last are called first. All of them together have less than `LIMIT_S` seconds.

    Args:
        act: the function. It may be called at any moment and in any thread, so it must not wait for a lock. Its errors are
            ignored.
    """
    _now.acts.append(act)


class undone_by_signal:  # noqa: N801 (used as a function is)
    """Context manager: if a signal ends the command inside the block, `act` is called (see `before_the_end`)."""

    def __init__(self, act: "Callable[[], object]") -> None:
        self.act = act

    def __enter__(self) -> None:
        before_the_end(self.act)

    def __exit__(self, *_: object) -> None:
        _now.acts.remove(self.act)


class held:  # noqa: N801 (used as a function is)
    """Context manager: a signal takes effect only at the end of the block, or after `LIMIT_S` seconds at the latest."""

    def __enter__(self) -> None:
        _now.holds += 1

    def __exit__(self, *_: object) -> None:
        _now.holds -= 1
        if _now.waiting and not _now.holds:
            _end(_now.waiting)


class children_deaf_to_ctrl_c:  # noqa: N801 (used as a function is)
    """Context manager: processes that are started inside ignore the terminal's Ctrl-C. This process handles it and kills them.

    It has no effect unless `take_over` was called. Inside the block the calling thread itself does not receive Ctrl-C; the
    thread that `take_over` started does.
    """

    def __enter__(self) -> None:
        self.blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT] if _now.handled else [])

    def __exit__(self, *_: object) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self.blocked)


def _open_standard_files() -> None:
    """Open /dev/null for every file descriptor among 0, 1 and 2 that is closed.

    Otherwise the next file to be opened, perhaps a database, would get that number, and messages would be written into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number


def _on_signal(number: int, _: "FrameType | None") -> None:
    if _now.holds and not _now.waiting:
        _now.waiting = number
    else:
        _end(number)


def _watch(reading: int) -> None:
    """Wait for a signal, and end the process if the main thread does not do so in time or a second signal arrives."""
    number = 0
    while number not in _now.handled:
        number = os.read(reading, 1)[0]
    os.set_blocking(reading, False)
    came, hurry = time.monotonic(), False
    seconds = bytearray()
    while not hurry and (passed := time.monotonic() - came) < LIMIT_S:
        if passed > GRACE_S and not _now.status_of_signal and not _now.holds:
            break
        time.sleep(0.01)
        _try(lambda: seconds.extend(os.read(reading, 64)))  # raises BlockingIOError if no signal has arrived
        hurry = any(number in _now.handled for number in seconds)
    _end(number)
    time.sleep(max(0.0, came + LIMIT_S - time.monotonic()))
    _end(number, last=True)


def _end(number: int, *, last: bool = False) -> None:
    """End the process because of a signal.

    Return only if another thread is already ending it and is about to print the message. With `last`, end it in any case.
    """
    if _now.status is not None:
        _end_children()
        os._exit(_now.status)
    if _first.acquire(False):
        _now.status_of_signal = 128 + number
        _say(interrupted())
        _now.said = True
        _end_children()
        for act in reversed(_now.acts):
            if not _now.hurry:
                _try(act)
    elif not _now.said and not last:
        _now.hurry = True
        return
    _end_children()
    os._exit(_now.status_of_signal)


def _try(act: "Callable[[], object]") -> None:
    try:  # noqa: SIM105 (contextlib would have to be imported)
        act()
    except BaseException:  # noqa: S110 (nobody is left to tell, and what follows has to be done)
        pass


def _say(line: str) -> None:
    """Write a line, bypassing all buffers and locks, and discard all later output of threads that are still running."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    _try(_restore_terminal)
    _try(lambda: os.write(2, line.encode("utf-8", "replace") + b"\n"))
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


def _restore_terminal() -> None:
    """Show the cursor again if a progress bar has hidden it, and start a new line."""
    if os.isatty(1) and os.environ.get("TERM", "dumb") not in ("dumb", "unknown"):
        os.write(1, b"\x1b[?25h\n")


def _end_children() -> None:
    """Kill every descendant of this process, if the system has /proc to list them.

    All of them are stopped before any is killed. Otherwise a process could be killed just as it forks, and its child would lose
    its parent and escape. Python's resource trackers are spared: they remove leaked semaphores and then end by themselves.
    """
    found: set[int] = set()
    while new := [process for process in _descendants() if process not in found]:
        for process in new:
            _try(lambda process=process: os.kill(process, signal.SIGSTOP))  # type: ignore[misc]
        found.update(new)
    for process in found:
        _try(lambda process=process: os.kill(process, signal.SIGKILL))  # type: ignore[misc]


def _descendants() -> "list[int]":
    children: dict[int, list[int]] = {}
    for process in _numbers(_listed("/proc")):
        fields = _read(f"/proc/{process}/stat").rpartition(b")")[2].split()
        if len(fields) > 1:
            children.setdefault(int(fields[1]), []).append(process)
    found, of = [], [os.getpid()]
    while of:
        for child in children.get(of.pop(), ()):
            if child not in _now.strangers and b"resource_tracker" not in _read(f"/proc/{child}/cmdline"):
                found.append(child)
                of.append(child)
    return found


def _numbers(names: "Iterable[str]") -> "Iterator[int]":
    return (int(name) for name in names if name.isdigit())


def _listed(folder: str) -> "list[str]":
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _read(path: str) -> bytes:
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.read(file, 65536)
    except OSError:  # the process has just ended
        return b""
    finally:
        os.close(file)


def _forget() -> None:
    """Restore Python's default handlers in a forked child, because the child does not run the command."""
    signal.set_wakeup_fd(-1)
    for number in _now.handled:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def _ignore(*_: "Any") -> None:
    signal.set_wakeup_fd(-1)
    for number in _now.handled:
        signal.signal(number, signal.SIG_IGN)
