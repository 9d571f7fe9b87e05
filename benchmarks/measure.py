"""Times calls and commands, and defines a row of the table of results."""

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict


class Streams(TypedDict):
    """Where a process writes, as arguments of `subprocess.run` and `subprocess.Popen`."""

    stdout: int
    stderr: int


QUIET: Streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


@dataclass(frozen=True)
class Row:
    """One row of the table: a comparison, or a single cost.

    Attributes:
        part: the section of the results, such as "engine" or "tracking".
        what: what was timed, and what it was compared with.
        ours: fa_sweep's cost, as a text.
        other: the cost of the other way, as a text; empty if there is none.
        ratios: the cost of the other way divided by fa_sweep's, for each pair of timings.
        target: the ratio or the cost to reach; empty if there is none.
    """

    part: str
    what: str
    ours: str
    other: str = ""
    ratios: Sequence[float] = ()
    target: str = ""

    @property
    def ratio(self) -> str:
        """The median of the ratios and their range, as a text; empty if there are no ratios."""
        if not self.ratios:
            return ""
        low, high = min(self.ratios), max(self.ratios)
        middle = statistics.median(self.ratios)
        return f"{_short(middle)} x" if len(self.ratios) == 1 else f"{_short(middle)} x ({_short(low)}-{_short(high)})"

    def line(self) -> str:
        """Return the row as a line of about 110 characters for a terminal, with the ratio first."""
        against = f"; {self.other}" if self.other else ""
        target = f"  [{self.target}]" if self.target else ""
        return f"{self.ratio:>20}  {self.what}: {self.ours}{against}{target}"


def _short(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 20 else f"{ratio:.1f}" if ratio >= 2 else f"{ratio:.2f}"


def seconds_of(function: Callable[[], object]) -> float:
    """Return how many seconds one call takes."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def pairs_of(rounds: int, ours: Callable[[], float], other: Callable[[], float]) -> list[tuple[float, float]]:
    """Time two ways in turn, round after round, so that other work on a shared machine disturbs both equally.

    Args:
        rounds: the number of pairs.
        ours: does the work with fa_sweep and returns its cost, such as seconds.
        other: does it in the other way and returns the cost in the same unit.
    """
    return [(ours(), other()) for _ in range(rounds)]


def whole_process(command: Sequence[str], folder: Path) -> float:
    """Run a command in a folder and return how many seconds it takes, including the start of the interpreter.

    Raises:
        subprocess.CalledProcessError: if the command fails.
    """
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    return seconds_of(lambda: subprocess.run(command, cwd=folder, check=True, env=environment, **QUIET))


def median(values: Sequence[float]) -> float:
    """Return the median of some values."""
    return statistics.median(values)
