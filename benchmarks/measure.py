"""Timing, and a line of the table that a timing ends in."""

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


@dataclass(frozen=True)
class Row:
    """One comparison: how many times the `other`'s cost ours is (each pair), or a cost alone where there is no other."""

    part: str
    what: str
    ours: str
    other: str = ""
    ratios: Sequence[float] = ()
    target: str = ""

    @property
    def ratio(self) -> str:
        """The median of the ratios, and their range."""
        if not self.ratios:
            return ""
        low, high = min(self.ratios), max(self.ratios)
        middle = statistics.median(self.ratios)
        return f"{_short(middle)} x" if len(self.ratios) == 1 else f"{_short(middle)} x ({_short(low)}-{_short(high)})"

    def line(self) -> str:
        """The row as a line of at most some 110 characters for a terminal, the ratio first."""
        against = f"; {self.other}" if self.other else ""
        target = f"  [{self.target}]" if self.target else ""
        return f"{self.ratio:>20}  {self.what}: {self.ours}{against}{target}"


def _short(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 20 else f"{ratio:.1f}" if ratio >= 2 else f"{ratio:.2f}"


def seconds_of(function: Callable[[], object]) -> float:
    """Return the seconds of one call."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def pairs_of(rounds: int, ours: Callable[[], float], other: Callable[[], float]) -> list[tuple[float, float]]:
    """Return the seconds of both, in turn, round after round: what a shared machine does meets both."""
    return [(ours(), other()) for _ in range(rounds)]


def whole_process(command: Sequence[str], folder: Path) -> float:
    """Run a command to its end and return its seconds, start of the interpreter included."""
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    return seconds_of(lambda: subprocess.run(command, cwd=folder, check=True, env=environment, **QUIET))


def median(values: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(values)
