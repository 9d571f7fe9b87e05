"""Command lines: of sweeps that finish at once, and those that the program must refuse."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest


def short(*arguments: str) -> list[str]:
    """Return the arguments of a sweep that finishes at once: 201 steps, 5 evaluations, no report."""
    return ["-m", "train.steps=201", "train.eval_every=50", "train.hold=2", "report=false", *arguments]


def refused(fa_sweep: Callable[..., int], capfd: pytest.CaptureFixture[str], arguments: Sequence[str]) -> str:
    """Run a command line that must be refused, and return the one line that it prints."""
    assert fa_sweep(*arguments) == 2
    out, err = capfd.readouterr()
    (line,) = err.strip().splitlines()
    assert out == ""
    assert line.startswith("fa_sweep: ")
    assert list(Path().iterdir()) == []
    return line


def report(words: Sequence[str] = ()) -> int:
    """Run the verb `report` in this process, and return its exit status."""
    return verb("report", *words)


def verb(*words: str) -> int:
    """Run a verb of the command line in this process, and return its exit status."""
    from fa_sweep.cli.verbs.group import main

    return main(words)
