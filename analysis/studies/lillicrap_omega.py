"""How alignment depends on the scale of the initial weights in the linear task of Lillicrap et al. (2016)."""

from collections.abc import Sequence

import pandas as pd

from analysis.figures.panels import Drawn
from analysis.figures.style import log_scale, new_figure
from analysis.frames import Frames
from analysis.studies.base import CONFIRMED, DIFFERS, REFUTED, Study, Verdict, final, last_step, mean_between, summarise, told
from analysis.studies.drawing import draw_against

ANGLE, LATE, ERROR = "angle_deg/signal_layer_1", "angle, last 200 steps", "held-out error"


def numbers(frames: Frames) -> pd.DataFrame:
    """Return late angle and final error, a row a limit and quantity."""
    last = last_step(frames)
    late = mean_between(frames, ANGLE, last - 199, last)
    return summarise(frames, {LATE: late, ERROR: final(frames, "normalised_squared_error")})


def draw(frames: Frames, table: pd.DataFrame) -> Drawn:
    """Draw angle and error against the limit of the initial weights."""
    figure, axes = new_figure(1, 2, height=2.8)
    for here, quantity, label in ((axes[0], LATE, "signal angle, last 200 steps (degrees)"), (axes[1], ERROR, ERROR)):
        part = table[table["quantity"] == quantity]
        draw_against(here, part, "init.scale", "quantity", ("limit w of the initial weights, U(-w, w)", label), log=True)
    axes[0].set_ylim(0, 90)
    log_scale(axes[1], "y")
    caption = "Medians with 95 % bootstrap intervals over 20 seeds."
    alt = "; ".join(f"{r.quantity} at w={r[2]:g} is {r.median:.3g}" for r in table.itertuples())
    return Drawn("lillicrap_omega", figure, table, "Alignment against the scale of the initial weights", caption, alt)


def judge(frames: Frames, table: pd.DataFrame) -> Sequence[Verdict]:
    """Judge whether small weights align better."""
    angles = table[table["quantity"] == LATE].sort_values("init.scale")
    smallest, largest = angles.iloc[0], angles.iloc[-1]
    found = f"{told(smallest)} degrees at w = {smallest['init.scale']:g}, {told(largest)} at w = {largest['init.scale']:g}"
    better = CONFIRMED if smallest["high"] < largest["low"] else REFUTED if smallest["low"] > largest["high"] else DIFFERS
    rising = bool((angles["median"].diff().dropna() > -0.5).all())
    medians = ", ".join(f"{m:.1f}" for m in angles["median"])
    return [
        Verdict("The smaller the initial weights, the better the alignment.", "so the paper's supplement", found, better),
        Verdict(
            "The angle never falls as w grows (beyond 0.5 degrees).", "not given", medians, CONFIRMED if rising else REFUTED
        ),
    ]


STUDY = Study(
    name="lillicrap_omega",
    title="How small the initial weights have to be for feedback to align",
    question="How does the angle at the end depend on the scale of the initial weights?",
    source="Lillicrap et al. (2016), supplement: the linear task with random feedback, w from 1e-4 to 0.25. Convention here: "
    "init.scale multiplies the unit draw, so it is the limit of the uniform distribution.",
    numbers=numbers,
    draw=draw,
    judge=judge,
)
