"""Study: all feedback modes on scikit-learn's handwritten digits, each at a learning rate chosen on other seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from fa_sweep.report.figures.colours import looks
from fa_sweep.report.figures.panels import Drawn
from fa_sweep.report.figures.style import new_figure
from fa_sweep.report.frames import Frames
from fa_sweep.studies.base import Study, by_seed, final, median_difference, summarise
from fa_sweep.studies.claims import NOTHING, Claim, above, claim

CHOOSING, ACCURACY, ANGLE = "accuracy, choosing seeds", "accuracy, judging seeds", "gradient angle, judging seeds"
CONTROL = "shallow"
RATE = "train.lr"


@dataclass(frozen=True)
class Choice:
    """The learning rate that was chosen for a mode, and the group that has it.

    `edge` says whether the rate is the smallest or the largest of the grid.
    """

    mode: str
    rate: float
    group: str
    edge: bool


def choosing_seeds(frames: Frames) -> list[int]:
    """Return the seeds on which learning rates are chosen: the first third. The modes are judged on the other seeds."""
    seeds = sorted(frames.runs["seed"].unique())
    return [int(seed) for seed in seeds[: max(1, len(seeds) // 3)]]


def numbers(frames: Frames) -> pd.DataFrame:
    """Return accuracy on the choosing seeds, and accuracy and angle on the judging seeds, one row per group and quantity."""
    chooses = frames.runs.set_index("run_id")["seed"].isin(choosing_seeds(frames))
    accuracy, angle = final(frames, "accuracy"), final(frames, "angle_deg/gradient")
    judged = {ACCURACY: accuracy[~chooses], ANGLE: angle[~chooses]}
    return summarise(frames, {CHOOSING: accuracy[chooses], **judged})


def choices(table: pd.DataFrame) -> list[Choice]:
    """Choose each mode's learning rate: the highest median accuracy on the choosing seeds wins; in a tie, the smaller rate."""
    medians = table[table["quantity"] == CHOOSING].sort_values(RATE, kind="stable")
    ends = {medians[RATE].min(), medians[RATE].max()}
    best = {mode: part.loc[part["median"].idxmax()] for mode, part in medians.groupby("feedback", sort=False)}
    order = dict.fromkeys(table["feedback"])
    return [Choice(mode, float(best[mode][RATE]), best[mode]["group"], bool(best[mode][RATE] in ends)) for mode in order]


def draw(frames: Frames, table: pd.DataFrame) -> Drawn:
    """Draw how the learning rates were chosen, and each mode's accuracy and angle at its chosen rate."""
    figure, axes = new_figure(1, 3, height=4.2, sharey=True, width_ratios=(1.25, 1, 1))
    chosen = choices(table)
    _draw_choice(axes[0], table, chosen)
    look = next(iter(looks(["mode"]).values()))
    for here, quantity in zip(axes[1:], (ACCURACY, ANGLE), strict=True):
        part = table[table["quantity"] == quantity].set_index("group").loc[[c.group for c in chosen]]
        sign = 100 if quantity == ACCURACY else 1
        middle, low, high = (sign * part[column].to_numpy(float) for column in ("median", "low", "high"))
        y = np.arange(len(chosen))
        here.errorbar(middle, y, xerr=np.array([middle - low, high - middle]), fmt=look.marker, color=look.color, capsize=2,
                      markersize=4)  # fmt: skip
        if quantity == ACCURACY:
            control = [c.mode for c in chosen].index(CONTROL)
            here.axvline(middle[control], color="0.35", lw=0.9, linestyle=(0, (2, 2)))
    axes[1].set_xlabel("accuracy, judging seeds (%)")
    axes[2].set_xlabel("gradient angle (degrees)")
    axes[2].axvline(90, color="0.35", lw=0.9, linestyle=(0, (2, 2)))
    own = table[table["group"].isin([c.group for c in chosen]) & (table["quantity"] == ACCURACY)]
    parts = [f"{row['group']} {100 * row['median']:.1f} %" for _, row in own.iterrows()]
    alt = f"Median accuracy on the judging seeds, each mode at its own learning rate: {'; '.join(parts)}."
    first, rest = (table.loc[table["quantity"] == q, "n"].max() for q in (CHOOSING, ACCURACY))
    caption = (
        f"Left: median accuracy at each learning rate over the {first} choosing seeds. Darker cells are higher, and outlined "
    )
    caption += (
        "cells are the rates chosen. Middle and right: accuracy and gradient angle of each mode at its chosen rate, as medians "
    )
    caption += (
        f"with exact 95 % intervals over the {rest} judging seeds. The dashed line in the middle is the accuracy with frozen "
    )
    caption += "hidden layers, and the one on the right is a right angle. The angle of frozen layers is undefined."
    return Drawn("digits", figure, table, "Accuracy and alignment of every mode", caption, alt)


def _draw_choice(axes: Axes, table: pd.DataFrame, chosen: Sequence[Choice]) -> None:
    medians = table[table["quantity"] == CHOOSING].pivot(index="feedback", columns=RATE, values="median")
    medians = medians.loc[[c.mode for c in chosen]].sort_index(axis=1)
    rates = list(medians.columns)
    axes.imshow(100 * medians.to_numpy(float), aspect="auto", cmap="Blues", vmin=80, vmax=100)
    axes.grid(visible=False)
    for y, choice in enumerate(chosen):
        for x, rate in enumerate(rates):
            value = 100 * medians.iloc[y, x]
            bold = rate == choice.rate
            axes.text(x, y, f"{value:.1f}", ha="center", va="center", fontsize=6, weight="bold" if bold else "normal",
                      color="white" if value > 92 else "black")  # fmt: skip
        x = rates.index(choice.rate)
        axes.plot([x - 0.48, x + 0.48, x + 0.48, x - 0.48, x - 0.48], [y - 0.45, y - 0.45, y + 0.45, y + 0.45, y - 0.45],
                  color="tab:orange", lw=1.4)  # fmt: skip
    axes.set_xticks(range(len(rates)), labels=[f"{rate:g}" for rate in rates])
    axes.set_yticks(range(len(chosen)), labels=[c.mode for c in chosen])
    axes.set_xlabel("learning rate (accuracy in %)")


def remarks(frames: Frames, table: pd.DataFrame) -> Sequence[str]:
    """Say how the learning rates were chosen, what they are, and which of them lie at the edge of the grid."""
    seeds, chosen = choosing_seeds(frames), choices(table)
    rates = sorted(table[RATE].unique())
    edge = [f"{c.mode} ({c.rate:g})" for c in chosen if c.edge]
    listed = ", ".join(f"{c.mode} {c.rate:g}" for c in chosen)
    return [
        f"The learning rate of each mode was chosen on seeds {seeds[0]} to {seeds[-1]}, out of {', '.join(f'{r:g}' for r in rates)}: "
        "the rate with the highest median accuracy at the end. The modes are judged on all other seeds. The chosen rates are: "
        f"{listed}.",
        f"These choices lie at the edge of the grid, so a better rate may lie beyond it: {', '.join(edge)}."
        if edge
        else "Every choice lies inside the grid: no mode is best at the smallest or the largest rate.",
        "Each seed draws its own split of the 1,797 images, so the intervals include the variation between splits. There are no "
        "separate validation images: an image may serve to choose the rate at one seed and to judge the mode at another.",
    ]


def judge(frames: Frames, table: pd.DataFrame) -> Sequence[Claim]:
    """Judge for each mode whether it beats frozen hidden layers on the judging seeds, both at their own learning rates."""
    accuracy = final(frames, "accuracy")
    chosen = {choice.mode: choice for choice in choices(table)}
    choosing = choosing_seeds(frames)
    control = chosen.pop(CONTROL)

    def judged(choice: Choice) -> pd.Series:
        return by_seed(frames, accuracy, choice.group).drop(choosing)

    claims = []
    for mode, choice in chosen.items():
        ours, theirs = judged(choice), judged(control)
        name = f"median difference in accuracy, {choice.group} minus {control.group} (in percentage points)"
        note = f"medians {100 * ours.median():.1f} % against {100 * theirs.median():.1f} %"
        gain = median_difference(name, ours, theirs, "points", note)
        claims.append(
            claim(
                f"{mode} is more accurate than frozen hidden layers, each at its own learning rate.",
                NOTHING,
                gain,
                above(0, "points"),
            )
        )
    return claims


STUDY = Study(
    name="digits",
    title="Every mode on handwritten digits",
    question="Which modes learn more than an output layer does on frozen random features, and how far are their updates from the gradient?",
    source="This project's own comparison, on the digits that come with scikit-learn (Alpaydin and Kaynak, 1998).",
    numbers=numbers,
    draw=draw,
    judge=judge,
    remarks=remarks,
)
