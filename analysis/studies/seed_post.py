"""The blog post's three claims, each made from one run of XOR."""

from collections.abc import Sequence

import pandas as pd

from analysis.comparisons import mcnemar, paired_difference
from analysis.estimates import group_table
from analysis.figures.panels import Drawn
from analysis.figures.style import legend, new_figure
from analysis.frames import Frames
from analysis.statements import p_value, points, share
from analysis.studies.base import CONFIRMED, DIFFERS, REFUTED, Study, Verdict
from analysis.studies.drawing import draw_fractions
from fa_sweep.convergence import CONVERGED

SEEDS_MODES = ("symmetric", "random", "rerandom", "shallow")


def numbers(frames: Frames) -> pd.DataFrame:
    """Return the counts and fractions of the three events, times and angles, a row a group."""
    return group_table(frames)


def draw(frames: Frames, table: pd.DataFrame) -> Drawn:
    """Draw the three events side by side."""
    figure, (axes,) = new_figure(height=3.0)
    draw_fractions(axes, table, frames.groups, lambda group: group)
    legend(figure, axes, 3)
    caption = (
        "Reached: some evaluation is right on all four patterns. At the end: the last one is. Converged: the last five are, at "
    )
    caption += "least, without a break. Bars: Wilson's 95 % intervals over 200 seeds."
    alt = "; ".join(f"{row.group}: reached {row.reached}, at the end {row.at_end}, converged {row.converged} of {row.n}"
                    for row in table.itertuples())  # fmt: skip
    return Drawn("seed_post", figure, table, "Reached, at the end, converged", caption, alt)


def beats(frames: Frames, group: str, reference: str) -> tuple[str, str]:
    """Return how the fractions converged of two groups compare on shared seeds, and the verdict on "group does better"."""
    runs = frames.runs.assign(converged=frames.runs["outcome"] == CONVERGED)
    ours, theirs = (runs[runs["group"] == name].set_index("seed")["converged"] for name in (group, reference))
    shared = ours.index.intersection(theirs.index)
    a, b = ours.loc[shared].to_numpy(), theirs.loc[shared].to_numpy()
    low, high = paired_difference(a, b)
    found = (
        f"{int(a.sum())} against {int(b.sum())} of {len(shared)} converged: {points(a.mean() - b.mean())} points "
        f"(95 % CI {points(low)} to {points(high)}; McNemar p {p_value(mcnemar(a, b))})"
    )
    return found, CONFIRMED if low > 0 else REFUTED if high <= 0 else DIFFERS


def judge(frames: Frames, table: pd.DataFrame) -> Sequence[Verdict]:
    """Judge the three claims, and the control's question."""
    rows = {str(row["group"]): row for _, row in table.iterrows()}

    def learns(mode: str) -> tuple[str, str]:
        row = rows[mode]
        found = f"reached by {share(row, 'reached')}; converged {share(row)}"
        holds = CONFIRMED if row["converged_low"] > 0.5 else REFUTED if row["reached_high"] < 0.5 else DIFFERS
        return found, holds

    symmetric, random, rerandom = (learns(mode) for mode in SEEDS_MODES[:3])
    verdicts = [
        Verdict("With symmetric weights the network quickly converges to 100 %.", "one run", *symmetric),
        Verdict("With fixed random feedback it still reaches 100 %: weight symmetry is not necessary.", "one run", *random),
        Verdict("Re-randomising the feedback at each step does not prevent learning either.", "one run", *rerandom),
        Verdict("Redrawn feedback beats frozen hidden layers.", "not asked", *beats(frames, "rerandom", "shallow")),
        Verdict("Fixed random feedback beats frozen hidden layers.", "not asked", *beats(frames, "random", "shallow")),
    ]
    return verdicts


STUDY = Study(
    name="seed_post",
    title="XOR with asymmetric feedback: the three claims of a blog post",
    question="Do symmetric, fixed random and re-randomised feedback learn XOR: how often, how fast, and for good? And does any of it "
    "beat hidden layers that do not learn at all?",
    source="The experiment behind this project: a 2-10-10-1 ReLU network without biases, weights and feedback N(0, 1), learning rate "
    "0.01, one pattern a step, 5,001 steps, the sign of the error travelling back, as in the post's code.",
    numbers=numbers,
    draw=draw,
    judge=judge,
)
