"""Draw the figures of studies: fractions by group, curves over steps, estimates against a factor. Computes no statistics."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from fa_sweep.report.figures.colours import looks
from fa_sweep.report.figures.style import log_scale


def draw_trajectories(axes: Axes, data: pd.DataFrame, label: str, *, log: bool = False, log_steps: bool = False) -> None:
    """Draw medians and quartile bands over steps, one line per group.

    Args:
        axes: Where to draw.
        data: The table of `estimates.trajectories` for one metric.
        label: The label of the vertical axis.
        log: Make the vertical axis logarithmic.
        log_steps: Make the axis of steps logarithmic. It then shows step + 1, because steps begin at 0.
    """
    names = list(dict.fromkeys(data["group"].astype(str)))
    for name, look in looks(names).items():
        part = data[(data["group"] == name) & data["median"].notna()]
        if part.empty:
            continue
        steps = part["step"] + 1 if log_steps else part["step"]
        every = max(1, len(part) // 6)
        axes.plot(
            steps, part["median"], color=look.color, linestyle=look.dashes, marker=look.marker, markersize=3.5,
            markevery=every, label=name,
        )  # fmt: skip
        axes.fill_between(steps, part["q25"], part["q75"], color=look.color, alpha=0.15, lw=0)
    axes.set(xlabel="step + 1" if log_steps else "step", ylabel=label)
    if log:
        log_scale(axes, "y")
    if log_steps:
        log_scale(axes, "x")


def draw_against(axes: Axes, table: pd.DataFrame, x: str, by: str, labels: tuple[str, str], *, log: bool = False) -> None:
    """Draw medians with intervals against a numeric column, one line per level of another column.

    Args:
        axes: Where to draw.
        table: A table with the columns `median`, `low` and `high`.
        x: The column on the horizontal axis.
        by: The column whose levels get one line each.
        labels: The labels of the horizontal and of the vertical axis.
        log: Make the horizontal axis logarithmic.
    """
    levels = list(dict.fromkeys(table[by].astype(str)))
    for name, look in looks(levels).items():
        part = table[table[by].astype(str) == name].sort_values(x)
        error = np.abs(np.array([part["median"] - part["low"], part["high"] - part["median"]]))
        axes.errorbar(
            part[x], part["median"], yerr=error, color=look.color, linestyle=look.dashes, marker=look.marker, markersize=4,
            capsize=2, lw=1.2, label=name,
        )  # fmt: skip
    axes.set(xlabel=labels[0], ylabel=labels[1])
    if log:
        log_scale(axes, "x")


def draw_fractions(axes: Axes, table: pd.DataFrame, groups: Sequence[str], name: Callable[[str], str]) -> None:
    """Draw the fractions of runs that ever succeeded, that succeeded at the end, and that converged, with Wilson's intervals.

    Args:
        axes: Where to draw.
        table: The table of `base.outcomes`.
        groups: The groups to draw, in this order.
        name: Returns the label of a group, given its name.
    """
    events = {"reached": "reached", "at_end": "at the end", "converged": "converged"}
    for place, (event, look) in enumerate(looks(list(events)).items()):
        rows = table.set_index("group").loc[list(groups)]
        fraction = rows[f"{event}_fraction"].to_numpy(float)
        error = np.abs(np.array([fraction - rows[f"{event}_low"], rows[f"{event}_high"] - fraction]))
        x = np.arange(len(groups)) + 0.2 * (place - 1)
        axes.errorbar(x, fraction, yerr=error, fmt=look.marker, color=look.color, capsize=2, markersize=5, label=events[event])
    axes.set_xticks(range(len(groups)), labels=[name(group) for group in groups])
    axes.set(ylim=(-0.03, 1.03), ylabel="fraction of runs")
