"""The command that this process is carrying out: its words, how much it prints, and the sweeps that it conducts."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from fa_sweep.sweeping.folder import Sweep


@dataclass
class Command:
    """One command.

    Attributes:
        words: The words of its command line after the program's name; of a call from Python, its overrides.
        quiet: Whether it prints only problems and the progress of training, as a call from Python does.
        conducted: The sweeps that it has begun.
    """

    words: tuple[str, ...] = ()
    quiet: bool = False
    conducted: list[Sweep] = field(default_factory=list)


_current: ContextVar[Command] = ContextVar("command")


def current() -> Command:
    """Return the command that is being carried out; outside any command, one without words."""
    return _current.get(Command())


@contextmanager
def carried_out(words: Sequence[str], *, quiet: bool = False) -> Iterator[Command]:
    """Make a new command the current one inside the block, and yield it."""
    command = Command(tuple(words), quiet)
    token = _current.set(command)
    try:
        yield command
    finally:
        _current.reset(token)
