"""Study: the blog post's experiment on XOR with the squared error, which the post's text names but its code does not use."""

from collections.abc import Sequence

import pandas as pd

from fa_sweep.report.figures.panels import Drawn
from fa_sweep.report.figures.style import legend, new_figure
from fa_sweep.report.frames import Frames
from fa_sweep.studies.base import Study, beats, converged, fraction_estimate, outcomes
from fa_sweep.studies.claims import NOTHING, Claim, above, claim
from fa_sweep.studies.drawing import draw_fractions
from fa_sweep.studies.seed_post import POST

RATES = ("0.01", "0.001")


def draw(frames: Frames, table: pd.DataFrame) -> Drawn:
    """Draw the fractions of runs that ever succeeded, that succeeded at the end, and that converged, per learning rate."""
    figure, axes = new_figure(1, 2, height=3.2, sharey=True)
    for here, rate in zip(axes, RATES, strict=True):
        draw_fractions(here, table, [g for g in frames.groups if g.endswith(f"={rate}")], lambda group: group.split(",")[0])
        here.set_title(f"learning rate {rate}")
    legend(figure, axes[0], 3)
    caption = f"The same as in the study seed_post, with the squared error. Bars are Wilson's 95 % intervals over {table['n'].max()} seeds."
    alt = "; ".join(f"{r.group}: reached {r.reached}, converged {r.converged} of {r.n}" for r in table.itertuples())
    return Drawn("seed_post_squared", figure, table, "Reached, at the end, converged", caption, alt)


def judge(frames: Frames, table: pd.DataFrame) -> Sequence[Claim]:
    """Judge at each learning rate whether most runs converge, and whether more converge than with frozen hidden layers."""
    claims = []
    for rate in RATES:
        for mode in ("symmetric", "random", "rerandom"):
            group = f"{mode}, train.lr={rate}"
            share = fraction_estimate(f"{group}: share of runs that converged", converged(frames, group))
            text = f"At learning rate {rate}, most runs with {mode} feedback converge."
            claims.append(claim(text, POST, share, above(0.5, "percent")))
        for mode in ("random", "rerandom"):
            more = beats(frames, f"{mode}, train.lr={rate}", f"shallow, train.lr={rate}")
            text = f"At learning rate {rate}, more runs converge with {mode} feedback than with frozen hidden layers."
            claims.append(claim(text, NOTHING, more, above(0, "points")))
    return claims


STUDY = Study(
    name="seed_post_squared",
    title="XOR with asymmetric feedback and the squared error",
    question="The text of the blog post names the mean squared error, but its code sends back the sign of the error. What changes with "
    "the squared error, at the post's learning rate and at a tenth of it?",
    source="The experiment of the study seed_post, with the loss that the text of the post names, 1/2 (y_hat - y)^2.",
    numbers=outcomes,
    draw=draw,
    judge=judge,
)
