"""The blog post's experiment with the squared error that its text names."""

from collections.abc import Sequence

import pandas as pd

from analysis.estimates import group_table
from analysis.figures.panels import Drawn
from analysis.figures.style import legend, new_figure
from analysis.frames import Frames
from analysis.statements import share
from analysis.studies.base import CONFIRMED, DIFFERS, REFUTED, Study, Verdict
from analysis.studies.drawing import draw_fractions
from analysis.studies.seed_post import beats

RATES = ("0.01", "0.001")


def draw(frames: Frames, table: pd.DataFrame) -> Drawn:
    """Draw the three events side by side, a panel a learning rate."""
    figure, axes = new_figure(1, 2, height=3.2, sharey=True)
    for here, rate in zip(axes, RATES, strict=True):
        draw_fractions(here, table, [g for g in frames.groups if g.endswith(f"={rate}")], lambda group: group.split(",")[0])
        here.set_title(f"learning rate {rate}")
    legend(figure, axes[0], 3)
    caption = "As in seed_post, with the squared error. Bars: Wilson's 95 % intervals over 200 seeds."
    alt = "; ".join(f"{r.group}: reached {r.reached}, converged {r.converged} of {r.n}" for r in table.itertuples())
    return Drawn("seed_post_squared", figure, table, "Reached, at the end, converged", caption, alt)


def judge(frames: Frames, table: pd.DataFrame) -> Sequence[Verdict]:
    """Judge whether anything converges, and whether it beats the control, at either rate."""
    rows = {str(row["group"]): row for _, row in table.iterrows()}
    verdicts = []
    for rate in RATES:
        for mode in ("symmetric", "random", "rerandom"):
            row = rows[f"{mode}, train.lr={rate}"]
            held = CONFIRMED if row["converged_low"] > 0.5 else REFUTED if row["converged_high"] < 0.5 else DIFFERS
            claim = f"At learning rate {rate} most runs of {mode} feedback converge."
            verdicts.append(Verdict(claim, "claimed of one run", share(row), held))
        for mode in ("random", "rerandom"):
            found, verdict = beats(frames, f"{mode}, train.lr={rate}", f"shallow, train.lr={rate}")
            verdicts.append(Verdict(f"At learning rate {rate} {mode} beats frozen hidden layers.", "not asked", found, verdict))
    return verdicts


STUDY = Study(
    name="seed_post_squared",
    title="XOR with asymmetric feedback and the squared error",
    question="The post's text speaks of the mean squared error, its code sends back the sign. What does the squared error change, at "
    "its learning rate and at a tenth of it?",
    source="As seed_post, with 1/2 (y_hat - y)^2.",
    numbers=group_table,
    draw=draw,
    judge=judge,
)
