"""Studies: the linear task of Lillicrap et al. (2016), at a slow and at a fast learning rate."""

from collections.abc import Sequence
from functools import partial

import pandas as pd

from fa_sweep.report.estimates import trajectories
from fa_sweep.report.figures.panels import Drawn
from fa_sweep.report.figures.style import legend, new_figure
from fa_sweep.report.frames import Frames
from fa_sweep.studies.base import (
    Study,
    by_seed,
    cell,
    estimate_of,
    final,
    first_below,
    fraction_estimate,
    last_step,
    mean_between,
    median_estimate,
    medians_in_words,
    stays_below,
    summarise,
)
from fa_sweep.studies.claims import Claim, Estimate, Known, Region, above, below, claim, expected, independent
from fa_sweep.studies.drawing import draw_trajectories

ERROR, ANGLE = "normalised_squared_error", "angle_deg/signal_layer_1"
FINAL, START, EARLY, LATE = "held-out error", "angle at step 0", "angle, steps 200-300", "angle, last 200 steps"
ALIGNED, SOON = 45.0, 300  # degrees, steps: on the page, "aligned" means below this angle, "quickly" before this step

# Medians over 200 runs of an independent implementation, which shares no code with fa_sweep.
SOURCE = "tests/support/linear_task.py, median of 200 runs"
SLOW_ERRORS = {"random": 6.13e-4, "symmetric": 0.0851, "rerandom": 0.639, "shallow": 0.997}
SLOW_ANGLES = {START: 90.4, EARLY: 28.6, LATE: 28.8}
FAST_ERRORS = {"symmetric": 9.18e-12, "random": 2.37e-9}


def numbers(frames: Frames) -> pd.DataFrame:
    """Return the error at the end and signal angles at several times, one row per group and quantity."""
    last = last_step(frames)
    return summarise(
        frames,
        {
            FINAL: final(frames, ERROR),
            START: mean_between(frames, ANGLE, 0, 0),
            EARLY: mean_between(frames, ANGLE, 200, 300),
            LATE: mean_between(frames, ANGLE, last - 199, last),
        },
    )


def draw(name: str, frames: Frames, table: pd.DataFrame) -> Drawn:
    """Draw error and signal angle over steps; `name` is the name of the study."""
    figure, axes = new_figure(1, 2, height=3.0)
    data = {metric: trajectories(frames, metric) for metric in (ERROR, ANGLE)}
    draw_trajectories(axes[0], data[ERROR], "held-out normalised squared error", log=True)
    draw_trajectories(axes[1], data[ANGLE], "signal angle (degrees)")
    axes[1].axhline(90, color="0.35", lw=0.9, linestyle=(0, (2, 2)))
    axes[1].set_ylim(0, 110)
    legend(figure, axes[0], 4)
    caption = f"Medians and quartiles over {table['n'].max()} seeds. The error is the sum of squared errors divided by the sum of squared "
    caption += (
        "targets. The angle is between the mode's signal and that of backpropagation, as a mean over the held-out examples."
    )
    alt = f"Medians. {medians_in_words(table)}."
    return Drawn(name, figure, pd.concat(data.values()), "Error and alignment", caption, alt)


def judge_slow(frames: Frames, table: pd.DataFrame) -> Sequence[Claim]:
    """Judge when random feedback aligns, and whether errors and angles agree with an independent implementation."""
    curves = expected("the paper shows it as curves", "Lillicrap et al., 2016, fig. 1")
    soon = by_seed(frames, first_below(frames, ANGLE, ALIGNED), "random")
    stays = by_seed(frames, stays_below(frames, ANGLE, ALIGNED, SOON), "random")
    claims = [
        claim(
            "The signal of random feedback begins at a right angle to that of backpropagation.",
            _known(SLOW_ANGLES[START]),
            _angle(table, START),
            Region(85, 95),
        ),
        claim(
            f"The signal aligns quickly: in half of the runs within {SOON} steps.",
            curves,
            median_estimate(
                f"random: median of the first evaluated step at which the angle is below {ALIGNED:g} degrees", soon, "steps"
            ),
            below(SOON, "steps"),
        ),
        claim(
            f"In most runs, the signal stays aligned from step {SOON} to the end.",
            curves,
            fraction_estimate(
                f"random: share of runs whose angle is below {ALIGNED:g} degrees at each of these evaluations", stays
            ),
            above(0.5, "percent"),
        ),
    ]
    for name, when, slack in ((EARLY, "over steps 200 to 300", 2.0), (LATE, "over the last 200 steps", 2.5)):
        value = SLOW_ANGLES[name]
        text = f"With random feedback, the angle {when} agrees with the independent implementation within {slack:g} degrees."
        claims.append(claim(text, _known(value), _angle(table, name), Region(value - slack, value + slack)))
    slack_of = {"symmetric": 0.02, "rerandom": 0.06, "shallow": 0.002}
    for mode, value in SLOW_ERRORS.items():
        if mode == "random":
            claims.append(_within_factor(table, mode, value, 1.5))
        else:
            slack = slack_of[mode]
            text = f"{mode}: the held-out error agrees with the independent implementation within {slack:g}."
            claims.append(claim(text, _known(value), _error(table, mode), Region(value - slack, value + slack)))
    rerandom = estimate_of(cell(table, "rerandom", LATE), f"rerandom: median {LATE} (degrees)")
    claims.append(
        claim(
            "Feedback redrawn at each step does not align.",
            expected("there is no fixed feedback to align with"),
            rerandom,
            Region(88, 92),
        )
    )
    claims.append(
        claim(
            "At this learning rate, random feedback ends with a lower error than backpropagation.",
            curves,
            _ratio(frames, "random", "symmetric"),
            below(1),
        )
    )
    return claims


def judge_fast(frames: Frames, table: pd.DataFrame) -> Sequence[Claim]:
    """Judge whether backpropagation wins at the fast rate, and whether errors agree with an independent implementation."""
    medians = " against ".join(f"{FAST_ERRORS[mode]:.3g}" for mode in ("symmetric", "random"))
    return [
        claim(
            "At five times the learning rate, backpropagation ends with a lower error. Modes should be compared at learning rates tuned for each.",
            expected(f"the medians of another implementation, {medians}", SOURCE),
            _ratio(frames, "symmetric", "random"),
            below(1),
        ),
        *(_within_factor(table, mode, value, 5.0) for mode, value in FAST_ERRORS.items()),
    ]


def _known(value: float) -> Known:
    return independent(f"{value:.3g}", SOURCE)


def _angle(table: pd.DataFrame, quantity: str) -> Estimate:
    return estimate_of(cell(table, "random", quantity), f"random: median {quantity} (degrees)")


def _error(table: pd.DataFrame, mode: str) -> Estimate:
    return estimate_of(cell(table, mode, FINAL), f"{mode}: median {FINAL}")


def _within_factor(table: pd.DataFrame, mode: str, value: float, factor: float) -> Claim:
    text = f"{mode}: the held-out error agrees with the independent implementation within a factor of {factor:g}."
    return claim(text, _known(value), _error(table, mode), Region(value / factor, value * factor))


def _ratio(frames: Frames, group: str, reference: str) -> Estimate:
    errors = final(frames, ERROR)
    ours, theirs = (by_seed(frames, errors, name) for name in (group, reference))
    note = f"same seeds; medians {ours.median():.3g} against {theirs.median():.3g}"
    return median_estimate(f"median ratio of held-out errors, {group} over {reference},", ours / theirs, note=note)


_SETTING = (
    "Lillicrap et al. (2016), fig. 1: a linear network learns a linear map from fresh examples, one per step. The paper shows these "
    "quantities only as curves, so the numbers here are compared with an independent implementation instead"
)
SLOW = Study(
    name="lillicrap_linear",
    title="A linear network learns a linear teacher with random feedback",
    question="Does the signal of random feedback align with that of backpropagation, and does the network learn with it?",
    source=f"{_SETTING}.",
    numbers=numbers,
    draw=partial(draw, "lillicrap_linear"),
    judge=judge_slow,
)
FAST = Study(
    name="lillicrap_linear_fast",
    title="The linear teacher at five times the learning rate",
    question="Is random feedback faster than backpropagation, or was the learning rate too small for one of them?",
    source=f"{_SETTING}. The learning rate is five times the paper's.",
    numbers=numbers,
    draw=partial(draw, "lillicrap_linear_fast"),
    judge=judge_fast,
)
