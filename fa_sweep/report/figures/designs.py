"""Draw how the settings of a sweep were chosen, and how its intervals narrowed while seeds were added."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from fa_sweep.decisions.choice import CONVERGED, Choice, Scored, label
from fa_sweep.decisions.course import course_of
from fa_sweep.decisions.rules import FINAL
from fa_sweep.report.designs import choice_table, is_numeric, look_table
from fa_sweep.report.figures.colours import looks
from fa_sweep.report.figures.panels import PAGE_PANELS, Drawn, grid, paged
from fa_sweep.report.figures.style import figure_legend, log_scale, mark
from fa_sweep.report.frames import Frames
from fa_sweep.report.names import Names, fold

WIDE = 10  # numbers whose ends differ by this factor are drawn on a logarithmic scale
COLOUR = "#0072b2"


def draw_designs(frames: Frames, names: Names) -> list[Drawn]:
    """Return the figures about the design of a sweep; none for a grid."""
    found = []
    if frames.choices:
        factors = [str(name) for name in frames.about.design["chosen"]]
        found += [draw_choices(frames, name) for name in factors if is_numeric(frames.choices, name)]
    if frames.looks:
        look = frames.looks[-1]
        about = [(one.group, "") for one in look.groups] if look.rule.about_groups else []
        about += [(one.group, one.reference) for one in look.comparisons] if not look.rule.about_groups else []
        found += paged(partial(draw_looks, frames, names), about, PAGE_PANELS, "panels")
    return found


def draw_choices(frames: Frames, factor: str) -> Drawn:
    """Draw what was best at each level of a chosen factor on the tuning seeds, one curve per group, with its choice marked."""
    by = str(frames.about.design["by"])
    data = choice_table(frames)
    groups = [label(choice) for choice in frames.choices]
    figure, (axes,) = grid(1, 1, 3.2)
    for choice, look in zip(frames.choices, looks(groups).values(), strict=True):
        points = _best_at_each_level(choice, factor)
        levels = sorted(points)
        values = [_height(points[level], by) for level in levels]
        axes.plot(
            levels, values, color=look.color, linestyle=look.dashes, marker=look.marker, markersize=4, label=label(choice)
        )
        chosen = dict(choice.best.levels)[factor]
        axes.plot([chosen], [_height(choice.best, by)], "o", markersize=10, markerfacecolor="none", color=look.color)
    levels = pd.to_numeric(data[factor])
    if (levels > 0).all() and levels.max() >= WIDE * levels.min():
        log_scale(axes, "x")
    axes.set(xlabel=factor, ylabel="fraction converged" if by == CONVERGED else f"median final {by.replace('_', ' ')}")
    if by == CONVERGED:
        axes.set_ylim(-0.03, 1.03)
    handles, texts = axes.get_legend_handles_labels()
    if len(handles) > 1:
        figure_legend(figure, handles, [fold(text, 40) for text in texts])
    others = len(frames.about.design["chosen"]) > 1
    caption = (
        f"What each group reached on the {frames.about.design['seeds']} tuning seeds at each {factor}"
        f"{', with the best of the other settings' if others else ''}. Circles mark the choices. The best of several noisy "
        "values is too good to be true, so no test uses these runs."
    )
    alt = "; ".join(f"{label(choice)} chose {factor} {dict(choice.best.levels)[factor]}" for choice in frames.choices)
    name = f"choices_{factor.replace('.', '_')}"
    return Drawn(name, figure, data, f"How {factor} was chosen", caption, f"{alt}.")


def _best_at_each_level(choice: Choice, factor: str) -> dict[float, Scored]:
    found: dict[float, Scored] = {}
    for one in choice.tried:
        level = dict(one.levels)[factor]
        if level not in found or one.score > found[level].score:
            found[level] = one
    return found


def _height(one: Scored, by: str) -> float:
    return one.converged / one.n if by == CONVERGED else one.median


def draw_looks(frames: Frames, names: Names, about: Sequence[tuple[str, str]]) -> Drawn:
    """Draw the estimates and intervals after each round of seeds, one panel per group or comparison.

    Args:
        frames: The sweep.
        names: The labels of all groups.
        about: The (group, reference) of each panel; the reference is empty for a group alone.
    """
    course = course_of(frames.about.design, frames.jobs)
    table = look_table(frames)
    data = table[[pair in set(about) for pair in zip(table["group"], table["reference"], strict=True)]]
    figure, axes = grid(len(about), 2, 2.3)
    for panel, pair in zip(axes, about, strict=True):
        part = data[(data["group"] == pair[0]) & (data["reference"] == pair[1])]
        _draw_course(panel, part)
        if pair[1]:
            ours, theirs, _ = names.pair(*pair)
            panel.set_title(fold(f"{ours} against {theirs}", 44))
            mark(panel, course.rule.null, "y")
            for end in (-1, 1) if course.rule.margin is not None else ():
                mark(panel, end * (course.rule.margin or 0.0), "y")
        else:
            panel.set_title(fold(names.labels[pair[0]], 44))
        panel.set(
            xlabel="seeds", ylabel="share of pairs won" if course.rule.outcome == FINAL else "difference" if pair[1] else ""
        )
    caption = (
        "Estimate and interval after each round of seeds. The intervals hold at all numbers of seeds simultaneously, so they "
        "may decide when to stop. Dashed lines mark no difference and, if there is one, the margin."
    )
    last = data[data["seeds"] == data["seeds"].max()]
    parts = [
        f"{row['group']} {row['reference']}".strip() + f": {row['low']:.3g} to {row['high']:.3g}" for _, row in last.iterrows()
    ]
    return Drawn("looks", figure, data, "The course of the sweep", caption, f"Last intervals: {'; '.join(parts)}.")


def _draw_course(axes: Axes, part: pd.DataFrame) -> None:
    error = np.abs(np.array([part["estimate"] - part["low"], part["high"] - part["estimate"]]))
    error[:, ~np.isfinite(error).all(axis=0)] = 0.0
    axes.fill_between(part["seeds"], part["low"], part["high"], color=COLOUR, alpha=0.18, lw=0)
    axes.errorbar(part["seeds"], part["estimate"], yerr=error, color=COLOUR, marker="o", markersize=3, capsize=2, lw=1.2)
