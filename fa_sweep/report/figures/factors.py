"""Draw the fraction converged against numeric factors: a curve for one factor, a phase diagram for two."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import seaborn as sns

from fa_sweep.report.figures.colours import Look, looks_of
from fa_sweep.report.figures.panels import Drawn, grid
from fa_sweep.report.figures.style import legend, new_figure
from fa_sweep.report.frames import Frames
from fa_sweep.report.names import Names, fold, label_of
from fa_sweep.sweeping.jobs import Job

# The text on the cells of a phase diagram. The cells keep their colours on a dark page, and so must the text: see `inline`.
ON_LIGHT, ON_DARK = "#010101", "#fefefe"


@dataclass(frozen=True)
class Slice:
    """The groups that agree in all factors but the numeric ones that a figure shows: a curve, or a panel.

    Attributes:
        label: What they agree in; empty if there is nothing else.
        groups: Their names.
        look: How to draw them as a curve.
    """

    label: str
    groups: list[str]
    look: Look


def slices(frames: Frames, levels: pd.DataFrame, factors: Sequence[str], names: Names) -> list[Slice]:
    """Return the slices of a sweep, in its order, each with a look of its own.

    Args:
        frames: The sweep.
        levels: The table of `estimates.by_level`.
        factors: The numeric factors that the figure shows.
        names: The labels of all groups.
    """
    present = set(levels["group"])
    jobs: dict[str, Job] = {job.group: job for job in frames.jobs if job.group in present}
    found: dict[str, list[str]] = {}
    for group in jobs:
        label = label_of({name: level for name, level in names.levels[group].items() if name not in factors})
        found.setdefault(label, []).append(group)
    without = {
        label: replace(jobs[members[0]], factors={k: v for k, v in jobs[members[0]].factors.items() if k not in factors})
        for label, members in found.items()
    }
    looks = looks_of(without)
    return [Slice(label, members, looks[label]) for label, members in found.items()]


def draw_factor_curve(levels: pd.DataFrame, factor: str, shown: Sequence[Slice]) -> Drawn:
    """Draw the fraction converged against a numeric factor, one curve per slice.

    Args:
        levels: The table of `estimates.by_level`.
        factor: The factor on the horizontal axis.
        shown: The slices of one page.
    """
    figure, (axes,) = new_figure(height=3.2)
    data = levels[levels["group"].isin([group for one in shown for group in one.groups])]
    parts = []
    for one in shown:
        part = data[data["group"].isin(one.groups)].sort_values(factor)
        error = [part["fraction"] - part["low"], part["high"] - part["fraction"]]
        axes.errorbar(
            part[factor], part["fraction"], yerr=np.abs(np.array(error)), color=one.look.color, linestyle=one.look.dashes,
            marker=one.look.marker, markersize=4, capsize=2, lw=1.2, label=fold(one.label, 60) or "all runs",
        )  # fmt: skip
        at = [f"{one.label} at {factor} {v:g}: {f:.2f}".strip() for v, f in zip(part[factor], part["fraction"], strict=True)]
        parts += at
    if (levels[factor] > 0).all() and levels[factor].max() >= 10 * levels[factor].min():
        axes.set_xscale("log")
        axes.set_xticks(sorted(levels[factor].unique()), labels=[f"{v:g}" for v in sorted(levels[factor].unique())])
        axes.minorticks_off()
    axes.set(xlabel=factor, ylabel="fraction converged", ylim=(-0.03, 1.03))
    legend(figure, axes, len(shown))
    caption = (
        f"Fraction of runs that converged at each level of {factor}, with Wilson's 95 % intervals. The table of groups gives n."
    )
    title = f"Convergence against {factor}"
    return Drawn("factor_curve", figure, data, title, caption, f"Fraction converged: {'; '.join(parts)}.")


def draw_phase_diagram(levels: pd.DataFrame, factors: Sequence[str], shown: Sequence[Slice]) -> Drawn:
    """Draw the fraction converged over two numeric factors, one panel per slice.

    Args:
        levels: The table of `estimates.by_level`.
        factors: The factor on the horizontal axis, and the one on the vertical axis.
        shown: The slices of one page.
    """
    x, y = factors
    data = levels[levels["group"].isin([group for one in shown for group in one.groups])]
    figure, axes = grid(len(shown), 2 if len(shown) > 1 else 1, 1.0 + 0.42 * levels[y].nunique())
    parts = []
    for here, one in zip(axes, shown, strict=True):
        part = data[data["group"].isin(one.groups)]
        cells, counts = (part.pivot_table(index=y, columns=x, values=v).sort_index(ascending=False) for v in ("fraction", "n"))
        text = cells.map(lambda v: "" if np.isnan(v) else f"{v:.2f}") + counts.map(
            lambda v: "" if np.isnan(v) else f"\nn={v:.0f}"
        )
        sns.heatmap(
            cells, annot=text, fmt="", vmin=0, vmax=1, cmap="cividis", ax=here, annot_kws={"size": 7}, rasterized=True,
            cbar_kws={"label": "fraction converged"},
        )  # fmt: skip
        for cell in here.texts:
            cell.set_color(ON_DARK if cell.get_color() == "w" else ON_LIGHT)
        here.set(title=fold(one.label, 38), xlabel=x, ylabel=y)
        here.tick_params(axis="y", rotation=0)
        parts += [
            f"{one.label} {x}={a:g} {y}={b:g}: {f:.2f}".strip()
            for a, b, f in zip(part[x], part[y], part["fraction"], strict=True)
        ]
    caption = "Each cell shows the fraction of runs that converged, and the number of runs n."
    title = f"Convergence over {x} and {y}"
    return Drawn("phase_diagram", figure, data, title, caption, f"Fraction converged: {'; '.join(parts)}.")
