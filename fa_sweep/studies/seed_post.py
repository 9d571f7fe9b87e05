"""Study: the three claims of a blog post on XOR, each of which the post bases on a single run."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from fa_sweep.report.figures.panels import Drawn
from fa_sweep.report.figures.style import legend, new_figure
from fa_sweep.report.frames import Frames
from fa_sweep.studies.base import Study, beats, fraction_estimate, last_step, median_estimate, outcomes
from fa_sweep.studies.claims import NOTHING, Claim, above, below, claim, expected
from fa_sweep.studies.drawing import draw_fractions
from fa_sweep.sweeping.outcomes import Outcome

SEEDS_MODES = ("symmetric", "random", "rerandom", "shallow")
POST = expected("the blog post says so, based on one run")


def draw(frames: Frames, table: pd.DataFrame) -> Drawn:
    """Draw the fractions of runs that ever succeeded, that succeeded at the end, and that converged, per feedback mode."""
    figure, (axes,) = new_figure(height=3.0)
    draw_fractions(axes, table, frames.groups, lambda group: group)
    legend(figure, axes, 3)
    caption = (
        "Reached: some evaluation is right on all four patterns. At the end: the last evaluation is. Converged: at least the last "
        f"five evaluations all are. Bars are Wilson's 95 % intervals over {table['n'].max()} seeds."
    )
    alt = "; ".join(f"{row.group}: reached {row.reached}, at the end {row.at_end}, converged {row.converged} of {row.n}"
                    for row in table.itertuples())  # fmt: skip
    return Drawn("seed_post", figure, table, "Reached, at the end, converged", caption, alt)


def judge(frames: Frames, table: pd.DataFrame) -> Sequence[Claim]:
    """Judge the post's three claims, and whether feedback beats frozen hidden layers.

    Each claim that a feedback mode learns is judged in two senses: most runs reach 100 % at some evaluation, and most runs stay
    there to the end. For symmetric weights, the speed is judged as well.
    """
    tenth = last_step(frames) / 10
    claims = [*_learns(frames, "symmetric", "With symmetric weights, the network")]
    steps = _runs(frames, "symmetric")["convergence_step"].fillna(np.inf)
    quantity = "symmetric: median step from which on a run is right until the end"
    claims.append(
        claim(
            "With symmetric weights, the network learns quickly: half of the runs converge within a tenth of the training.",
            POST,
            median_estimate(quantity, steps, "steps"),
            below(tenth, "steps"),
        )
    )
    claims += _learns(frames, "random", "With fixed random feedback, the network")
    claims += _learns(frames, "rerandom", "With feedback redrawn at each step, the network")
    for mode, name in (("random", "fixed random"), ("rerandom", "redrawn")):
        text = f"More runs converge with {name} feedback than with frozen hidden layers."
        claims.append(claim(text, NOTHING, beats(frames, mode, "shallow"), above(0, "points")))
    return claims


def _runs(frames: Frames, group: str) -> pd.DataFrame:
    return frames.runs[frames.runs["group"] == group]


def _learns(frames: Frames, group: str, subject: str) -> list[Claim]:
    runs = _runs(frames, group)
    half = above(0.5, "percent")
    reached = fraction_estimate(f"{group}: share of runs that are right at some evaluation", runs["first_reach_step"].notna())
    held = fraction_estimate(
        f"{group}: share of runs that are right at the last five evaluations or more", runs["outcome"] == Outcome.CONVERGED
    )
    return [
        claim(f"{subject} reaches 100 %: most runs are right at some evaluation.", POST, reached, half),
        claim(f"{subject} learns XOR for good: most runs converge.", POST, held, half),
    ]


STUDY = Study(
    name="seed_post",
    title="XOR with asymmetric feedback: the three claims of a blog post",
    question="How often and how fast do networks learn XOR with symmetric, fixed random and redrawn feedback, and do they keep what "
    "they learned? Does any of these do better than hidden layers that do not learn at all?",
    source="The blog post from which this project started; it shows one run per mode. As in the post's code, the sign of the error is "
    "sent back. The control with frozen hidden layers (shallow) is added here.",
    numbers=outcomes,
    draw=draw,
    judge=judge,
)
