"""Study: all feedback modes on scikit-learn's handwritten digits, each at a learning rate chosen on tuning seeds."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from fa_sweep.decisions.choice import Choice, Scored
from fa_sweep.errors import ConfigError
from fa_sweep.report.figures.colours import looks
from fa_sweep.report.figures.panels import Drawn
from fa_sweep.report.figures.style import new_figure
from fa_sweep.report.frames import Frames
from fa_sweep.studies.base import Study, by_seed, final, median_difference, summarise
from fa_sweep.studies.claims import NOTHING, Claim, above, claim

CHOOSING, ACCURACY, ANGLE = "validation accuracy, tuning seeds", "test accuracy, fresh seeds", "gradient angle, fresh seeds"
CONTROL = "shallow"
RATE = "train.lr"


def numbers(frames: Frames) -> pd.DataFrame:
    """Return the accuracy of each rate on the tuning seeds, and accuracy and angle of each mode's choice on the fresh seeds."""
    tried = [
        {
            "group": one.group,
            "feedback": mode,
            RATE: rate,
            "quantity": CHOOSING,
            "n": one.n,
            "median": one.median,
            "interval": "undefined",
        }
        for mode, choice in _choices(frames).items()
        for one in choice.tried
        for rate in [_rate(one)]
    ]
    judged = summarise(frames, {ACCURACY: final(frames, "accuracy"), ANGLE: final(frames, "angle_deg/gradient")})
    return pd.concat([pd.DataFrame(tried).assign(low=np.nan, high=np.nan)[judged.columns], judged], ignore_index=True)


def _choices(frames: Frames) -> dict[str, Choice]:
    """Return the choice of each mode. Raises ConfigError if the sweep of the tuning stage is gone."""
    if not frames.choices:
        raise ConfigError(f"{frames.about.id} lacks its tuning stage; run python -m fa_sweep +experiment=digits again")
    return {str(dict(choice.best.key)["feedback"]): choice for choice in frames.choices}


def _rate(one: Scored) -> float:
    return float(dict(one.levels)[RATE])


def draw(frames: Frames, table: pd.DataFrame) -> Drawn:
    """Draw how the learning rates were chosen, and each mode's accuracy and angle at its chosen rate."""
    figure, axes = new_figure(1, 3, height=4.2, sharey=True, width_ratios=(1.25, 1, 1))
    chosen = {mode: choice.best for mode, choice in _choices(frames).items()}
    _draw_choice(axes[0], table, chosen)
    look = next(iter(looks(["mode"]).values()))
    for here, quantity in zip(axes[1:], (ACCURACY, ANGLE), strict=True):
        part = table[table["quantity"] == quantity].set_index("feedback").loc[list(chosen)]
        sign = 100 if quantity == ACCURACY else 1
        middle, low, high = (sign * part[column].to_numpy(float) for column in ("median", "low", "high"))
        y = np.arange(len(chosen))
        here.errorbar(middle, y, xerr=np.array([middle - low, high - middle]), fmt=look.marker, color=look.color, capsize=2,
                      markersize=4)  # fmt: skip
        if quantity == ACCURACY:
            control = list(chosen).index(CONTROL)
            here.axvline(middle[control], color="0.35", lw=0.9, linestyle=(0, (2, 2)))
    axes[1].set_xlabel("test accuracy, fresh seeds (%)")
    axes[2].set_xlabel("gradient angle (degrees)")
    axes[2].axvline(90, color="0.35", lw=0.9, linestyle=(0, (2, 2)))
    own = table[table["quantity"] == ACCURACY]
    parts = [f"{row['group']} {100 * row['median']:.1f} %" for _, row in own.iterrows()]
    alt = f"Median test accuracy on the fresh seeds, each mode at its own learning rate: {'; '.join(parts)}."
    first, rest = (table.loc[table["quantity"] == q, "n"].max() for q in (CHOOSING, ACCURACY))
    caption = (
        f"Left: median validation accuracy at each learning rate over the {first} tuning seeds. Darker cells are higher, and "
        "outlined cells are the rates chosen. Middle and right: test accuracy and gradient angle of each mode at its chosen "
        f"rate, as medians with exact 95 % intervals over the {rest} fresh seeds. The dashed line in the middle is the "
        "accuracy with frozen hidden layers, and the one on the right is a right angle. The angle of frozen layers is undefined."
    )
    return Drawn("digits", figure, table, "Accuracy and alignment of every mode", caption, alt)


def _draw_choice(axes: Axes, table: pd.DataFrame, chosen: Mapping[str, Scored]) -> None:
    medians = table[table["quantity"] == CHOOSING].pivot(index="feedback", columns=RATE, values="median")
    medians = medians.loc[list(chosen)].sort_index(axis=1)
    rates = list(medians.columns)
    axes.imshow(100 * medians.to_numpy(float), aspect="auto", cmap="Blues", vmin=80, vmax=100)
    axes.grid(visible=False)
    for y, best in enumerate(chosen.values()):
        for x, rate in enumerate(rates):
            value = 100 * medians.iloc[y, x]
            bold = rate == _rate(best)
            axes.text(x, y, f"{value:.1f}", ha="center", va="center", fontsize=6, weight="bold" if bold else "normal",
                      color="white" if value > 92 else "black")  # fmt: skip
        x = rates.index(_rate(best))
        axes.plot([x - 0.48, x + 0.48, x + 0.48, x - 0.48, x - 0.48], [y - 0.45, y - 0.45, y + 0.45, y + 0.45, y - 0.45],
                  color="tab:orange", lw=1.4)  # fmt: skip
    axes.set_xticks(range(len(rates)), labels=[f"{rate:g}" for rate in rates])
    axes.set_yticks(range(len(chosen)), labels=list(chosen))
    axes.set_xlabel("learning rate (accuracy in %)")


def remarks(frames: Frames, table: pd.DataFrame) -> Sequence[str]:
    """Say how the learning rates were chosen, what the choice saw, and which rates lie at the edge of the grid."""
    chosen, design = _choices(frames), frames.about.design
    rates = sorted({_rate(one) for choice in chosen.values() for one in choice.tried})
    edge = [f"{mode} ({_rate(choice.best):g})" for mode, choice in chosen.items() if choice.edges]
    listed = ", ".join(f"{mode} {_rate(choice.best):g}" for mode, choice in chosen.items())
    first, count = int(design["first_seed"]), int(design["seeds"])
    return [
        f"The learning rate of each mode was chosen on tuning seeds {first} to {first + count - 1}, out of "
        f"{', '.join(f'{rate:g}' for rate in rates)}: the rate with the highest median accuracy at the end, on validation "
        "images. All modes tried the same rates. They are judged on other seeds and on test images. The chosen rates are: "
        f"{listed}.",
        f"These choices lie at the edge of the grid, so a better rate may lie beyond it: {', '.join(edge)}."
        if edge
        else "Every choice lies inside the grid: no mode is best at the smallest or the largest rate.",
        "What the selection saw: the validation images of the tuning seeds. Each seed draws its own split of the 1,797 images, "
        "so the intervals include the variation between splits. An image may serve for validation at a tuning seed and for the "
        "test at a fresh one.",
    ]


def judge(frames: Frames, table: pd.DataFrame) -> Sequence[Claim]:
    """Judge for each mode whether it beats frozen hidden layers on the fresh seeds, both at their own learning rates."""
    accuracy = final(frames, "accuracy")
    groups = {str(mode): str(group) for mode, group in frames.runs.groupby("mode", sort=False)["group"].first().items()}
    control = groups.pop(CONTROL)
    theirs = by_seed(frames, accuracy, control)
    claims = []
    for mode, group in groups.items():
        ours = by_seed(frames, accuracy, group)
        name = f"median difference in accuracy, {group} minus {control} (in percentage points)"
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
