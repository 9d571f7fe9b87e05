"""Draw the fraction converged against numeric factors: a curve for one factor, a phase diagram for two."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns

from fa_sweep.report.figures.panels import Drawn, grid
from fa_sweep.report.figures.style import legend, looks, new_figure
from fa_sweep.report.frames import Frames


def draw_factor_curve(levels: pd.DataFrame, factor: str, frames: Frames) -> Drawn:
    """Draw the fraction converged against a numeric factor, one curve per combination of the other factors.

    Args:
        levels: The table of `estimates.by_level`.
        factor: The factor on the horizontal axis.
        frames: The sweep.
    """
    others = [name for name in frames.factors if name != factor]
    labels = levels[others].astype(str).agg(", ".join, axis=1) if others else pd.Series("all runs", index=levels.index)
    figure, (axes,) = new_figure(height=3.2)
    names = list(dict.fromkeys(labels))
    for name, look in looks(names).items():
        part = levels[labels == name].sort_values(factor)
        error = [part["fraction"] - part["low"], part["high"] - part["fraction"]]
        axes.errorbar(
            part[factor], part["fraction"], yerr=np.abs(np.array(error)), color=look.color, linestyle=look.dashes,
            marker=look.marker, markersize=4, capsize=2, lw=1.2, label=name,
        )  # fmt: skip
    if (levels[factor] > 0).all() and levels[factor].max() >= 10 * levels[factor].min():
        axes.set_xscale("log")
        axes.set_xticks(sorted(levels[factor].unique()), labels=[f"{v:g}" for v in sorted(levels[factor].unique())])
        axes.minorticks_off()
    axes.set(xlabel=factor, ylabel="fraction converged", ylim=(-0.03, 1.03))
    legend(figure, axes, len(names))
    caption = (
        f"Fraction of runs that converged at each level of {factor}, with Wilson's 95 % intervals. The table of groups gives n."
    )
    alt = "; ".join(
        f"{n} at {factor} {v:g}: {f:.2f}" for n, v, f in zip(labels, levels[factor], levels["fraction"], strict=True)
    )
    return Drawn("factor_curve", figure, levels, f"Convergence against {factor}", caption, f"Fraction converged: {alt}.")


def draw_phase_diagram(levels: pd.DataFrame, factors: Sequence[str], frames: Frames) -> Drawn:
    """Draw the fraction converged over two numeric factors, one panel per combination of the other factors.

    Args:
        levels: The table of `estimates.by_level`.
        factors: The factor on the horizontal axis, and the one on the vertical axis.
        frames: The sweep.
    """
    x, y = factors
    others = [name for name in frames.factors if name not in factors]
    labels = levels[others].astype(str).agg(", ".join, axis=1) if others else pd.Series("", index=levels.index)
    names = list(dict.fromkeys(labels))
    figure, axes = grid(len(names), 2 if len(names) > 1 else 1, 0.9 + 0.42 * levels[y].nunique())
    for here, name in zip(axes, names, strict=True):
        part = levels[labels == name]
        cells, counts = (part.pivot_table(index=y, columns=x, values=v).sort_index(ascending=False) for v in ("fraction", "n"))
        text = cells.map(lambda v: "" if np.isnan(v) else f"{v:.2f}") + counts.map(
            lambda v: "" if np.isnan(v) else f"\nn={v:.0f}"
        )
        sns.heatmap(
            cells,
            annot=text,
            fmt="",
            vmin=0,
            vmax=1,
            cmap="cividis",
            ax=here,
            annot_kws={"size": 7},
            linewidths=0.5,
            cbar_kws={"label": "fraction converged"},
        )
        here.set(title=name, xlabel=x, ylabel=y)
        here.tick_params(axis="y", rotation=0)
    alt = "; ".join(
        f"{n} {x}={a:g} {y}={b:g}: {f:.2f}" for n, a, b, f in zip(labels, levels[x], levels[y], levels["fraction"], strict=True)
    )
    return Drawn(
        "phase_diagram",
        figure,
        levels,
        f"Convergence over {x} and {y}",
        "Each cell shows the fraction of runs that converged, and the number of runs n.",
        f"Fraction converged: {alt}.",
    )
