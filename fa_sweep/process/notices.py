"""What this process tells its user about the files that it met."""

import os
import sys

_said: set[tuple[str, str]] = set()


def begin_command() -> None:
    """Forget what was said: a new command begins in this process."""
    _said.clear()


def say_once(text: str) -> None:
    """Print a line to the standard error, unless this command has printed it before in the same working folder."""
    if (here := (os.getcwd(), text)) not in _said:  # paths in the text are relative to the working folder
        print(f"fa_sweep: {text}", file=sys.stderr)
        _said.add(here)
