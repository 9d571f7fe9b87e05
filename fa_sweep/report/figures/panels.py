"""Pieces that the figures share: the result type, the split of groups into panels, and the drawing of curves."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fa_sweep.report.figures.style import Look, looks, new_figure
from fa_sweep.report.formatting import number
from fa_sweep.report.frames import Frames

PANEL_GROUPS = 6


@dataclass(frozen=True)
class Drawn:
    """A figure, and what a report needs to show it.

    Attributes:
        name: The name of its files, without the ending.
        figure: The drawing.
        data: The table that the figure shows.
        title: Its title.
        caption: Its caption.
        alt: A description in words, for readers who cannot see the figure.
    """

    name: str
    figure: Figure
    data: pd.DataFrame
    title: str
    caption: str
    alt: str


@dataclass(frozen=True)
class Panel:
    """A panel of curves: its title, its groups, and the label and the look of each group."""

    title: str
    groups: list[str]
    labels: dict[str, str]
    looks: dict[str, Look]


def split_into_panels(frames: Frames, present: Sequence[str]) -> list[Panel]:
    """Split groups into panels, so that no panel shows too many curves.

    Up to six groups share one panel. More groups get one panel per combination of the factors other than the feedback mode. If
    the feedback mode is not a factor, or is the only factor, all groups stay in one panel.

    Args:
        frames: The sweep.
        present: The names of the groups to draw.
    """
    factors = {job.group: job.factors for job in frames.jobs}
    others = {g: ", ".join(f"{k}={v}" for k, v in factors[g].items() if k != "feedback") for g in present}
    if len(present) <= PANEL_GROUPS or "feedback" not in frames.factors or len(set(others.values())) == 1:
        return [Panel("", list(present), {g: g for g in present}, looks(present))]
    modes = {g: str(factors[g]["feedback"]) for g in present}
    by_mode = looks(list(dict.fromkeys(modes.values())))
    return [
        Panel(title, members, {g: modes[g] for g in members}, {g: by_mode[modes[g]] for g in members})
        for title in dict.fromkeys(others.values())
        for members in [[g for g in present if others[g] == title]]
    ]


def grid(count: int, columns: int, height: float) -> tuple[Figure, list[Axes]]:
    """Return a figure with `count` axes, at most `columns` in a row, each `height` inches high."""
    columns = min(columns, count)
    rows = -(-count // columns)
    figure, axes = new_figure(rows, columns, height=height * rows)
    for spare in axes[count:]:
        spare.set_visible(False)
    return figure, axes[:count]


def draw_curves(axes: Axes, frame: pd.DataFrame, panel: Panel) -> None:
    """Draw the medians of one metric, one curve per group, with quartile bands if there are at most `PANEL_GROUPS` groups."""
    for group in panel.groups:
        part, look = frame[frame["group"] == group], panel.looks[group]
        every = max(1, len(part) // 6)
        axes.plot(
            part["step"], part["median"], color=look.color, linestyle=look.dashes, marker=look.marker, markersize=3.5,
            markevery=every, label=panel.labels[group],
        )  # fmt: skip
        if len(panel.groups) <= PANEL_GROUPS:
            axes.fill_between(part["step"], part["q25"], part["q75"], color=look.color, alpha=0.15, lw=0)
    axes.set_xlabel("step")
    axes.set_xlim(left=0)


def alt_curves(data: pd.DataFrame, metrics: Sequence[str]) -> str:
    """Describe in words where the medians of some metrics begin and end, for readers who cannot see the figure."""
    sentences = []
    for metric in metrics:
        groups = data[data["metric"] == metric].groupby("group", observed=True, sort=False)
        parts = [f"{group} {number(part['median'].iloc[0])} to {number(part['median'].iloc[-1])}" for group, part in groups]
        name = metric.removeprefix("angle_deg/").replace("_", " ")
        if metric.startswith("angle_deg/"):  # such as "signal layer 2"
            kind, _, layer = name.partition(" layer ")
            name = f"{kind} angle of layer {layer} in degrees" if layer else f"{kind} angle in degrees"
        sentences.append(f"Median {name}, from the first to the last step: {'; '.join(parts)}.")
    return " ".join(sentences)
