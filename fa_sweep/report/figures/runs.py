"""Draw single runs: their angles by outcome, and the times of one seed in two groups."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from fa_sweep.report.figures.colours import GRID, OUTCOME_MARKERS, OUTCOMES, QUIET, looks_of
from fa_sweep.report.figures.panels import Drawn, grid
from fa_sweep.report.figures.style import figure_legend, mark, row_figure
from fa_sweep.report.figures.values import LABEL, spread
from fa_sweep.report.frames import Frames
from fa_sweep.report.names import Names, fold

PAIR = tuple[str, str]


def draw_angle_against_outcome(frames: Frames, shown: Sequence[str], names: Names) -> Drawn:
    """Draw one point per run at its final gradient angle. Each group has a row, with one line of points per outcome.

    Args:
        frames: The sweep.
        shown: The groups of one page.
        names: The labels of all groups.
    """
    runs = frames.runs[frames.runs["group"].isin(shown)].astype({"group": str})
    data = runs[["group", "seed", "outcome", "final.angle_deg/gradient"]].rename(
        columns={"final.angle_deg/gradient": "angle_deg"}
    )
    data["outcome"] = data["outcome"].str.replace("_", " ")
    figure, axes = row_figure([fold(names.labels[group], LABEL) for group in shown], least=0.45)
    for row, group in enumerate(shown):
        part = data[data["group"] == group]
        for place, (outcome, marker) in enumerate(OUTCOME_MARKERS.items()):
            some = part[part["outcome"] == outcome]
            at = row + 0.26 * (place - 1) + 0.1 * spread(some["seed"])
            axes.plot(some["angle_deg"], at, marker, color=OUTCOMES[outcome], markersize=4, alpha=0.75, mew=0)
    mark(axes, 90)
    axes.set(
        xlabel="gradient angle at the end (degrees)",
        xlim=(-3, max(100.0, 5 + data["angle_deg"].max(skipna=True) if data["angle_deg"].notna().any() else 100.0)),
    )
    seen = [outcome for outcome in OUTCOME_MARKERS if (data["outcome"] == outcome).any()]
    handles = [Line2D([], [], color=OUTCOMES[name], marker=OUTCOME_MARKERS[name], linestyle="") for name in seen]
    figure_legend(figure, handles, seen)
    undefined = int(data["angle_deg"].isna().sum())
    caption = "Does alignment go together with convergence? Each point is one run, in the line of its outcome."
    caption += f" Runs without a defined angle are left out: {undefined}." if undefined else ""
    medians = data.groupby(["group", "outcome"], observed=True)["angle_deg"].median().dropna()
    parts = [f"{names.labels[group]}, {outcome}: {value:.0f}" for (group, outcome), value in medians.items()]
    alt = f"Median gradient angle at the end by outcome, in degrees: {'; '.join(parts)}."
    return Drawn("angle_against_outcome", figure, data, "Angle at the end against outcome", caption, alt)


def comparisons_in(pairs: pd.DataFrame) -> list[PAIR]:
    """Return the comparisons (group, reference) of the table of `paired_times`, in its order."""
    return list(dict.fromkeys(zip(pairs["group"], pairs["reference"], strict=True)))


def draw_paired(frames: Frames, pairs: pd.DataFrame, shown: Sequence[PAIR], names: Names) -> Drawn:
    """Draw each shared seed's time to convergence in a group against its time in the reference.

    Args:
        frames: The sweep.
        pairs: The table of `paired_times`.
        shown: The comparisons of one page.
        names: The labels of all groups.
    """
    looks = looks_of({job.group: job for job in frames.jobs}, shaded=False)
    figure, axes = grid(len(shown), 3 if len(shown) > 2 else 2, 2.8, least=2)
    parts = []
    for here, (group, reference) in zip(axes, shown, strict=True):
        parts.append(pairs[(pairs["group"] == group) & (pairs["reference"] == reference)])
        _draw_pairs(here, parts[-1], looks[group].color)
        width = 26 if len(shown) > 2 else 38
        ours, theirs, common = names.pair(group, reference)
        here.set_xlabel(fold(f"{theirs}, steps", width))
        here.set_ylabel(fold(f"{ours}, steps", width))
        here.set_title(fold(common, width), fontsize=8)
    caption = (
        "Steps to convergence of each seed in two groups. A larger dot stands for several seeds, and shows their number from "
        "five on. Seeds in the grey margins never converged in that group. Both axes have a square-root scale. Above the "
        "diagonal, the reference converged earlier."
    )
    listed = "; ".join(f"{names.labels[group]} against {names.labels[reference]}" for group, reference in shown)
    alt = f"Times to convergence of the same seeds in two groups: {listed}."
    return Drawn("paired_seeds", figure, pd.concat(parts, ignore_index=True), "Each seed in two groups", caption, alt)


def _draw_pairs(axes: Axes, part: pd.DataFrame, color: str) -> None:
    horizon = float(part["horizon"].max())
    # The axes show square roots, because most runs converge early and would overlap on a linear axis.
    x, y = (np.sqrt(part[c] / horizon).fillna(1.12) for c in ("reference_steps", "group_steps"))
    axes.axvspan(1.05, 1.2, color=GRID, lw=0)
    axes.axhspan(1.05, 1.2, color=GRID, lw=0)
    axes.plot([0, 1], [0, 1], color=QUIET, lw=0.8)
    axes.scatter(x, y, s=14 + 9 * part["n"] ** 0.8, color=color, alpha=0.5, lw=0)
    for px, py, n in zip(x, y, part["n"], strict=True):
        if n > 4:
            axes.text(px, py, str(n), fontsize=6.5, ha="center", va="center")
    ticks = [_round_down(f * horizon) for f in (0, 0.1, 0.4)]
    places = [*np.sqrt(np.array(ticks) / horizon), 1.12]
    words = [f"{t:.0f}" for t in ticks] + ["never"]
    axes.set_xticks(places, words, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(places, words)
    axes.set(xlim=(-0.05, 1.2), ylim=(-0.05, 1.2))


def _round_down(value: float) -> float:
    """Round a value down to one significant digit; 0 if it is not positive."""
    if value <= 0:
        return 0.0
    unit = 10.0 ** np.floor(np.log10(value))
    return float(np.floor(value / unit) * unit)
