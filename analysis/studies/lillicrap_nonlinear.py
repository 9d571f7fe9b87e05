"""The nonlinear task of Lillicrap et al. (2016): one and two hidden layers."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.estimates import trajectories
from analysis.figures.panels import Drawn
from analysis.figures.style import legend, new_figure
from analysis.frames import Frames
from analysis.studies.base import CONFIRMED, DIFFERS, REFUTED, Study, Verdict, cell, difference, final, summarise, told
from analysis.studies.drawing import draw_trajectories

ERROR = "centred_squared_error"
FINAL, ANGLE = "held-out centred error", "gradient angle"


def numbers(frames: Frames) -> pd.DataFrame:
    """Return final error and gradient angle, a row a group and quantity."""
    return summarise(frames, {FINAL: final(frames, ERROR), ANGLE: final(frames, "angle_deg/gradient")})


def draw(frames: Frames, table: pd.DataFrame) -> Drawn:
    """Draw error over steps, a panel a depth."""
    figure, axes = new_figure(1, 2, height=3.0, sharey=True)
    data = trajectories(frames, ERROR)
    for here, hidden in zip(axes, ("[20]", "[20,10]"), strict=True):
        part = data[data["group"].astype(str).str.endswith(f"={hidden}")]
        part = part.assign(group=part["group"].astype(str).str.partition(",")[0])
        draw_trajectories(here, part, "held-out centred error", log=True, log_steps=True)
        here.set_title(f"hidden layers {hidden}")
    axes[1].set_ylabel("")
    legend(figure, axes[0], 3)
    alt = "; ".join(f"{r.quantity} of {r.group} {r.median:.3g}" for r in table.itertuples())
    caption = "Squared error over the target's variance on 1,000 held-out examples; medians and quartiles over 10 seeds."
    return Drawn("lillicrap_nonlinear", figure, data, "Error at two depths", caption, alt)


def judge(frames: Frames, table: pd.DataFrame) -> Sequence[Verdict]:
    """Judge depth, and random feedback against backpropagation and against the control."""
    logs = np.log10(final(frames, ERROR))

    def compared(claim: str, group: str, reference: str, known: str = "so the paper's fig. 3") -> Verdict:
        middle, low, high, n = difference(frames, logs, group, reference)
        ours, theirs = (told(cell(table, g, FINAL)) for g in (group, reference))
        ratio = f"{ours} against {theirs}; ratio {10**middle:.2g} (95 % CI {10**low:.2g} to {10**high:.2g}, {n} seeds)"
        return Verdict(claim, known, ratio, CONFIRMED if high < 0 else REFUTED if low > 0 else DIFFERS)

    two, three = "model.hidden=[20]", "model.hidden=[20,10]"
    return [
        compared("With one hidden layer random feedback beats the frozen control.", f"random, {two}", f"shallow, {two}"),
        compared("With two hidden layers it does too.", f"random, {three}", f"shallow, {three}"),
        compared("A second hidden layer helps random feedback.", f"random, {three}", f"random, {two}"),
        compared("A second hidden layer helps backpropagation.", f"symmetric, {three}", f"symmetric, {two}"),
        compared(
            "Random feedback ends lower than backpropagation, one hidden layer.",
            f"random, {two}",
            f"symmetric, {two}",
            "not given",
        ),
        compared(
            "Random feedback ends lower than backpropagation, two hidden layers.",
            f"random, {three}",
            f"symmetric, {three}",
            "not given",
        ),
    ]


STUDY = Study(
    name="lillicrap_nonlinear",
    title="A nonlinear teacher, one and two hidden layers",
    question="Does random feedback make use of depth?",
    source="Lillicrap et al. (2016), fig. 3: teacher 30-20-10-10 tanh with linear output, weights U(+-sqrt(3 / fan_in)), biases "
    "U(+-0.5); students 30-20-10 and 30-20-10-10, weights U(+-0.1), B ~ U(+-1), learning rate 0.01, 400,000 fresh examples.",
    numbers=numbers,
    draw=draw,
    judge=judge,
)
