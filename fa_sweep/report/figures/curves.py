"""Draw learning curves and alignment angles over steps."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from fa_sweep.report.estimates import trajectories
from fa_sweep.report.figures.panels import Drawn, Panel, alt_curves, draw_curves, draw_legends, grid, of_groups
from fa_sweep.report.figures.style import log_scale, mark, new_figure
from fa_sweep.report.frames import CHANCE, CHANCE_AT_END, Frames
from fa_sweep.report.names import Names, fold

_DEGREES_PER_RADIAN = 57.3
FEWEST_DRAWS = 40  # 2.5 % is one run in forty: with fewer runs, the 2.5 and 97.5 % quantiles are just the extreme runs


def draw_learning(frames: Frames, split: list[Panel], names: Names) -> Drawn:
    """Draw the accuracy or normalised squared error, and the loss, over steps: one row per panel, one column per metric.

    Args:
        frames: The sweep.
        split: The panels of one page.
        names: The labels of all groups.
    """
    metrics = [m for m in ("accuracy", "normalised_squared_error", "loss") if m in frames.histories]
    data = of_groups(pd.concat([trajectories(frames, metric) for metric in metrics], ignore_index=True), split)
    height = 2.6 if len(split) == 1 or split[0].own_legend else 2.0
    figure, axes = new_figure(len(split), len(metrics), height=height * len(split) + 0.3)
    for row, panel in enumerate(split):
        for column, metric in enumerate(metrics):
            here = axes[row * len(metrics) + column]
            part = data[(data["metric"] == metric) & data["group"].isin(panel.groups)]
            draw_curves(here, part, panel)
            here.set(ylabel=metric.replace("_", " "), title=panel.title)
            if metric != "accuracy" and (part["q25"] > 0).all() and part["q75"].max() > 20 * part["q25"].min():
                log_scale(here, "y")
    draw_legends(figure, axes[:: len(metrics)], split, 45)
    caption = (
        "Each curve is the median over the runs of a group, measured on the whole evaluation set. The band extends from the "
        "first to the third quartile."
    )
    return Drawn("learning_curves", figure, data, "Learning curves", caption, alt_curves(data, metrics, names.labels))


@dataclass(frozen=True)
class Kind:
    """A kind of angle: its name in the names of files, its title and caption, and its metrics, one per layer."""

    name: str
    title: str
    caption: str
    metrics: list[str]


def kinds_of_angle(frames: Frames) -> list[Kind]:
    """Return the kinds of angle that are defined in some run."""
    layers = frames.layers
    bars = (
        "The bars at both ends span the central 95 % of the angles by chance: each run is also measured with fresh random "
        "feedback, drawn in the same way as its own. Groups have bars only if they have at least 40 runs and their feedback is "
        "random and does not learn."
    )
    signal = (
        "Angle between the mode's error signal and that of backpropagation, both before the multiplication by the "
        "slope f' of the activation. For each run, it is the mean over the examples of the evaluation set for which it is "
        f"defined. Lillicrap et al. (2016) measure it during training and include f'. {bars}"
    )
    weight = (
        "Angle between the feedback matrix and the transposed forward weight matrix. The grey band contains 95 % of "
        "the angles for random matrices that are drawn independently of the weights, as those of random and rerandom feedback "
        "are."
    )
    gradient = f"Angle between the mode's update of the hidden layers and their true gradient. {bars}"
    kinds = [
        Kind("gradient", "Gradient angle", gradient, ["angle_deg/gradient"]),
        Kind("signal", "Signal angle", signal, [f"angle_deg/signal_layer_{n}" for n in range(1, layers)]),
        Kind("weight", "Weight alignment", weight, [f"angle_deg/weight_layer_{n}" for n in range(2, layers + 1)]),
    ]
    found = []
    for kind in kinds:
        known = [m for m in kind.metrics if m in frames.histories and frames.histories[m].notna().any()]
        found += [replace(kind, metrics=known)] if known else []
    return found


def draw_angles(frames: Frames, split: list[Panel], names: Names, kind: Kind) -> Drawn:
    """Draw one kind of angle over steps, with axes for each panel and layer.

    Args:
        frames: The sweep.
        split: The panels of one page.
        names: The labels of all groups.
        kind: The kind of angle.
    """
    data = of_groups(pd.concat([trajectories(frames, metric) for metric in kind.metrics], ignore_index=True), split)
    shown = [
        (panel, metric)
        for panel in split
        for metric in kind.metrics
        if len(split) == 1 or data.loc[(data["metric"] == metric) & data["group"].isin(panel.groups), "median"].notna().any()
    ]
    # With the same layers in all panels, each panel gets a row of its own.
    even = len(shown) == len(split) * len(kind.metrics) and 1 < len(kind.metrics) <= 3
    figure, axes = grid(
        len(shown), len(kind.metrics) if even else 3, 2.7 if len(split) == 1 else 2.9 if split[0].own_legend else 2.2
    )
    first: dict[str, Axes] = {}
    for here, (panel, metric) in zip(axes, shown, strict=True):
        first.setdefault(panel.title, here)
        draw_curves(here, data[(data["metric"] == metric) & data["group"].isin(panel.groups)], panel)
        mark(here, 90, "y")
        highest = 0.0
        if kind.name == "weight":
            _draw_independent(here, frames, panel, metric)
        else:
            highest = _draw_chance(here, frames, panel, metric)
        layer = "hidden layers" if kind.name == "gradient" else f"layer {metric.rpartition('_')[2]}"
        top = max(100.0, np.nanmax([data["q75"].max(), highest]) + 5)
        here.set(ylim=(0, top), yticks=[t for t in range(0, 181, 30) if t <= top], ylabel="angle (degrees)")
        title = ", ".join(filter(None, [panel.title.replace("\n", " "), layer]))
        here.set_title(fold(title, 40 if len(kind.metrics) < 3 and even else 24))
    draw_legends(figure, list(first.values()), split, 45 if even else 30)
    caption = (
        f"{kind.caption} Curves and bands are medians and quartiles over the runs in which the angle is defined. The "
        "dashed line marks 90 degrees, which is no alignment."
    )
    return Drawn(f"angle_{kind.name}", figure, data, kind.title, caption, alt_curves(data, kind.metrics, names.labels))


def _draw_chance(axes: Axes, frames: Frames, panel: Panel, metric: str) -> float:
    """Draw bars at the first and the last step that contain 95 % of a group's angles by chance, and return the highest end.

    An angle by chance is the angle that newly drawn feedback would give. If a group's feedback learns or is not random, it has
    no such angles at the last step, and gets no bars.
    """
    highest = 0.0
    name = metric.removeprefix("angle_deg/")
    for place, group in enumerate(panel.groups):
        runs = frames.runs[frames.runs["group"] == group]
        columns = [f"{prefix}{name}" for prefix in (CHANCE, CHANCE_AT_END)]
        if not all(column in runs and runs[column].notna().sum() >= FEWEST_DRAWS for column in columns):
            continue
        last = float(runs["last_step"].max())
        for step, column, inwards in zip((0.0, last), columns, (1, -1), strict=True):
            low, high = np.nanquantile(runs[column].to_numpy(float), [0.025, 0.975])
            at = step + inwards * last * (0.01 + 0.012 * place)  # side by side, so that bars of different groups do not overlap
            axes.plot([at, at], [low, high], color=panel.looks[group].color, alpha=0.45, lw=3, solid_capstyle="butt")
            highest = max(highest, float(high))
    return highest


def _draw_independent(axes: Axes, frames: Frames, panel: Panel, metric: str) -> None:
    """Draw the band that contains 95 % of the angles between a weight matrix and an independent random matrix.

    The band is 90 +- 1.96 * 57.3 / sqrt(n) degrees for matrices with n entries. It holds at every step for feedback that is
    drawn independently of the weights. It is drawn only if some group has such feedback and all networks have the same widths.
    """
    sizes = {job.widths for job in frames.jobs if job.group in panel.groups}
    modes = {job.run.feedback.mode for job in frames.jobs if job.group in panel.groups}
    if len(sizes) > 1 or not modes & {"random", "rerandom"}:
        return
    layer, widths = int(metric.rpartition("_")[2]), sizes.pop()
    if layer >= len(widths):  # other panels have deeper networks
        return
    half = 1.96 * _DEGREES_PER_RADIAN / float(np.sqrt(widths[layer] * widths[layer - 1]))
    axes.axhspan(90 - half, 90 + half, color="0.5", alpha=0.15, lw=0)
