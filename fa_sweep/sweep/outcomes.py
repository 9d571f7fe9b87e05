"""When a run converged, and estimates for a group of runs: Wilson's interval for proportions and the median time.

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
    """The events of one run, each as the training step at which it happened, or NaN.

    `at_end` says whether the last evaluation succeeded and the run did not diverge. `horizon_step` is the last step at which
    convergence could have begun, or NaN if the run had too few evaluations.
    """

    first_reach_step: float
    convergence_step: float
    diverged_at_step: float
    at_end: bool
    outcome: Outcome
    horizon_step: float


def events(run: RunConfig, steps: Array, history: Array, diverged_at_step: int) -> Events:
    """Find a run's events in the history of its task's success metric.

    An evaluation succeeds if the metric is at least `train.threshold`, or at most that, depending on the task. First reach is
    the first evaluation that succeeds, even if the run diverges later. Convergence is the first evaluation of the unbroken
    series of successes at the end, if the series has at least `train.hold` evaluations and the run did not diverge.

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
    # With no success the lower bound is exactly 0, with no failure the upper one is exactly 1, whatever rounding makes of it.
    return (0.0 if successes == 0 else centre - half), (1.0 if successes == n else centre + half)


def median_time(event_steps: Array) -> float:
    """Return the Kaplan-Meier median of the step at which an event happens.

    Every run without the event is censored at the horizon, after all events. If the curve has a flat stretch at one half, the
    median is the middle of that stretch; if the stretch goes on to the end, it is the step at which the curve reached one half.

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
