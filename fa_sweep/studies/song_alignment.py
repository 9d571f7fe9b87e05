"""Study: whether a network that learns by random feedback also aligns with it (Song, Xu and Lafferty, 2021)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from fa_sweep.report.figures.panels import Drawn
from fa_sweep.report.figures.style import legend, log_scale, new_figure
from fa_sweep.report.frames import Frames
from fa_sweep.studies.base import Study, by_seed, estimate_of, final, median_difference, medians_in_words, summarise
from fa_sweep.studies.claims import Check, Claim, Region, above, below, claim, expected
from fa_sweep.studies.drawing import draw_against

COSINE, ERROR = "cos(a, b)", "training error"
WIDTH, DECAY = "model.hidden", "train.output_weight_decay"
LEARNED = 0.01  # training error as a fraction of the targets' sum of squares; the preset's success threshold is the same
SMALL = 0.2  # a cosine of smaller absolute value counts as no alignment


def cosines(frames: Frames) -> pd.Series:
    """Return each run's cosine between output weights and feedback at the end, indexed by run id."""
    return np.cos(np.radians(final(frames, "angle_deg/weight_layer_2")))


def numbers(frames: Frames) -> pd.DataFrame:
    """Return the cosine between output weights and feedback, and the training error, one row per group and quantity."""
    return summarise(frames, {COSINE: cosines(frames), ERROR: final(frames, "normalised_squared_error")})


def draw(frames: Frames, table: pd.DataFrame) -> Drawn:
    """Draw the cosine and the training error against the hidden width, one line per weight decay of the output layer."""
    figure, axes = new_figure(1, 2, height=3.0)
    table = table.assign(width=table[WIDTH].str.strip("[]").astype(int), decay="lambda = " + table[DECAY].astype(str))
    for here, quantity in zip(axes, (COSINE, ERROR), strict=True):
        draw_against(here, table[table["quantity"] == quantity], "width", "decay", ("hidden width p", quantity), log=True)
        here.set_xticks([200, 800, 3200], labels=["200", "800", "3200"])
        here.minorticks_off()
    log_scale(axes[1], "y")
    legend(figure, axes[0], 3)
    alt = f"Medians at the end. {medians_in_words(table)}."
    caption = f"Medians at the end of training, with exact 95 % intervals over {table['n'].max()} seeds. The training error is the sum of "
    caption += "squared errors divided by the sum of squared targets."
    return Drawn("song_alignment", figure, table, "Alignment and learning against width", caption, alt)


def judge(frames: Frames, table: pd.DataFrame) -> Sequence[Claim]:
    """Judge whether wide networks learn without alignment, and whether weight decay of the output layer causes alignment."""

    def rows(quantity: str, decay: float) -> dict[int, pd.Series]:
        part = table[(table["quantity"] == quantity) & (table[DECAY] == decay)]
        return dict(sorted((int(row[WIDTH].strip("[]")), row) for _, row in part.iterrows()))

    values = cosines(frames)
    plain, decayed, errors = rows(COSINE, 0.0), rows(COSINE, 0.3), rows(ERROR, 0.0)
    narrow, wide = min(plain), max(plain)

    def rises(width: int) -> Check:
        ours, theirs = (by_seed(frames, values, found[width]["group"]) for found in (decayed, plain))
        note = f"medians {decayed[width]['median']:.3g} against {plain[width]['median']:.3g}"
        name = f"median difference of the cosine at p = {width}, with decay 0.3 minus without decay,"
        return Check(median_difference(name, ours, theirs, note=note), above(0, "signed"))

    ours, theirs = (by_seed(frames, values, plain[p]["group"]) for p in (wide, narrow))
    note = f"medians {plain[wide]['median']:.3g} against {plain[narrow]['median']:.3g}"
    fades = median_difference(
        f"median difference of the cosine without decay, p = {wide} minus p = {narrow},", ours, theirs, note=note
    )
    theorem = expected("a theorem about wide networks", "Song et al., 2021")
    return [
        Claim(
            "Without decay, networks of every width learn the training set.",
            theorem,
            tuple(Check(estimate_of(row, f"median error at p = {p}"), below(LEARNED)) for p, row in errors.items()),
        ),
        claim("Without decay, alignment fades as the network widens.", theorem, fades, below(0, "signed")),
        claim(
            f"Without decay, the widest network learns without alignment: its cosine is within {SMALL:g} of zero.",
            theorem,
            estimate_of(plain[wide], f"median cosine at p = {wide}"),
            Region(-SMALL, SMALL),
        ),
        Claim("At every width, decay of the output weights increases the alignment.", theorem, tuple(rises(p) for p in plain)),
    ]


STUDY = Study(
    name="song_alignment",
    title="Is alignment the same as learning?",
    question="A wide linear network memorises random labels with random feedback. Do its output weights align with the feedback?",
    source="Song, Xu and Lafferty (2021) prove for wide two-layer networks f(x) = a . (W x) / sqrt(p) that they learn without alignment, "
    "and that decay of a brings alignment. W is trained with b in place of a, and lambda a is added to the gradient of a. The "
    "learning rate, the decays and the number of steps were chosen for this study.",
    numbers=numbers,
    draw=draw,
    judge=judge,
)
