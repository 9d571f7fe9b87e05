"""The linear task of Lillicrap et al. (2016), at a slow and at a fast learning rate."""

from collections.abc import Sequence
from functools import partial

import pandas as pd

from analysis.estimates import trajectories
from analysis.figures.panels import Drawn
from analysis.figures.style import legend, new_figure
from analysis.frames import Frames
from analysis.studies.base import (
    CONFIRMED,
    DIFFERS,
    REFUTED,
    Study,
    Verdict,
    cell,
    final,
    last_step,
    mean_between,
    summarise,
    told,
    within,
)
from analysis.studies.drawing import draw_trajectories

ERROR, ANGLE = "normalised_squared_error", "angle_deg/signal_layer_1"
FINAL, START, EARLY, LATE = "held-out error", "angle at step 0", "angle, steps 200-300", "angle, last 200 steps"


def numbers(frames: Frames) -> pd.DataFrame:
    """Return error and signal angles, a row a group and quantity."""
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
    """Draw error and angle over steps."""
    figure, axes = new_figure(1, 2, height=3.0)
    data = {metric: trajectories(frames, metric) for metric in (ERROR, ANGLE)}
    draw_trajectories(axes[0], data[ERROR], "held-out normalised squared error", log=True)
    draw_trajectories(axes[1], data[ANGLE], "signal angle (degrees)")
    axes[1].axhline(90, color="0.35", lw=0.9, linestyle=(0, (2, 2)))
    axes[1].set_ylim(0, 110)
    legend(figure, axes[0], 4)
    caption = "Medians and quartiles over 20 seeds. Angle: between the mode's signal and backpropagation's, mean over the held-out examples."
    alt = "; ".join(f"{r.quantity} of {r.group} {r.median:.3g}" for r in table.itertuples())
    return Drawn(name, figure, pd.concat(data.values()), "Error and alignment", caption, alt)


def judge_slow(frames: Frames, table: pd.DataFrame) -> Sequence[Verdict]:
    """Judge against the values that an independent implementation found."""

    def row(group: str, quantity: str) -> pd.Series:
        return cell(table, group, quantity)

    order = row("random", FINAL)["high"] < row("symmetric", FINAL)["low"]
    return [
        within("Random's signal begins at right angles.", row("random", START), 82, 98, "90 +- 8 degrees"),
        within("It aligns within 300 steps.", row("random", EARLY), 25.7, 29.7, "27.7 +- 2 degrees"),
        within("It stays aligned.", row("random", LATE), 27.3, 32.3, "29.8 +- 2.5 degrees"),
        within("Random's held-out error.", row("random", FINAL), 8.9e-4 / 2, 8.9e-4 * 2, "8.9e-4, within a factor of 2"),
        within("Symmetric's held-out error.", row("symmetric", FINAL), 0.067, 0.127, "0.097 +- 0.03"),
        within("Shallow's held-out error.", row("shallow", FINAL), 0.987, 1.007, "0.997 +- 0.01"),
        within("Rerandom's held-out error.", row("rerandom", FINAL), 0.58, 0.74, "0.66 +- 0.08"),
        within("Rerandom does not align.", row("rerandom", LATE), 89, 91, "90 +- 1 degrees"),
        Verdict(
            "At this learning rate random feedback is ahead of backpropagation.",
            "yes",
            f"{told(row('random', FINAL))} against {told(row('symmetric', FINAL))}",
            CONFIRMED if order else REFUTED,
        ),
    ]


def judge_fast(frames: Frames, table: pd.DataFrame) -> Sequence[Verdict]:
    """Judge whether the order flips."""
    symmetric, random = (cell(table, group, FINAL) for group in ("symmetric", "random"))
    flips = CONFIRMED if symmetric["high"] < random["low"] else REFUTED if symmetric["low"] > random["high"] else DIFFERS
    known = "10^-10.5 against 10^-8.15"
    return [
        Verdict(
            "At five times the learning rate backpropagation is ahead: tune the learning rate per mode before comparing speeds.",
            known,
            f"{told(symmetric)} against {told(random)}",
            flips,
        ),
        within("Symmetric's held-out error.", symmetric, 10**-11.5, 10**-9.5, "10^-10.5, within a factor of 10"),
        within("Random's held-out error.", random, 10**-9.15, 10**-7.15, "10^-8.15, within a factor of 10"),
    ]


_SETTING = (
    "Lillicrap et al. (2016), fig. 1: 30-20-10 linear, y = T x, T ~ U(-1, 1), x ~ N(0, I), W ~ U(-0.01, 0.01), B ~ U(-0.5, 0.5), "
    "squared error, 2,000 examples, one a step"
)
SLOW = Study(
    name="lillicrap_linear",
    title="A linear network learns a linear teacher through random feedback",
    question="Does random feedback align with backpropagation's signal, and does the network learn by it?",
    source=f"{_SETTING}; learning rate 0.001.",
    numbers=numbers,
    draw=partial(draw, "lillicrap_linear"),
    judge=judge_slow,
)
FAST = Study(
    name="lillicrap_linear_fast",
    title="The same at five times the learning rate",
    question="Is random feedback faster than backpropagation, or was the learning rate too small for one of them?",
    source=f"{_SETTING}; learning rate 0.005.",
    numbers=numbers,
    draw=partial(draw, "lillicrap_linear_fast"),
    judge=judge_fast,
)
