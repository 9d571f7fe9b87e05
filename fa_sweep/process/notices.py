"""Notices to the user, for example about damaged files. Each is printed once per command."""

import os
import sys

_said: set[tuple[str, str]] = set()


def begin_command() -> None:
    """Forget which notices were printed, because a new command begins in this process."""
    _said.clear()


def is_new(text: str) -> bool:
    """Whether this command has not yet told its user this. Records that it is told now."""
    here = os.getcwd(), text  # paths in the text are relative to the working folder
    if here in _said:
        return False
    _said.add(here)
    return True


def say_once(text: str, about: str = "") -> None:
    """Print a line to the standard error, unless this command has printed it before in the same working folder.

    Args:
        text: The line.
        about: What the line is about. If it is given, the command prints only the first of all lines about the same thing.
    """
    if is_new(about or text):
        print(f"fa_sweep: {text}", file=sys.stderr)
