"""Draw the final values of the success metric: their distribution in each group, and the differences between groups."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from fa_sweep.report.figures.colours import OUTCOME_MARKERS, OUTCOMES, QUIET, looks_of
from fa_sweep.report.figures.panels import Drawn
from fa_sweep.report.figures.style import figure_legend, log_scale, mark, row_figure
from fa_sweep.report.formatting import estimate, p_value
from fa_sweep.report.frames import Frames
from fa_sweep.report.names import Names, fold

LABEL = 38  # characters in a line of a row's label
DIVERGED = OUTCOMES["diverged"]


def spread(seeds: pd.Series) -> Any:
    """Return a place between -0.5 and 0.5 for each seed, so that points overlap less.

    It depends only on the seed, not on chance, so that the same runs give the same figure.
    """
    return ((seeds * 0.618034) % 1.0) - 0.5


def draw_final_values(frames: Frames, groups: pd.DataFrame, metric: str, shown: Sequence[str], names: Names) -> Drawn:
    """Draw the final value of each run, one row per group, with quartiles and the median with its interval.

    Args:
        frames: The sweep.
        groups: The table of `group_table`.
        metric: The metric whose final values are drawn.
        shown: The groups of one page.
        names: The labels of all groups.
    """
    data = frames.runs.loc[frames.runs["group"].isin(shown), ["group", "seed", "outcome", f"final.{metric}"]]
    data = data.rename(columns={f"final.{metric}": "value"}).dropna(subset=["value"]).astype({"group": str})
    finite = data[np.isfinite(data["value"])]
    table, looks = groups.set_index("group"), looks_of({job.group: job for job in frames.jobs}, shaded=False)
    texts = [_median_text(data.loc[data["group"] == group, "value"], table.loc[group], metric) for group in shown]
    figure, axes = row_figure([fold(names.labels[group], LABEL) for group in shown], texts, least=0.5)
    log = bool(len(finite)) and finite["value"].min() > 0 and finite["value"].max() > 20 * finite["value"].min()
    low, high = (float(finite["value"].min()), float(finite["value"].max())) if len(finite) else (0.0, 1.0)
    # Infinite values, those of diverged runs, are drawn in a margin beyond the largest finite value.
    margin = high * (high / low) ** 0.08 if log else high + 0.08 * ((high - low) or 1.0)
    for row, group in enumerate(shown):
        part, color = data[data["group"] == group], looks[group].color
        diverged = part["outcome"] == "diverged"
        for some, marker, its in ((part[~diverged], "o", color), (part[diverged], OUTCOME_MARKERS["diverged"], DIVERGED)):
            places = row + 0.2 + 0.26 * spread(some["seed"])
            axes.plot(np.minimum(some["value"], margin), places, marker, color=its, ms=3.2, alpha=0.55, mew=0)
        _draw_summary(axes, part["value"], table.loc[group], metric, (row - 0.16, margin, color))
    title = metric.replace("_", " ")
    axes.set(xlabel=f"final {title}")
    if log:
        log_scale(axes, "x")
    caption = (
        f"Each point is the {title} of one run at its last evaluation. Above the points, the thin line extends from the first "
        "to the third quartile, and the diamond is the median. The thick line is its 95 % interval, which needs at least six "
        "runs. The text on the right gives both."
    )
    infinite = int((~np.isfinite(data["value"])).sum())
    if (data["outcome"] == "diverged").any():
        caption += " Triangles are runs that diverged. "
        caption += "They count as infinite and stand at the right margin." if infinite else "They count as 0."
    alt = f"Median final {title}: " + "; ".join(f"{names.labels[g]} {text}" for g, text in zip(shown, texts, strict=True)) + "."
    return Drawn("final_values", figure, data, f"Final {title} of every run", caption, alt.replace("\n", ", "))


def _median_text(values: pd.Series, row: pd.Series, metric: str) -> str:
    median, low, high = (float(row[f"{metric}_median{suffix}"]) for suffix in ("", "_low", "_high"))
    return f"{estimate(median, low, high)}\nn = {len(values)}"


def _draw_summary(axes: Axes, values: pd.Series, row: pd.Series, metric: str, where: tuple[float, float, str]) -> None:
    """Draw a group's quartiles, and its median with its interval.

    Args:
        axes: Where to draw.
        values: The final values of the group's runs.
        row: The group's row of `group_table`.
        metric: The metric.
        where: The place on the vertical axis, the place of infinite values on the horizontal axis, and the colour.
    """
    place, margin, color = where
    quartiles = np.quantile(values, [0.25, 0.75], method="nearest")
    median, low, high = (float(row[f"{metric}_median{suffix}"]) for suffix in ("", "_low", "_high"))
    axes.plot(np.minimum(quartiles, margin), [place, place], color=color, lw=1)
    if not np.isnan(low):
        axes.plot(np.minimum([low, high], margin), [place, place], color=color, lw=3, solid_capstyle="butt")
    axes.plot([min(median, margin)], [place], "D", color=color, markersize=4.5)


def draw_final_differences(frames: Frames, shown: pd.DataFrame, final: pd.DataFrame, names: Names) -> Drawn:
    """Draw each comparison's difference of mean final values with its interval, and the difference at each shared seed.

    Args:
        frames: The sweep.
        shown: The comparisons of one page: rows of `compare_final` whose difference is defined.
        final: The table of `compare_final`.
        names: The labels of all groups.
    """
    data = pd.concat([_differences(frames, row) for _, row in shown.iterrows()], ignore_index=True)
    looks = looks_of({job.group: job for job in frames.jobs}, shaded=False)
    labels = [_minus(row, names) for _, row in shown.iterrows()]
    texts = [_tested(row, corrected=final["p"].notna().sum() > 1) for _, row in shown.iterrows()]
    figure, axes = row_figure(labels, texts, least=0.5)
    for place, (_, row) in enumerate(shown.iterrows()):
        part, color = data[(data["group"] == row["group"]) & (data["reference"] == row["reference"])], looks[row["group"]].color
        axes.plot(part["difference"], place + 0.24 + 0.2 * spread(part["seed"]), "o", color=color, ms=3, alpha=0.45, mew=0)
        if not np.isnan(row["difference_low"]):
            axes.plot([row["difference_low"], row["difference_high"]], [place, place], color=color, lw=2)
        axes.plot([row["difference"]], [place], "D", color=color, markersize=5)
    mark(axes, 0)
    metrics = " or ".join(dict.fromkeys(shown["metric"].str.replace("_", " ")))
    axes.set(xlabel=f"difference of the final {metrics}")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.6g}"))  # without a power of ten beside the label
    handles = [
        Line2D([], [], color=QUIET, marker="D", lw=2, label="difference of means, 95 % interval"),
        Line2D([], [], color=QUIET, marker="o", lw=0, ms=3, label="one seed that both groups have"),
    ]
    figure_legend(figure, handles, [str(handle.get_label()) for handle in handles])
    tests = " or ".join(dict.fromkeys(shown["test"]))
    caption = (
        f"Diamonds are differences of the mean final {metrics}. The text on the right gives their values, with 95 % intervals "
        f"that refer to each comparison by itself, and p values ({tests}), also after Holm's correction over all comparisons. "
        "Points are the differences at single seeds that both groups have."
    )
    undefined = int(final["difference"].isna().sum())
    if undefined:
        caption += f" {undefined} of {len(final)} comparisons are not drawn, because a diverged run makes a mean infinite."
    parts = [f"{label} {text}".replace("\n", " ") for label, text in zip(labels, texts, strict=True)]
    alt = f"Differences of the mean final {metrics}: {'; '.join(parts)}."
    return Drawn("final_differences", figure, data, f"Final {metrics} compared", caption, alt)


def _minus(row: pd.Series, names: Names) -> str:
    ours, theirs, common = names.pair(row["group"], row["reference"])
    return "\n".join(fold(text, LABEL) for text in (f"{ours} minus {theirs}", common) if text)


def _tested(row: pd.Series, *, corrected: bool) -> str:
    """Write a comparison's difference with its interval, and its p values on a second line."""
    difference = estimate(row["difference"], row["difference_low"], row["difference_high"], signed=True)
    holm = f", Holm {p_value(row['p_holm'])}" if corrected else ""
    return f"{difference}\np {p_value(row['p'])}{holm}"


def _differences(frames: Frames, row: pd.Series) -> pd.DataFrame:
    """Return a comparison's difference of means in the first row (with seed NaN), then the difference at each shared seed."""
    runs = frames.runs.set_index("seed")[["group", f"final.{row['metric']}"]]
    ours, theirs = (runs.loc[runs["group"] == row[name], f"final.{row['metric']}"] for name in ("group", "reference"))
    pairs = (ours - theirs).dropna().rename("difference").reset_index()
    whole = row[["difference", "difference_low", "difference_high"]].to_frame().T.assign(seed=np.nan)
    parts = [whole] if pairs.empty else [whole, pairs]
    found = pd.concat(parts, ignore_index=True).astype(float)
    return found.assign(group=row["group"], reference=row["reference"], metric=row["metric"])
