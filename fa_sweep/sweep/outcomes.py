"""When a run converged, and what that says of a group of runs: events, outcomes, Wilson's interval, the median time.

Axes: E evaluations, R runs. A step that never came is NaN. NumPy and the standard library alone, so that a sweep can print
its summary at once; the tests hold each estimate against SciPy.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist

import numpy as np

from fa_sweep._typing import Array
from fa_sweep.settings.schema import RunConfig


class Outcome(StrEnum):
    """What became of a finished run."""

    CONVERGED = "converged"
    NOT_CONVERGED = "not_converged"
    DIVERGED = "diverged"


@dataclass(frozen=True)
class Events:
    """One run's events: steps, NaN where they never came.

    `horizon_step` is the last step at which convergence could have begun, NaN where the run had too few evaluations.
    """

    first_reach_step: float
    convergence_step: float
    diverged_at_step: float
    at_end: bool
    outcome: Outcome
    horizon_step: float


def events(run: RunConfig, steps: Array, history: Array, diverged_at_step: int) -> Events:
    """Find a run's events in the history (E,) of its task's success metric; `diverged_at_step` is -1 for none.

    First reach: the first evaluation that succeeds, even if the run diverges later. Convergence: the first evaluation of
    the unbroken stretch of successes that holds to the end and counts at least `train.hold` evaluations.
    """
    threshold, hold = run.train.threshold, run.train.hold
    with np.errstate(invalid="ignore"):
        success = history >= threshold if run.task.success.direction == "at_least" else history <= threshold
    failures = np.flatnonzero(~success)
    held_from = int(failures[-1]) + 1 if len(failures) else 0
    diverged = diverged_at_step >= 0
    converged = not diverged and len(steps) - held_from >= hold
    return Events(
        first_reach_step=float(steps[np.argmax(success)]) if success.any() else math.nan,
        convergence_step=float(steps[held_from]) if converged else math.nan,
        diverged_at_step=float(diverged_at_step) if diverged else math.nan,
        at_end=bool(success[-1]) and not diverged,
        outcome=Outcome.DIVERGED if diverged else Outcome.CONVERGED if converged else Outcome.NOT_CONVERGED,
        horizon_step=float(steps[-hold]) if len(steps) >= hold else math.nan,
    )


def wilson_interval(successes: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval for a proportion (Wilson, 1927); NaN for n = 0."""
    if n == 0:
        return math.nan, math.nan
    z = NormalDist().inv_cdf(0.5 + level / 2)
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    # At the ends the bound is 0 or 1 exactly, and rounding must not push it beyond.
    return (0.0 if successes == 0 else centre - half), (1.0 if successes == n else centre + half)


def median_time(event_steps: Array) -> float:
    """Return Kaplan-Meier's median of steps, NaN where the event never came; inf if fewer than half ever had it.

    Every run without the event is censored at the horizon, after all events. Where the curve is flat at one half the median
    is the middle of that stretch; where it stays there to the end, the step at which it got there.
    """
    times = np.sort(np.where(np.isnan(event_steps), np.inf, event_steps))
    if not len(times):
        return math.nan
    middle = times[len(times) // 2 - 1 : len(times) // 2 + 1] if len(times) % 2 == 0 else times[[len(times) // 2]]
    return float(middle[0] if math.isinf(middle[-1]) else middle.mean())
