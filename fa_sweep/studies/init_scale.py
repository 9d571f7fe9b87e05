"""Study: how the outcome on XOR depends on the scale of the initial weights, with the scale of the feedback fixed at 1."""

from collections.abc import Sequence

import pandas as pd

from fa_sweep.report.figures.panels import Drawn
from fa_sweep.report.figures.style import legend, new_figure
from fa_sweep.report.frames import Frames
from fa_sweep.studies.base import Study, beats, outcomes
from fa_sweep.studies.claims import NOTHING, Claim, above, claim
from fa_sweep.studies.drawing import draw_against
from fa_sweep.studies.seed_post import SEEDS_MODES

SHOWN = {"reached": "reached", "at_end": "at the end", "converged": "converged"}


def draw(frames: Frames, table: pd.DataFrame) -> Drawn:
    """Draw three fractions of runs (reached, at the end, converged) against the scale of the initial weights, one per panel."""
    figure, axes = new_figure(1, 3, height=3.0, sharey=True)
    for here, (event, title) in zip(axes, SHOWN.items(), strict=True):
        columns = {f"{event}_fraction": "median", f"{event}_low": "low", f"{event}_high": "high"}
        draw_against(here, table.rename(columns=columns), "init.scale", "feedback", ("init.scale", ""), log=True)
        here.set(title=title, ylim=(-0.03, 1.03))
    axes[0].set_ylabel("fraction of runs")
    legend(figure, axes[0], 4)
    caption = (
        f"Fractions of {table['n'].max()} runs with Wilson's 95 % intervals. The feedback matrices are N(0, 1) everywhere."
    )
    alt = "Converged, by feedback mode and init.scale: " + "; ".join(
        f"{r['feedback']} at {r['init.scale']:g} {r['converged']} of {r['n']}" for _, r in table.iterrows()
    )
    return Drawn("init_scale", figure, table, "Outcomes against the scale of the initial weights", caption, alt)


def judge(frames: Frames, table: pd.DataFrame) -> Sequence[Claim]:
    """Judge whether smaller initial weights help fixed feedback, and at which scales feedback beats frozen hidden layers."""
    scales = sorted(table["init.scale"].unique())
    group = {(row["feedback"], row["init.scale"]): row["group"] for _, row in table.iterrows()}
    claims = []
    for scale in [s for s in scales if s < 1]:  # all scales, so that none is selected for its result
        text = f"With fixed random feedback, more runs converge from initial weights of scale {scale:g} than of scale 1."
        more = beats(frames, group["random", scale], group["random", 1.0])
        claims.append(claim(text, NOTHING, more, above(0, "points")))
    for scale in scales:
        for mode in SEEDS_MODES[1:3]:
            text = f"At init.scale {scale:g}, more runs converge with {mode} feedback than with frozen hidden layers."
            more = beats(frames, group[mode, scale], group["shallow", scale])
            claims.append(claim(text, NOTHING, more, above(0, "points")))
    return claims


STUDY = Study(
    name="init_scale",
    title="XOR: how the outcome depends on the scale of the initial weights",
    question="The blog post draws forward and feedback weights from N(0, 1). How much do its results depend on that choice?",
    source="The experiment of the study seed_post. The initial weights are multiplied by init.scale, while the feedback matrices stay N(0, 1).",
    numbers=outcomes,
    draw=draw,
    judge=judge,
)
