"""Learning curves and alignment angles over steps."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from analysis.estimates import trajectories
from analysis.figures.panels import Drawn, Panel, alt_curves, draw_curves, grid
from analysis.figures.style import legend, log_scale, new_figure
from analysis.frames import Frames

_DEGREES_PER_RADIAN = 57.3
FEWEST_DRAWS = 40  # for its outermost fortieths to mean anything


def draw_learning(frames: Frames, split: list[Panel]) -> Drawn:
    """Draw loss, and accuracy or normalised squared error, over steps."""
    metrics = [m for m in ("accuracy", "normalised_squared_error", "loss") if m in frames.histories]
    data = pd.concat([trajectories(frames, metric) for metric in metrics], ignore_index=True)
    figure, axes = new_figure(len(split), len(metrics), height=2.6 * len(split))
    for row, panel in enumerate(split):
        for column, metric in enumerate(metrics):
            here = axes[row * len(metrics) + column]
            part = data[(data["metric"] == metric) & data["group"].isin(panel.groups)]
            draw_curves(here, part, panel)
            here.set(ylabel=metric.replace("_", " "), title=panel.title)
            if metric != "accuracy" and (part["q25"] > 0).all() and part["q75"].max() > 20 * part["q25"].min():
                log_scale(here, "y")
    legend(figure, axes[0], max(len(panel.groups) for panel in split))
    caption = (
        "Median over the runs of a group, with the band from the first to the third quartile, over the whole evaluation set."
    )
    return Drawn("learning_curves", figure, data, "Learning curves", caption, alt_curves(data, metrics))


def draw_angles(frames: Frames, split: list[Panel]) -> Iterator[Drawn]:
    """Yield a figure for each kind of angle that is defined somewhere, a panel a layer."""
    layers = frames.layers
    kinds = {
        "gradient": ("Gradient angle", ["angle_deg/gradient"]),
        "signal": ("Signal angle", [f"angle_deg/signal_layer_{n}" for n in range(1, layers)]),
        "weight": ("Weight alignment", [f"angle_deg/weight_layer_{n}" for n in range(2, layers + 1)]),
    }
    captions = {
        "gradient": "Angle between the mode's update of the hidden layers and the true gradient. Grey: 95 % of fresh "
        "feedback draws.",
        "signal": "Angle between the mode's error signal and backpropagation's, mean over the examples where it is defined. "
        "Grey: 95 % of fresh feedback draws.",
        "weight": "Angle between feedback matrix and transposed forward weight. Grey: 95 % of independent draws, one matrix.",
    }
    for kind, (title, metrics) in kinds.items():
        known = [m for m in metrics if m in frames.histories and frames.histories[m].notna().any()]
        if not known:
            continue
        data = pd.concat([trajectories(frames, metric) for metric in known], ignore_index=True)
        figure, axes = grid(len(split) * len(known), len(known) if len(split) > 1 else 3, 2.5)
        for number, (panel, metric) in enumerate((p, m) for p in split for m in known):
            here = axes[number]
            draw_curves(here, data[data["metric"] == metric], panel)
            here.axhline(90, color="0.35", lw=0.9, linestyle=(0, (2, 2)))
            band = _chance_band(frames, kind, metric)
            if band is not None:
                here.axhspan(*band, color="0.5", alpha=0.15, lw=0)
            layer = "hidden layers" if kind == "gradient" else f"layer {metric.rpartition('_')[2]}"
            top = max(100.0, np.nanmax([data["q75"].max(), 0.0]) + 5)
            here.set(
                ylim=(0, top),
                yticks=[t for t in range(0, 181, 30) if t <= top],
                title=", ".join(filter(None, [panel.title, layer])),
            )
            here.set_ylabel("angle (degrees)")
        legend(figure, axes[0], max(len(panel.groups) for panel in split))
        caption = (
            f"{captions[kind]} Median and quartiles over the runs where it is defined; dashed: 90 degrees, nothing in common."
        )
        yield Drawn(f"angle_{kind}", figure, data, title, caption, alt_curves(data, known))


def _chance_band(frames: Frames, kind: str, metric: str) -> tuple[float, float] | None:
    """Return where 95 % of the angles lie by chance; None where networks of several sizes have several bands.

    Of one matrix: 90 +- 1.96 * 57.3 / sqrt(n) degrees, n its entries. Gradients, and means over examples, have fewer effective
    dimensions than entries: for them the quantiles of one fresh draw of feedback a run, at its first evaluation.
    """
    if len({job.widths for job in frames.jobs}) > 1:
        return None
    if kind == "weight":
        layer, widths = int(metric.rpartition("_")[2]), frames.jobs[0].widths
        half = 1.96 * _DEGREES_PER_RADIAN / float(np.sqrt(widths[layer] * widths[layer - 1]))
        return 90 - half, 90 + half
    drawn = frames.runs.get(metric.replace("angle_deg", "chance_deg"))
    if drawn is None or drawn.notna().sum() < FEWEST_DRAWS:
        return None
    low, high = np.nanquantile(drawn.to_numpy(float), [0.025, 0.975])
    return float(low), float(high)
