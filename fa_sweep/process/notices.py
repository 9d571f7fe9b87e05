"""Notices to the user, for example about damaged files. Each is printed once per command."""

import os
import sys

_said: set[tuple[str, str]] = set()


def begin_command() -> None:
    """Forget which notices were printed, because a new command begins in this process."""
    _said.clear()


def say_once(text: str) -> None:
    """Print one line to the standard error, unless this command has already printed it in the same working folder."""
    if (here := (os.getcwd(), text)) not in _said:  # the text may contain paths relative to the working folder
        print(f"fa_sweep: {text}", file=sys.stderr)
        _said.add(here)
