"""Every mode on scikit-learn's handwritten digits."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.figures.panels import Drawn
from analysis.figures.style import legend, log_scale, looks, new_figure
from analysis.frames import Frames
from analysis.studies.base import CONFIRMED, DIFFERS, REFUTED, Study, Verdict, difference, final, summarise

ACCURACY, ANGLE = "test accuracy", "gradient angle"
RATES = (0.1, 0.3)


def numbers(frames: Frames) -> pd.DataFrame:
    """Return final accuracy and gradient angle, a row a group and quantity."""
    return summarise(frames, {ACCURACY: final(frames, "accuracy"), ANGLE: final(frames, "angle_deg/gradient")})


def draw(frames: Frames, table: pd.DataFrame) -> Drawn:
    """Draw accuracy and angle of each mode at either learning rate."""
    figure, axes = new_figure(1, 2, height=4.2, sharey=True)
    modes = list(dict.fromkeys(table["feedback"]))
    shown = table.assign(**{c: table[c].where(table["quantity"] != ACCURACY, 1 - table[c]) for c in ("median", "low", "high")})
    for here, quantity in zip(axes, (ACCURACY, ANGLE), strict=True):
        for place, (rate, look) in enumerate(looks([str(r) for r in RATES]).items()):
            part = shown[(shown["quantity"] == quantity) & (shown["train.lr"].astype(str) == rate)]
            part = part.set_index("feedback").loc[modes]
            error = np.abs(np.array([part["median"] - part["low"], part["high"] - part["median"]], dtype=float))
            y = np.arange(len(modes)) + 0.18 * (2 * place - 1)
            here.errorbar(part["median"], y, xerr=error, fmt=look.marker, color=look.color, capsize=2, markersize=4,
                          label=f"learning rate {rate}")  # fmt: skip
    axes[0].set_xlabel("test error (1 - accuracy)")
    axes[1].set_xlabel("gradient angle (degrees)")
    log_scale(axes[0], "x")
    axes[0].set_yticks(range(len(modes)), labels=modes)
    axes[0].invert_yaxis()
    axes[1].axvline(90, color="0.35", lw=0.9, linestyle=(0, (2, 2)))
    legend(figure, axes[0], 2)
    alt = "; ".join(f"{r.quantity} of {r.group} {r.median:.3g}" for r in table.itertuples())
    caption = "Medians with 95 % bootstrap intervals over 10 seeds, on 500 held-out digits, after 30 epochs. "
    caption += "The verdict compares each mode at the better of its two learning rates, chosen on these same runs."
    return Drawn("digits", figure, table, "Accuracy and alignment of every mode", caption, alt)


def judge(frames: Frames, table: pd.DataFrame) -> Sequence[Verdict]:
    """Judge every mode against the frozen control, at its better learning rate each."""
    accuracy = final(frames, "accuracy")
    medians = table[table["quantity"] == ACCURACY]
    best = {m: part.loc[part["median"].idxmax(), "group"] for m, part in medians.groupby("feedback", sort=False)}
    verdicts = []
    for mode, group in best.items():
        if mode == "shallow":
            continue
        middle, low, high, n = difference(frames, accuracy, group, best["shallow"])
        found = f"{100 * middle:+.1f} points (95 % CI {100 * low:+.1f} to {100 * high:+.1f}, {n} seeds; {group} against {best['shallow']})"
        verdict = CONFIRMED if low > 0 else REFUTED if high < 0 else DIFFERS
        verdicts.append(Verdict(f"{mode} beats frozen hidden layers.", "not given", found, verdict))
    return verdicts


STUDY = Study(
    name="digits",
    title="Every mode on handwritten digits",
    question="Which modes learn more than an output layer on frozen random features, and how far are their updates from the gradient?",
    source="scikit-learn's 8x8 digits, inputs / 16, 1,297 to train on and 500 to test; 64-100-100-10 tanh with biases, cross entropy, "
    "Xavier-uniform W and B, batches of 32, 30 epochs.",
    numbers=numbers,
    draw=draw,
    judge=judge,
)
