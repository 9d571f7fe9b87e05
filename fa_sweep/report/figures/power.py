"""Draw how the power of a planned sweep, or the width of its intervals, depends on the number of seeds."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from fa_sweep.report.figures.colours import Look, looks
from fa_sweep.report.figures.panels import Drawn, grid
from fa_sweep.report.figures.style import figure_legend, mark
from fa_sweep.report.names import fold

TITLES = {
    "difference": "difference of fractions",
    "equivalence": "equivalence of fractions",
    "width": "half-width of a fraction's interval",
    "time": "difference of times",
    "final": "difference of final values",
}
LEGEND = 60  # characters


def draw_power(curve: pd.DataFrame, needed: pd.DataFrame, power: float) -> Drawn:
    """Draw the curves of a plan, one panel per question, with a point where a curve has the seeds that are needed.

    Args:
        curve: One row per question about a group and number of seeds: `question`, `group`, `reference`, `metric`, `seeds`, and
            `power`, or for the question "width" `half_width`.
        needed: The questions to draw, one row each: `question`, `group`, `reference`, `metric`, and `seeds`, the number
            that is needed, NaN if unknown.
        power: The wanted power.
    """
    references = [name for name in dict.fromkeys(needed["reference"]) if name]
    against = f", against {fold(references[0], 30)}" if len(references) == 1 else ""
    data = curve.merge(needed.drop(columns="seeds"), on=["question", "group", "reference", "metric"])
    questions = [name for name in TITLES if (data["question"] == name).any()]
    by_group = looks([str(name) for name in dict.fromkeys(needed["group"])])
    figure, axes = grid(max(1, len(questions)), 2, 2.6)
    for panel, question in zip(axes, questions, strict=False):
        for _, row in needed[needed["question"] == question].iterrows():
            label = row["group"] if against or not row["reference"] else f"{row['group']} against {row['reference']}"
            _draw_line(panel, data, row, by_group[row["group"]], fold(label, LEGEND))
        known = needed.loc[needed["question"] == question, "seeds"].dropna()
        panel.set(title=TITLES[question] + against * (question != "width"), xlabel="seeds per group")
        panel.set_xlim(0, 2 * float(known.max()) if len(known) else None)
        if question == "width":
            panel.set(ylabel="half-width", ylim=(0, None))
        else:
            panel.set(ylabel="power", ylim=(-0.02, 1.02))
            mark(panel, power, "y")
    handles: dict[str, object] = {}
    for panel in axes:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    if len(handles) > 1:
        figure_legend(figure, list(handles.values()), list(handles))
    caption = (
        "Probability that a sweep with so many seeds per group finds what the plan assumes, and, if asked for, the half-width "
        f"of the intervals. The dashed line is the wanted power, {power:g}. Points mark the seeds that are needed."
    )
    return Drawn("power", figure, data, "Seeds and power", caption, _alt(needed))


def _draw_line(axes: Axes, data: pd.DataFrame, row: pd.Series, look: Look, label: str) -> None:
    """Draw one curve, and its point."""
    same = (data[["question", "group", "reference", "metric"]] == row[["question", "group", "reference", "metric"]]).all(axis=1)
    part = data[same]
    if part.empty:
        return
    values = part["half_width" if row["question"] == "width" else "power"]
    axes.plot(part["seeds"], values, color=look.color, linestyle=look.dashes, label=label, lw=1.4)
    if not np.isnan(row["seeds"]):
        at = float(np.interp(row["seeds"], part["seeds"], values))
        axes.plot([row["seeds"]], [at], look.marker, color=look.color, markersize=5)


def _alt(needed: pd.DataFrame) -> str:
    parts = []
    for _, row in needed.dropna(subset=["seeds"]).iterrows():
        about = f" of {row['group']}" if row["group"] else ""
        about += f" against {row['reference']}" if row["reference"] else ""
        parts.append(f"{row['seeds']:.0f} for the {TITLES[row['question']]}{about}")
    return f"Seeds needed per group: {'; '.join(parts)}."
