"""How a signal ends the command: with one line, without a process left over, and with the signal's exit status.

Nothing is raised: an exception that appears at an arbitrary moment may be swallowed by a destructor, by a callback from C or by
a library's `except BaseException`, and the command would go on. The handler ends the process itself. That is safe, because
every file of the ledger is renamed into place and every database transaction is atomic. Python calls a handler between two
lines of Python only, so a thread waits for the same signal and ends the process where one line (a long matrix product) takes
too long.

Only the command calls `take_over`; importing this module sets nothing. It imports nothing that Python has not loaded at its
start, so that the handlers are there before anything else is imported.
"""

import _signal as signal  # what the module `signal` wraps in enumerations
import _thread
import os
import sys
import time

TYPE_CHECKING = False  # typing takes longer to import than this module
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import FrameType
    from typing import Any

GRACE_S = 0.2  # what the main thread has to reach its next line and handle the signal there
LIMIT_S = 1.0  # what everything has, the acts of `undone_by_signal` included
UNTOUCHED = "nothing was begun"


class _Command:
    """The state of the command that this process runs."""

    name = "fa_sweep"
    meanwhile = UNTOUCHED
    handled: "tuple[int, ...]" = ()
    status: "int | None" = None  # of a command that has done and said everything
    waiting = 0  # a signal that came during `held`
    holds = 0
    said = False
    hurry = False
    status_of_signal = 0
    acts: "list[Callable[[], object]]" = []  # noqa: RUF012 (there is one command in a process)
    strangers: "frozenset[int]" = frozenset()


_now = _Command()
_first = _thread.allocate_lock()  # whoever takes it handles the first signal


def take_over(name: str) -> None:
    """Handle SIGINT, SIGTERM and SIGHUP from here on, until the process ends. For the command itself, in the main thread.

    A signal that is ignored, as `nohup` and a shell's background jobs have it, stays ignored.

    Args:
        name: the command, as its messages begin.
    """
    _now.name = name
    _open_standard_files()
    known = [getattr(signal, each) for each in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, each)]
    _now.handled = tuple(number for number in known if signal.getsignal(number) != signal.SIG_IGN)
    for number in _now.handled:
        signal.signal(number, _on_signal)
    if os.name != "posix":
        return
    # A shell that replaces itself by this command, as a container's entry point does, leaves it children that are not its own.
    _now.strangers = frozenset(map(int, _read(f"/proc/self/task/{os.getpid()}/children").split()))
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    _thread.start_new_thread(_watch, (reading,))
    os.register_at_fork(after_in_child=_forget)
    import atexit

    atexit.register(_ignore)  # called last, because it is registered first; Python restores the defaults soon after


def meanwhile(sentence: str) -> None:
    """Set what a signal's line says of the work, from here on: what is kept, and how to go on."""
    _now.meanwhile = sentence


def interrupted() -> str:
    """Return the line that ends an interrupted command."""
    return f"{_now.name}: interrupted; {_now.meanwhile}"


def finished(status: int) -> int:
    """Take note that the command has done and said everything: from here on a signal ends it with this status, in silence."""
    if sys.stdout is not None:
        sys.stdout.flush()
    _now.status = status
    return status


def before_the_end(act: "Callable[[], object]") -> None:
    """Have a signal that ends the command call `act`, after its children are gone, the last one first, within `LIMIT_S`.

    It may be called at any moment and in any thread, so it must not wait for a lock.
    """
    _now.acts.append(act)


class undone_by_signal:  # noqa: N801 (used as a function is)
    """Context: a signal that ends the command inside the block calls `act`, as `before_the_end` has it."""

    def __init__(self, act: "Callable[[], object]") -> None:
        self.act = act

    def __enter__(self) -> None:
        before_the_end(self.act)

    def __exit__(self, *_: object) -> None:
        _now.acts.remove(self.act)


class held:  # noqa: N801 (used as a function is)
    """Context: a signal waits until the end of the block, `LIMIT_S` at most."""

    def __enter__(self) -> None:
        _now.holds += 1

    def __exit__(self, *_: object) -> None:
        _now.holds -= 1
        if _now.waiting and not _now.holds:
            _end(_now.waiting)


class children_deaf_to_ctrl_c:  # noqa: N801 (used as a function is)
    """Context: processes started inside leave the terminal's Ctrl-C to this one, which ends them.

    Only where `take_over` was called: its thread hears what this one is deaf to meanwhile.
    """

    def __enter__(self) -> None:
        self.blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT] if _now.handled else [])

    def __exit__(self, *_: object) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self.blocked)


def _open_standard_files() -> None:
    """Open /dev/null for what is closed of 0, 1 and 2: the next file to be opened, a database, would take its number."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


def _on_signal(number: int, _: "FrameType | None") -> None:
    if _now.holds and not _now.waiting:
        _now.waiting = number
    else:
        _end(number)


def _watch(reading: int) -> None:
    """Wait for a signal; end the process where the main thread does not, and at once when a second signal comes."""
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
        _try(lambda: seconds.extend(os.read(reading, 64)))  # BlockingIOError where none has come
        hurry = any(number in _now.handled for number in seconds)
    _end(number)
    time.sleep(max(0.0, came + LIMIT_S - time.monotonic()))
    _end(number, last=True)


def _end(number: int, *, last: bool = False) -> None:
    """End the process; returns only where another call of this is about to say why. `last`: end it whatever is left to do."""
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
    """Write a line past all buffers and locks, and let nothing follow it: threads go on for a moment."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    _try(_restore_terminal)
    _try(lambda: os.write(2, line.encode("utf-8", "replace") + b"\n"))
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


def _restore_terminal() -> None:
    """Show the cursor that a progress bar hides, and leave the bar's line."""
    if os.isatty(1) and os.environ.get("TERM", "dumb") not in ("dumb", "unknown"):
        os.write(1, b"\x1b[?25h\n")


def _end_children() -> None:
    """Kill every descendant of this process, where /proc lists them.

    They are stopped before they are killed: whoever is killed while it forks leaves a child that is nobody's. Python's resource
    trackers are left alone: they remove semaphores and end as soon as nobody uses these.
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
    except OSError:  # it has just ended
        return b""
    finally:
        os.close(file)


def _forget() -> None:
    """Give a forked child the handlers that Python starts with: what it does is not the command."""
    signal.set_wakeup_fd(-1)
    for number in _now.handled:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def _ignore(*_: "Any") -> None:
    signal.set_wakeup_fd(-1)
    for number in _now.handled:
        signal.signal(number, signal.SIG_IGN)
