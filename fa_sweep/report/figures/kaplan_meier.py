"""Draw Kaplan-Meier curves with the numbers of runs at risk."""

from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from fa_sweep.report.figures.colours import QUIET
from fa_sweep.report.figures.panels import Drawn, Panel, of_groups
from fa_sweep.report.figures.style import new_figure
from fa_sweep.report.names import Names, fold

LINE = 0.135  # inches: the height of a line of text in the rows of runs at risk


def draw_survival(curve: pd.DataFrame, split: list[Panel], names: Names) -> Drawn:
    """Draw the survival curves, one panel per entry of `split`, with the numbers of runs at risk below each panel.

    Args:
        curve: The table of `estimates.survival`.
        split: The panels of one page.
        names: The labels of all groups.
    """
    columns = min(2, len(split))
    rows = -(-len(split) // columns)
    panels = [_with_rows(panel, 26 if columns == 1 else 16) for panel in split]
    lines = [max(_lines(p) for p in panels[row * columns : (row + 1) * columns]) for row in range(rows)]
    heights = [height for count in lines for height in (2.5 if rows == 1 else 2.1, LINE * (count + 1.6))]
    figure, axes = new_figure(2 * rows, columns, height=sum(heights) + 0.5 * rows + 0.3, gridspec_kw={"height_ratios": heights})
    for number in range(rows * columns):
        row, column = divmod(number, columns)
        main, table = axes[2 * row * columns + column], axes[(2 * row + 1) * columns + column]
        if number >= len(panels):
            main.set_visible(False)
            table.set_visible(False)
            continue
        _draw_steps(main, curve, panels[number])
        _draw_at_risk(table, curve, panels[number], main, (lines[row], 0.05 * columns))
        if column == 0:
            main.set_ylabel("fraction not yet converged")
    bands = "" if curve["low"].isna().all() else ", with pointwise 95 % bands (each holds for one step)"
    caption = (
        f"Kaplan-Meier estimate of the fraction of runs that have not yet converged{bands}. The rows below "
        "the axis name each group and count its runs still at risk. A plus sign marks runs that never converge, "
        "including any that diverged; they are censored at the horizon, the last step at which convergence can begin."
    )
    shown = of_groups(curve, split)
    return Drawn("survival", figure, shown, "Time to convergence", caption, _alt_survival(shown, names))


def _with_rows(panel: Panel, width: int) -> Panel:
    """Return the panel with labels folded to the width of the rows below its axis."""
    return replace(panel, labels={group: fold(label.replace("\n", " "), width) for group, label in panel.labels.items()})


def _lines(panel: Panel) -> int:
    return sum(label.count("\n") + 1 for label in panel.labels.values())


def _draw_steps(axes: Axes, curve: pd.DataFrame, panel: Panel) -> None:
    for group in panel.groups:
        part, look = curve[curve["group"] == group], panel.looks[group]
        if part.empty:
            continue
        steps, values = np.r_[0.0, part["step"]], np.r_[1.0, part["survival"]]
        axes.step(steps, values, where="post", color=look.color, linestyle=look.dashes)
        axes.fill_between(part["step"], part["low"], part["high"], step="post", color=look.color, alpha=0.15, lw=0)
        if part["censored"].iloc[-1]:
            axes.plot(part["step"].iloc[-1], part["survival"].iloc[-1], "+", color=look.color, markersize=9, mew=1.6)
    axes.set(ylim=(-0.02, 1.02), xlabel="step", title=panel.title)
    axes.set_xlim(left=0)


def _draw_at_risk(axes: Axes, curve: pd.DataFrame, panel: Panel, main: Axes, size: tuple[int, float]) -> None:
    """Write one row per group below the axis: its label, a piece of its curve, and its number of runs at risk at each tick.

    A run is at risk at a step if it had not converged before.

    Args:
        axes: The axes of the rows. Their vertical unit is a line of text.
        curve: The table of `estimates.survival`.
        panel: The panel, with labels that are folded to the width of the rows.
        main: The axes above, which get the ticks.
        size: How many lines the rows of the longest panel beside this one have, and the length of the piece of curve as a
            fraction of the width of the axes.
    """
    lines, length = size
    horizon = float(curve.loc[curve["group"].isin(panel.groups), "step"].max())
    ticks = [t for t in MaxNLocator(4 if panel.title else 6, integer=True).tick_values(0, horizon) if 0 <= t <= horizon]
    main.set_xticks(ticks)
    axes.set(xlim=main.get_xlim(), ylim=(lines + 0.5, -1.1))
    axes.axis("off")
    beside = axes.get_yaxis_transform()
    axes.text(-0.045 - length, -0.4, "runs at risk", fontsize=7, color=QUIET, va="center", ha="right", transform=beside)
    top = 0.5
    for group in panel.groups:
        part, look, label = curve[curve["group"] == group], panel.looks[group], panel.labels[group]
        color = look.color
        more = label.count("\n")
        row = top + more / 2
        top += more + 1
        sample = Line2D([-0.03 - length, -0.03], [row, row], color=color, linestyle=look.dashes, lw=1.4, transform=beside)
        axes.add_artist(sample).set_clip_on(False)
        axes.text(-0.045 - length, row, label, fontsize=7, va="center", ha="right", transform=beside, linespacing=1.0)
        for tick in ticks:
            earlier = int(part.loc[part["step"] < tick, "events"].sum())
            left = str(int(part["n"].iloc[0]) - earlier) if len(part) else "-"
            axes.text(tick, row, left, fontsize=7, color=color, va="center", ha="left" if tick == ticks[0] else "center")


def _alt_survival(curve: pd.DataFrame, names: Names) -> str:
    ends = curve.groupby("group", sort=False).last()
    parts = [f"{names.labels[group]} {row['survival']:.2f} (n = {row['n']:.0f})" for group, row in ends.iterrows()]
    return f"Survival curves of the time to convergence. Fraction not converged at the horizon: {'; '.join(parts)}."
