"""Draw the outcome of every planned run."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path

from fa_sweep.report.figures.colours import OUTCOMES
from fa_sweep.report.figures.panels import Drawn
from fa_sweep.report.figures.style import figure_legend, row_figure
from fa_sweep.report.figures.values import LABEL
from fa_sweep.report.frames import Frames
from fa_sweep.report.names import Names, fold


def draw_outcomes(frames: Frames, shown: Sequence[str], names: Names) -> Drawn:
    """Draw every planned run as a cell coloured by its outcome, one row per group and one column per seed.

    Args:
        frames: The sweep.
        shown: The groups of one page.
        names: The labels of all groups.
    """
    wanted = set(shown)
    planned = [{"group": job.group, "seed": job.run.seed, "name": job.name} for job in frames.jobs if job.group in wanted]
    data = pd.DataFrame(planned).merge(frames.runs[["name", "outcome"]], on="name", how="left").drop(columns="name")
    data["outcome"] = data["outcome"].str.replace("_", " ").fillna("missing")
    seeds = sorted({job.run.seed for job in frames.jobs})
    figure, axes = row_figure([fold(names.labels[group], LABEL) for group in shown])
    _draw_cells(axes, data, shown, seeds)
    every = max(1, len(seeds) // 15)  # so that the labels do not overlap
    axes.set_xticks(range(0, len(seeds), every), labels=[str(seed) for seed in seeds[::every]])
    axes.set(xlabel="seed", xlim=(-0.5, len(seeds) - 0.5))
    axes.grid(visible=False)
    seen = [name for name in OUTCOMES if (data["outcome"] == name).any()]
    figure_legend(figure, [Patch(color=OUTCOMES[name]) for name in seen], seen)
    counts = data.groupby(["group", "outcome"], sort=False).size()
    alt = "Outcome of every run: " + "; ".join(f"{names.labels[g]}: {n} {o}" for (g, o), n in counts.items()) + "."
    caption = "Each cell is one run: the outcome of one seed in one group."
    return Drawn("outcomes", figure, data, "Outcome of every run", caption, alt)


def _draw_cells(axes: Axes, data: pd.DataFrame, groups: Sequence[str], seeds: Sequence[int]) -> None:
    """Draw the cells of each outcome as one path, because thousands of separate paths would make a file of megabytes."""
    rows, columns = ({value: place for place, value in enumerate(values)} for values in (groups, seeds))
    gap = 0.06 if len(seeds) <= 100 else 0.0
    for outcome, part in data.groupby("outcome"):
        x = part["seed"].map(columns).to_numpy(float)
        y = part["group"].map(rows).to_numpy(float)
        ends = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]]) * [0.5 - gap, 0.44]
        corners = np.stack([x, y], axis=1)[:, None] + ends
        codes = np.tile([Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY], len(part))
        axes.add_patch(PathPatch(Path(corners.reshape(-1, 2), codes), facecolor=OUTCOMES[str(outcome)], lw=0))
