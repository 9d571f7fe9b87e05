"""Finds when a run converged, and estimates proportions (with Wilson's interval) and median times for a group of runs.

Axes: E evaluations, R runs. The step of an event that never happened is NaN. This module needs only NumPy and the standard
library, so that a sweep can print its summary without importing SciPy; the tests compare each estimate with SciPy's.
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
    """When the events of one run happened. An event that never happened has the step NaN. `events` defines all events.

    Attributes:
        first_reach_step: the step of the first evaluation that succeeded.
        convergence_step: the step at which the run converged.
        diverged_at_step: the step at which the run diverged.
        at_end: whether the last evaluation succeeded and the run did not diverge.
        outcome: what became of the run.
        horizon_step: the last step at which the run could still have converged; NaN if it had too few evaluations for that.
    """

    first_reach_step: float
    convergence_step: float
    diverged_at_step: float
    at_end: bool
    outcome: Outcome
    horizon_step: float


def events(run: RunConfig, steps: Array, history: Array, diverged_at_step: int) -> Events:
    """Find a run's events in the history of its task's success metric.

    An evaluation succeeds if the metric is at least `train.threshold` (for some tasks: at most). The first reach is the first
    evaluation that succeeds, even if the run diverges later. A run that does not diverge converges if its last `train.hold`
    evaluations succeed. It converges at the first evaluation after its last failure, or at the first of all if none failed.

    Args:
        run: the run's settings.
        steps: the training steps of the evaluations, (E,).
        history: the success metric at each evaluation, (E,).
        diverged_at_step: the step at which the run diverged, or -1.
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
    """Return Wilson's score interval for a proportion (Wilson, 1927).

    Args:
        successes: the number of successes.
        n: the number of trials.
        level: the confidence level.

    Returns:
        The lower and the upper bound; both NaN for n = 0.
    """
    if n == 0:
        return math.nan, math.nan
    z = NormalDist().inv_cdf(0.5 + level / 2)
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    # Without successes the lower bound is exactly 0. Without failures the upper bound is exactly 1. The formula may miss these
    # values by a rounding error.
    return (0.0 if successes == 0 else centre - half), (1.0 if successes == n else centre + half)


def median_time(event_steps: Array) -> float:
    """Return the Kaplan-Meier median of the step at which an event happens.

    Runs without the event are censored at the horizon, which lies after all events. If the survival curve is flat at one half
    for a while, the median is the middle of this stretch. If the curve stays at one half to the end, the median is the step at
    which it got there.

    Args:
        event_steps: the step of the event in each run, (R,); NaN if it never happened.

    Returns:
        The median; inf if fewer than half of the runs had the event, NaN if there are no runs.
    """
    times = np.sort(np.where(np.isnan(event_steps), np.inf, event_steps))
    if not len(times):
        return math.nan
    middle = times[len(times) // 2 - 1 : len(times) // 2 + 1] if len(times) % 2 == 0 else times[[len(times) // 2]]
    return float(middle[0] if math.isinf(middle[-1]) else middle.mean())
