"""Study: how alignment depends on the scale of the initial weights in the linear task of Lillicrap et al. (2016)."""

from collections.abc import Sequence

import pandas as pd

from fa_sweep.report.figures.panels import Drawn
from fa_sweep.report.figures.style import log_scale, new_figure
from fa_sweep.report.frames import Frames
from fa_sweep.studies.base import (
    Study,
    by_seed,
    estimate_of,
    final,
    fraction_estimate,
    last_step,
    mean_between,
    median_difference,
    summarise,
)
from fa_sweep.studies.claims import NOTHING, Claim, above, claim, expected
from fa_sweep.studies.drawing import draw_against

ANGLE, LATE, ERROR = "angle_deg/signal_layer_1", "angle, last 200 steps", "held-out error"
SLACK = 0.5  # degrees: a fall of the angle by less than this is too small to see, and does not count


def late_angles(frames: Frames) -> pd.Series:
    """Return each run's mean signal angle over the last 200 steps, indexed by run id."""
    last = last_step(frames)
    return mean_between(frames, ANGLE, last - 199, last)


def numbers(frames: Frames) -> pd.DataFrame:
    """Return the angle over the last 200 steps and the error at the end, one row per group and quantity."""
    return summarise(frames, {LATE: late_angles(frames), ERROR: final(frames, "normalised_squared_error")})


def draw(frames: Frames, table: pd.DataFrame) -> Drawn:
    """Draw the angle over the last 200 steps and the error at the end against the limit of the initial weights."""
    figure, axes = new_figure(1, 2, height=2.8)
    for here, quantity, label in ((axes[0], LATE, "signal angle, last 200 steps (degrees)"), (axes[1], ERROR, ERROR)):
        part = table[table["quantity"] == quantity]
        draw_against(here, part, "init.scale", "quantity", ("limit w of the initial weights, U(-w, w)", label), log=True)
    axes[0].set_ylim(0, 90)
    log_scale(axes[1], "y")
    caption = f"Medians with exact 95 % intervals over {table['n'].max()} seeds."
    alt = "Medians: " + "; ".join(f"{r.quantity} at w = {r[2]:g} {r.median:.3g}" for r in table.itertuples())
    return Drawn("lillicrap_omega", figure, table, "Alignment against the scale of the initial weights", caption, alt)


def judge(frames: Frames, table: pd.DataFrame) -> Sequence[Claim]:
    """Judge whether the smallest initial weights align better than the largest, and whether the angle never falls as they grow."""
    rows = table[table["quantity"] == LATE].sort_values("init.scale")
    angles = late_angles(frames)
    curves = pd.DataFrame({row["init.scale"]: by_seed(frames, angles, row["group"]) for _, row in rows.iterrows()})
    smallest, largest = curves.columns[0], curves.columns[-1]
    ends = " against ".join(f"{estimate_of(r, LATE).value:.3g}" for _, r in rows.iloc[[-1, 0]].iterrows())
    wider = median_difference(
        f"median difference of the angle over the last 200 steps, w = {largest:g} minus w = {smallest:g} (in degrees),",
        curves[largest], curves[smallest], note=f"medians {ends}",
    )  # fmt: skip
    never_falls = (curves.diff(axis=1).iloc[:, 1:] > -SLACK).all(axis=1)
    return [
        claim(
            "Alignment is better with the smallest initial weights than with the largest.",
            expected("the paper shows it as curves", "Lillicrap et al., 2016, supplement"),
            wider,
            above(0, "signed"),
        ),
        claim(
            f"In most runs, the angle never falls by more than {SLACK:g} degrees from one limit w to the next larger one.",
            NOTHING,
            fraction_estimate("share of seeds whose angle never falls in this way", never_falls),
            above(0.5, "percent"),
        ),
    ]


STUDY = Study(
    name="lillicrap_omega",
    title="Alignment and the scale of the initial weights",
    question="How does the angle at the end depend on the scale of the initial weights?",
    source="Lillicrap et al. (2016), supplement: the linear task with random feedback and initial weights U(-w, w), with w from 1e-4 "
    "to 0.25. Here, w is init.scale.",
    numbers=numbers,
    draw=draw,
    judge=judge,
)
