"""Study: the nonlinear task of Lillicrap et al. (2016), with one and with two hidden layers."""

from collections.abc import Sequence

import pandas as pd

from fa_sweep.report.estimates import trajectories
from fa_sweep.report.figures.panels import Drawn
from fa_sweep.report.figures.style import legend, new_figure
from fa_sweep.report.frames import Frames
from fa_sweep.studies.base import Study, by_seed, final, median_estimate, medians_in_words, summarise
from fa_sweep.studies.claims import NOTHING, Claim, Known, below, claim, expected
from fa_sweep.studies.drawing import draw_trajectories

ERROR = "centred_squared_error"
FINAL, ANGLE = "held-out centred error", "gradient angle"
ONE, TWO = "model.hidden=[20]", "model.hidden=[20,10]"
PAPER = expected("the paper shows it as curves", "Lillicrap et al., 2016, fig. 3")


def numbers(frames: Frames) -> pd.DataFrame:
    """Return the error and the gradient angle at the end, one row per group and quantity."""
    return summarise(frames, {FINAL: final(frames, ERROR), ANGLE: final(frames, "angle_deg/gradient")})


def draw(frames: Frames, table: pd.DataFrame) -> Drawn:
    """Draw the held-out error over steps, one panel per number of hidden layers."""
    figure, axes = new_figure(1, 2, height=3.0, sharey=True)
    data = trajectories(frames, ERROR)
    for here, hidden in zip(axes, ("[20]", "[20,10]"), strict=True):
        part = data[data["group"].astype(str).str.endswith(f"={hidden}")]
        part = part.assign(group=part["group"].astype(str).str.partition(",")[0])
        draw_trajectories(here, part, "held-out centred error", log=True, log_steps=True)
        here.set_title(f"hidden layers {hidden}")
    axes[1].set_ylabel("")
    legend(figure, axes[0], 3)
    alt = f"Medians at the end. {medians_in_words(table)}."
    caption = (
        "Squared error divided by the variance of the targets, on 1,000 held-out examples. Curves and bands are medians and "
    )
    caption += f"quartiles over {table['n'].max()} seeds."
    return Drawn("lillicrap_nonlinear", figure, data, "Error at two depths", caption, alt)


def judge(frames: Frames, table: pd.DataFrame) -> Sequence[Claim]:
    """Judge by median error ratios whether depth helps, and whether random feedback beats backpropagation and frozen layers."""
    errors = final(frames, ERROR)

    def lower(text: str, group: str, reference: str, known: Known = PAPER) -> Claim:
        ours, theirs = (by_seed(frames, errors, name) for name in (group, reference))
        note = f"same seeds; medians {ours.median():.3g} against {theirs.median():.3g}"
        ratio = median_estimate(f"median ratio of held-out errors, {group} over {reference},", ours / theirs, note=note)
        return claim(text, known, ratio, below(1))

    return [
        lower(
            "With one hidden layer, random feedback ends with a lower error than frozen hidden layers.",
            f"random, {ONE}",
            f"shallow, {ONE}",
        ),
        lower(
            "With two hidden layers, random feedback ends with a lower error than frozen hidden layers.",
            f"random, {TWO}",
            f"shallow, {TWO}",
        ),
        lower("A second hidden layer lowers the error of random feedback.", f"random, {TWO}", f"random, {ONE}"),
        lower("A second hidden layer lowers the error of backpropagation.", f"symmetric, {TWO}", f"symmetric, {ONE}"),
        lower(
            "Random feedback with two hidden layers ends with a lower error than backpropagation with one.",
            f"random, {TWO}",
            f"symmetric, {ONE}",
        ),
        lower(
            "With one hidden layer, random feedback ends with a lower error than backpropagation.",
            f"random, {ONE}",
            f"symmetric, {ONE}",
            NOTHING,
        ),
        lower(
            "With two hidden layers, random feedback ends with a lower error than backpropagation.",
            f"random, {TWO}",
            f"symmetric, {TWO}",
            NOTHING,
        ),
    ]


STUDY = Study(
    name="lillicrap_nonlinear",
    title="A nonlinear teacher, learned with one and with two hidden layers",
    question="Does random feedback make use of depth?",
    source="Lillicrap et al. (2016), fig. 3: students with one and with two hidden layers learn a tanh network. The learning "
    "rate, the scales and the number of examples (400,000) were chosen for this study.",
    numbers=numbers,
    draw=draw,
    judge=judge,
)
