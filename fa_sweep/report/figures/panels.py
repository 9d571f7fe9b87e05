"""Pieces that the figures share: the result type, the split of groups into panels and pages, and the drawing of curves."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fa_sweep.report.figures.colours import Look, looks_of
from fa_sweep.report.figures.style import axes_legend, figure_legend, new_figure
from fa_sweep.report.formatting import number
from fa_sweep.report.frames import Frames
from fa_sweep.report.names import Names, fold, label_of
from fa_sweep.sweeping.references import MODE_FACTORS

PANEL_GROUPS = 6  # the most curves that a reader can follow in one panel
PAGE_PANELS = 6
MOST_PAGES = 6
T = TypeVar("T")


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
    """A panel of curves.

    Attributes:
        title: Its title; empty if it is the only panel.
        groups: The groups that it shows, at most `PANEL_GROUPS`.
        labels: The label of each group.
        looks: The look of each group.
        own_legend: Whether its labels differ from those of the other panels, so that one legend cannot serve all panels.
    """

    title: str
    groups: list[str]
    labels: dict[str, str]
    looks: dict[str, Look]
    own_legend: bool = False


def split_into_panels(frames: Frames, present: Sequence[str], names: Names) -> list[Panel]:
    """Split groups into panels of at most `PANEL_GROUPS` groups, so that a reader can follow each curve.

    More groups than that get one panel per combination of all factors but one. That one is the feedback mode if it has few
    enough levels, otherwise the first factor that does. If no factor does, the groups are cut into panels of about equal size.

    Args:
        frames: The sweep.
        present: The names of the groups to draw.
        names: The labels of all groups.
    """
    jobs = {job.group: job for job in frames.jobs if job.group in set(present)}
    jobs = {group: jobs[group] for group in present}
    if len(present) <= PANEL_GROUPS:
        return [Panel("", list(present), {g: fold(names.labels[g], 60) for g in present}, looks_of(jobs))]
    first = [name for name in frames.factors if name in MODE_FACTORS]
    for inside in [*first, *(name for name in frames.factors if name not in first)]:
        by_title: dict[str, list[str]] = {}
        for group in jobs:
            by_title.setdefault(_label(names, group, {*frames.factors} - {inside}), []).append(group)
        if 1 < max(map(len, by_title.values())) <= PANEL_GROUPS:
            labels = {group: fold(_label(names, group, {inside}), 40) for group in jobs}
            return _with_legends(
                Panel(fold(title, 34), members, {g: labels[g] for g in members}, looks_of({g: jobs[g] for g in members}))
                for title, members in by_title.items()
            )
    looks, labels, count = looks_of(jobs), {group: fold(names.labels[group], 40) for group in jobs}, len(present)
    return _with_legends(
        Panel(f"groups {start + 1} to {start + len(part)} of {count}", part, labels, {g: looks[g] for g in part})
        for start, part in _evenly(list(present), PANEL_GROUPS)
    )


def _with_legends(panels: Iterable[Panel]) -> list[Panel]:
    """Decide whether one legend serves all panels: it does if no label has two looks, and if it has few entries."""
    listed = list(panels)
    looks: dict[str, set[Any]] = {}
    for panel in listed:
        for group in panel.groups:
            looks.setdefault(panel.labels[group], set()).add(repr(panel.looks[group]))
    if all(len(found) == 1 for found in looks.values()) and len(looks) <= PANEL_GROUPS:
        return listed
    return [replace(panel, own_legend=True) for panel in listed]


def _label(names: Names, group: str, factors: Collection[str]) -> str:
    return label_of({name: level for name, level in names.levels[group].items() if name in factors})


def _evenly(items: list[T], most: int) -> Iterator[tuple[int, list[T]]]:
    """Cut a list into parts of about equal length, at most `most`, and yield each part after its position."""
    parts = -(-len(items) // most)
    for part in range(parts):
        start, end = part * len(items) // parts, (part + 1) * len(items) // parts
        yield start, items[start:end]


def paged(draw: Callable[[list[T]], Drawn], items: Sequence[T], most: int, what: str) -> Iterator[Drawn]:
    """Draw items on as many pages as they need, one figure per page, up to `MOST_PAGES`.

    Args:
        draw: Draws one page of items.
        items: What to draw, such as panels, or groups that get a row each.
        most: The most items on a page.
        what: What the items are, in the plural, such as "panels of groups". The last caption says how many are not drawn.
    """
    pages = [part for _, part in _evenly(list(items), most)]
    for place, page in enumerate(pages[:MOST_PAGES], 1):
        drawn = draw(page)
        if len(pages) == 1:
            yield drawn
            return
        shown = min(len(pages), MOST_PAGES)
        caption = drawn.caption
        if place == shown < len(pages):
            left = sum(map(len, pages[shown:]))
            caption += f" {left} of {len(items)} {what} are not drawn; the files in tables/ have all of them."
        title = f"{drawn.title} (page {place} of {shown})"
        yield replace(drawn, name=drawn.name if place == 1 else f"{drawn.name}_{place}", title=title, caption=caption)


def grid(count: int, columns: int, height: float, *, least: int = 1) -> tuple[Figure, list[Axes]]:
    """Return a figure with `count` axes, at most `columns` in a row, each `height` inches high.

    Args:
        count: The number of axes.
        columns: The most columns.
        height: The height of a row in inches.
        least: The least number of columns. Fewer axes leave room on the right.
    """
    columns = max(least, min(columns, count))
    rows = -(-count // columns)
    figure, axes = new_figure(rows, columns, height=height * rows)
    for spare in axes[count:]:
        spare.set_visible(False)
    return figure, axes[:count]


def draw_curves(axes: Axes, frame: pd.DataFrame, panel: Panel) -> None:
    """Draw the medians of one metric with quartile bands, one curve per group."""
    for group in panel.groups:
        part, look = frame[frame["group"] == group], panel.looks[group]
        every = max(1, len(part) // 6)
        axes.plot(
            part["step"], part["median"], color=look.color, linestyle=look.dashes, marker=look.marker, markersize=3.5,
            markevery=every, label=panel.labels[group],
        )  # fmt: skip
        axes.fill_between(part["step"], part["q25"], part["q75"], color=look.color, alpha=0.15, lw=0)
    axes.set_xlabel("step")
    axes.set_xlim(left=0)


def draw_legends(figure: Figure, first: Sequence[Axes], panels: Sequence[Panel], width: int) -> None:
    """Name the groups of all panels: in one legend below the figure, or below each panel if their labels differ.

    Args:
        figure: The figure.
        first: For each panel, the axes below which its legend may stand.
        panels: The panels.
        width: How many characters fit below those axes.
    """
    if panels[0].own_legend:
        for axes in first:
            axes_legend(figure, axes, width)
        return
    handles: dict[str, Any] = {}
    for axes in first:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    if len(handles) > 1:
        figure_legend(figure, list(handles.values()), list(handles))


def of_groups(data: pd.DataFrame, panels: Sequence[Panel]) -> pd.DataFrame:
    """Return the rows of a table that are about the groups of some panels."""
    return data[data["group"].isin([group for panel in panels for group in panel.groups])]


def alt_curves(data: pd.DataFrame, metrics: Sequence[str], labels: Mapping[str, str]) -> str:
    """Describe in words where the medians of some metrics begin and end, for readers who cannot see the figure."""
    sentences = []
    for metric in metrics:
        groups = data[data["metric"] == metric].groupby("group", observed=True, sort=False)
        parts = [f"{labels[group]} {number(p['median'].iloc[0])} to {number(p['median'].iloc[-1])}" for group, p in groups]
        name = metric.removeprefix("angle_deg/").replace("_", " ")
        if metric.startswith("angle_deg/"):  # such as "signal layer 2"
            kind, _, layer = name.partition(" layer ")
            name = f"{kind} angle of layer {layer} in degrees" if layer else f"{kind} angle in degrees"
        sentences.append(f"Median {name}, from the first to the last step: {'; '.join(parts)}.")
    return " ".join(sentences)
