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
    caption = f"Fractions of {table['n'].max()} runs with Wilson's 95 % intervals; feedback matrices N(0, 1) throughout."
    alt = "; ".join(
        f"{r['feedback']} at {r['init.scale']:g}: converged {r['converged']} of {r['n']}" for _, r in table.iterrows()
    )
    return Drawn("init_scale", figure, table, "Outcomes against the scale of the initial weights", caption, alt)


def judge(frames: Frames, table: pd.DataFrame) -> Sequence[Claim]:
    """Judge whether smaller initial weights help fixed feedback, and at which scales feedback beats frozen hidden layers."""
    scales = sorted(table["init.scale"].unique())
    group = {(row["feedback"], row["init.scale"]): row["group"] for _, row in table.iterrows()}
    claims = []
    for scale in [s for s in scales if s < 1]:  # every scale below 1, so that none is selected for its result
        text = f"More runs with fixed random feedback converge from weights of scale {scale:g} than from N(0, 1)."
        more = beats(frames, group["random", scale], group["random", 1.0])
        claims.append(claim(text, NOTHING, more, above(0, "points")))
    for scale in scales:
        for mode in SEEDS_MODES[1:3]:
            text = f"At init.scale {scale:g} more runs converge with {mode} feedback than with frozen hidden layers."
            more = beats(frames, group[mode, scale], group["shallow", scale])
            claims.append(claim(text, NOTHING, more, above(0, "points")))
    return claims


STUDY = Study(
    name="init_scale",
    title="How large the initial weights are: the phase diagram of XOR",
    question="The post draws forward and feedback weights from N(0, 1). How much of what it saw depends on that?",
    source="The blog post of seed_post, its initial weights multiplied by init.scale while the feedback matrices stay N(0, 1).",
    numbers=outcomes,
    draw=draw,
    judge=judge,
)
