"""Draw Kaplan-Meier curves with the numbers of runs at risk."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from fa_sweep.report.figures.panels import PANEL_GROUPS, Drawn, Panel
from fa_sweep.report.figures.style import legend, new_figure


def draw_survival(curve: pd.DataFrame, split: list[Panel]) -> Drawn:
    """Draw the survival curves, one panel per entry of `split`, with the numbers of runs at risk below each panel.

    Args:
        curve: The table of `estimates.survival`.
        split: The panels and their groups, from `split_into_panels`.
    """
    columns = min(3, len(split)) if len(split) > 1 else 1
    rows = -(-len(split) // columns)
    most = max(len(panel.groups) for panel in split)
    figure, axes = new_figure(
        2 * rows,
        columns,
        height=rows * (2.5 + 0.3 + 0.17 * most),
        gridspec_kw={"height_ratios": [2.5, 0.17 * most + 0.3] * rows},
    )
    for number, panel in enumerate(split):
        row, column = divmod(number, columns)
        main, table = axes[2 * row * columns + column], axes[(2 * row + 1) * columns + column]
        _draw_steps(main, curve, panel)
        _draw_at_risk(table, curve, panel, main)
        if column == 0:
            main.set_ylabel("fraction not yet converged")
    for number in range(len(split), rows * columns):
        row, column = divmod(number, columns)
        axes[2 * row * columns + column].set_visible(False)
        axes[(2 * row + 1) * columns + column].set_visible(False)
    legend(figure, axes[0], most)
    caption = (
        "Kaplan-Meier estimate of the fraction of runs that have not yet converged, with pointwise 95 % bands (each holds "
        "for one step). The numbers below the axis count the runs still at risk. A plus sign marks runs that never converge, "
        "including any that diverged; they are censored at the horizon, the last step at which convergence can begin."
    )
    return Drawn("survival", figure, curve, "Time to convergence", caption, _alt_survival(curve))


def _draw_steps(axes: Axes, curve: pd.DataFrame, panel: Panel) -> None:
    for group in panel.groups:
        part, look = curve[curve["group"] == group], panel.looks[group]
        if part.empty:
            continue
        steps, values = np.r_[0.0, part["step"]], np.r_[1.0, part["survival"]]
        axes.step(steps, values, where="post", color=look.color, linestyle=look.dashes, label=panel.labels[group])
        if len(panel.groups) <= PANEL_GROUPS:
            axes.fill_between(part["step"], part["low"], part["high"], step="post", color=look.color, alpha=0.15, lw=0)
        if part["censored"].iloc[-1]:
            axes.plot(part["step"].iloc[-1], part["survival"].iloc[-1], "+", color=look.color, markersize=9, mew=1.6)
    axes.set(ylim=(-0.02, 1.02), xlabel="step", title=panel.title)
    axes.set_xlim(left=0)


def _draw_at_risk(axes: Axes, curve: pd.DataFrame, panel: Panel, main: Axes) -> None:
    """Write below each tick, for each group, how many runs had not converged before that step."""
    horizon = float(curve.loc[curve["group"].isin(panel.groups), "step"].max())
    ticks = [t for t in MaxNLocator(3 if panel.title else 6, integer=True).tick_values(0, horizon) if 0 <= t <= horizon]
    main.set_xticks(ticks)
    axes.set(xlim=main.get_xlim(), ylim=(len(panel.groups) - 0.4, -1.4))
    axes.axis("off")
    axes.text(0, -1.0, "at risk", fontsize=7, color="0.4", va="center", ha="left", transform=axes.get_yaxis_transform())
    for row, group in enumerate(panel.groups):
        part, color = curve[curve["group"] == group], panel.looks[group].color
        if len(panel.groups) > PANEL_GROUPS:  # colours alone cannot distinguish so many groups
            axes.text(
                -0.01,
                row,
                panel.labels[group],
                fontsize=7,
                color=color,
                va="center",
                ha="right",
                transform=axes.get_yaxis_transform(),
            )
        for tick in ticks:
            earlier = int(part.loc[part["step"] < tick, "events"].sum())
            left = int(part["n"].iloc[0]) - earlier if len(part) else 0
            side = "left" if tick == ticks[0] else "center"
            axes.text(tick, row, str(left), fontsize=7, color=color, va="center", ha=side)


def _alt_survival(curve: pd.DataFrame) -> str:
    ends = curve.groupby("group", sort=False).last()
    parts = [f"{group} {row['survival']:.2f} (n = {row['n']:.0f})" for group, row in ends.iterrows()]
    return f"Survival curves of the time to convergence. Fraction not converged at the horizon: {'; '.join(parts)}."
