"""Whether a network that learns by feedback alignment aligns: Song, Xu and Lafferty (2021)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.figures.panels import Drawn
from analysis.figures.style import legend, log_scale, new_figure
from analysis.frames import Frames
from analysis.studies.base import CONFIRMED, DIFFERS, REFUTED, Study, Verdict, final, summarise, told
from analysis.studies.drawing import draw_against

COSINE, ERROR = "cos(a, b)", "training error"
WIDTH, DECAY = "model.hidden", "train.output_weight_decay"


def numbers(frames: Frames) -> pd.DataFrame:
    """Return the cosine between output weights and feedback, and the training error, a row a group and quantity."""
    cosine = np.cos(np.radians(final(frames, "angle_deg/weight_layer_2")))
    return summarise(frames, {COSINE: cosine, ERROR: final(frames, "normalised_squared_error")})


def draw(frames: Frames, table: pd.DataFrame) -> Drawn:
    """Draw both against the width, a line a decay."""
    figure, axes = new_figure(1, 2, height=3.0)
    table = table.assign(width=table[WIDTH].str.strip("[]").astype(int), decay="lambda = " + table[DECAY].astype(str))
    for here, quantity in zip(axes, (COSINE, ERROR), strict=True):
        draw_against(here, table[table["quantity"] == quantity], "width", "decay", ("hidden width p", quantity), log=True)
        here.set_xticks([200, 800, 3200], labels=["200", "800", "3200"])
        here.minorticks_off()
    log_scale(axes[1], "y")
    legend(figure, axes[0], 3)
    alt = "; ".join(f"{r.quantity} at {r.group} {r.median:.3g}" for r in table.itertuples())
    caption = "After 4,000 full-batch steps: medians and ranges of 5 seeds. Training error: over the targets' sum of squares."
    return Drawn("song_alignment", figure, table, "Alignment and learning against width", caption, alt)


def judge(frames: Frames, table: pd.DataFrame) -> Sequence[Verdict]:
    """Judge whether alignment and learning come apart, and whether decay brings alignment."""

    def rows(quantity: str, decay: float) -> pd.DataFrame:
        part = table[(table["quantity"] == quantity) & (table[DECAY] == decay)]
        return part.assign(width=part[WIDTH].str.strip("[]").astype(int)).sort_values("width")

    plain, errors = rows(COSINE, 0.0), rows(ERROR, 0.0)
    narrow, wide = plain.iloc[0], plain.iloc[-1]
    fades = CONFIRMED if wide["high"] < narrow["low"] and wide["high"] < 0.2 else REFUTED if wide["low"] > 0.5 else DIFFERS
    learns = CONFIRMED if (errors["high"] < 0.01).all() else REFUTED
    decayed = rows(COSINE, 0.3)
    helps = CONFIRMED if (decayed["low"].to_numpy() > plain["high"].to_numpy()).all() else REFUTED
    return [
        Verdict(
            "Every width learns the training set without decay.",
            "so the paper's theorem",
            f"largest error {errors['high'].max():.2g}",
            learns,
        ),
        Verdict(
            "Without decay, alignment fades as the network widens: learning is not alignment.",
            "so the paper",
            f"{told(narrow)} at p = {narrow['width']}, {told(wide)} at p = {wide['width']}",
            fades,
        ),
        Verdict(
            "Decay of the output weights brings alignment.",
            "so the paper",
            "; ".join(f"p = {r.width}: {told(pd.Series(r._asdict()))}" for r in decayed.itertuples(index=False)),
            helps,
        ),
    ]


STUDY = Study(
    name="song_alignment",
    title="Is alignment the same as learning?",
    question="A wide linear network memorises random labels by random feedback. Do its output weights turn towards the feedback?",
    source="Song, Xu and Lafferty (2021): f(x) = a . (W x) / sqrt(p), 50 examples, d = 150, y ~ N(0, 1), full batch, squared error "
    "summed, learning rate 0.05, W trained with b in place of a, a with the extra decay gradient lambda a.",
    numbers=numbers,
    draw=draw,
    judge=judge,
)
