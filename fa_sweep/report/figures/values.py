"""Draw outcomes that are one number of each run: their distribution in each group, and the differences between groups."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from fa_sweep.report.analysis import Analysis, ValueOutcome
from fa_sweep.report.figures.colours import OUTCOME_MARKERS, OUTCOMES, QUIET, looks_of
from fa_sweep.report.figures.panels import Drawn
from fa_sweep.report.figures.style import figure_legend, log_scale, mark, row_figure
from fa_sweep.report.formatting import estimate, p_value
from fa_sweep.report.names import Names, fold
from fa_sweep.report.value_comparisons import paired_differences
from fa_sweep.report.values import values_of, worst
from fa_sweep.settings.measures import Measure

LABEL = 38  # characters in a line of a row's label
DIVERGED = OUTCOMES["diverged"]
WHERE = {"end": "at its last evaluation", "best": "at its best evaluation", "area": "in the mean over its training"}


def spread(seeds: pd.Series) -> Any:
    """Return a place between -0.5 and 0.5 for each seed, so that points overlap less.

    It depends only on the seed, not on chance, so that the same runs give the same figure.
    """
    return ((seeds * 0.618034) % 1.0) - 0.5


def draw_values(analysis: Analysis, outcome: ValueOutcome, metric: str, shown: Sequence[str]) -> Drawn:
    """Draw the value of each run, one row per group, with quartiles and the median with its interval.

    Args:
        analysis: The tables of the report.
        outcome: The outcome.
        metric: The metric whose values are drawn. Groups of one outcome may have different success metrics.
        shown: The groups of one page.
    """
    frames, names, measure = analysis.frames, analysis.names, Measure(metric, outcome.measure.reading)
    data = values_of(frames, measure)
    data = data.loc[data["group"].isin(shown), ["group", "seed", "outcome", "value"]].dropna(subset=["value"])
    finite = data[np.isfinite(data["value"])]
    table, looks = outcome.groups.set_index("group"), looks_of({job.group: job for job in frames.jobs}, shaded=False)
    texts = [f"{_estimate(table.loc[group], 'median')}\nn = {table.loc[group, 'n']}" for group in shown]
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
        _draw_summary(axes, part["value"], table.loc[group], (row - 0.16, margin, color))
    words = measure.words
    axes.set(xlabel=words)
    if log:
        log_scale(axes, "x")
    name = words if measure.reading == "area" else words.partition(" ")[2]
    caption = f"Each point is the {name} of one run" + (f" {WHERE[measure.reading]}" if measure.reading != "area" else "")
    caption += ". Above the points, the thin line extends from the first to the third quartile, and the diamond is the median. "
    caption += (
        "It has no interval, because the results decided how many runs there are."
        if frames.about.is_sequential
        else "The thick line is its 95 % interval, which needs at least six runs. The text on the right gives both."
    )
    infinite = int((~np.isfinite(data["value"])).sum())
    if (data["outcome"] == "diverged").any():
        caption += " Triangles are runs that diverged. "
        caption += "They count as infinite and stand at the right margin." if infinite else f"They count as {worst(metric)}."
    alt = f"Median {words}: " + "; ".join(f"{names.labels[g]} {text}" for g, text in zip(shown, texts, strict=True)) + "."
    name = f"{outcome.file_name}_values"
    return Drawn(name, figure, data, f"{words[:1].upper()}{words[1:]} of every run", caption, alt.replace("\n", ", "))


def _estimate(row: pd.Series, name: str, *, signed: bool = False) -> str:
    value, low, high = (float(row[f"{name}{suffix}"]) for suffix in ("", "_low", "_high"))
    return estimate(value, low, high, signed=signed)


def _draw_summary(axes: Axes, values: pd.Series, row: pd.Series, where: tuple[float, float, str]) -> None:
    """Draw a group's quartiles, and its median with its interval.

    Args:
        axes: Where to draw.
        values: The values of the group's runs.
        row: The group's row of `value_groups`.
        where: The place on the vertical axis, the place of infinite values on the horizontal axis, and the colour.
    """
    place, margin, color = where
    quartiles = np.quantile(values, [0.25, 0.75], method="nearest")
    median, low, high = (float(row[f"median{suffix}"]) for suffix in ("", "_low", "_high"))
    axes.plot(np.minimum(quartiles, margin), [place, place], color=color, lw=1)
    if not np.isnan(low):
        axes.plot(np.minimum([low, high], margin), [place, place], color=color, lw=3, solid_capstyle="butt")
    axes.plot([min(median, margin)], [place], "D", color=color, markersize=4.5)


def is_drawn(row: pd.Series) -> bool:
    """Whether a comparison has a finite difference that can be drawn, of the means or of the medians."""
    return bool(np.isfinite(row["difference"]) or np.isfinite(row["median_difference"]))


def draw_differences(analysis: Analysis, outcome: ValueOutcome, shown: pd.DataFrame) -> Drawn:
    """Draw each comparison's difference of means and median of paired differences, and the difference at each shared seed.

    Args:
        analysis: The tables of the report.
        outcome: The outcome.
        shown: The comparisons of one page: rows of `compare_values` that `is_drawn`.
    """
    values = values_of(analysis.frames, outcome.measure)
    data = pd.concat([_differences(values, row) for _, row in shown.iterrows()], ignore_index=True)
    looks = looks_of({job.group: job for job in analysis.frames.jobs}, shaded=False)
    labels = [_minus(row, analysis.names) for _, row in shown.iterrows()]
    comparisons = outcome.comparisons
    texts = [_tested(row, corrected=comparisons["p"].notna().sum() > 1) for _, row in shown.iterrows()]
    figure, axes = row_figure(labels, texts, least=0.56)
    ends = _ends(data, shown)
    for place, (_, row) in enumerate(shown.iterrows()):
        part, color = data[(data["group"] == row["group"]) & (data["reference"] == row["reference"])], looks[row["group"]].color
        points = part[part["seed"].notna()]
        beyond = ~np.isfinite(points["difference"])
        for some, marker, its in ((points[~beyond], "o", color), (points[beyond], OUTCOME_MARKERS["diverged"], DIVERGED)):
            at = place + 0.3 + 0.2 * spread(some["seed"])
            axes.plot(np.clip(some["difference"], *ends), at, marker, color=its, ms=3, alpha=0.45, mew=0)
        _draw_estimate(axes, row, "difference", (place - 0.2, color, ends))
        _draw_estimate(axes, row, "median_difference", (place + 0.02, color, ends), fill="none")
    mark(axes, 0)
    metrics = " or ".join(dict.fromkeys(Measure(metric, outcome.measure.reading).words for metric in shown["metric"]))
    axes.set(xlabel=f"difference of the {metrics}")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.6g}"))  # without a power of ten beside the label
    handles = [
        Line2D([], [], color=QUIET, marker="D", lw=2, label="difference of means, 95 % interval"),
        Line2D([], [], color=QUIET, marker="D", lw=1.2, mfc="none", label="median of paired differences, 95 % interval"),
        Line2D([], [], color=QUIET, marker="o", lw=0, ms=3, label="one seed that both groups have"),
    ]
    figure_legend(figure, handles, [str(handle.get_label()) for handle in handles])
    caption = _caption(outcome, shown, metrics, not np.isfinite(data["difference"].dropna()).all())
    parts = [f"{label} {text}".replace("\n", " ") for label, text in zip(labels, texts, strict=True)]
    alt = f"Differences of the mean {metrics}: {'; '.join(parts)}."
    title = metrics[:1].upper() + metrics[1:]
    return Drawn(f"{outcome.file_name}_differences", figure, data, f"{title} compared", caption, alt)


def _caption(outcome: ValueOutcome, shown: pd.DataFrame, metrics: str, beyond: bool) -> str:
    tests = " or ".join(dict.fromkeys(shown["test"]))
    caption = (
        f"Filled diamonds are differences of the mean {metrics}. The text on the right gives their values, with 95 % intervals "
        f"that refer to each comparison by itself, and p values ({tests}), also after Holm's correction over all comparisons. "
        "Points are the differences at single seeds that both groups have. Open diamonds are the medians of these points."
    )
    if beyond:
        caption += " Triangles at the margins are seeds at which one of the two runs diverged and counts as infinite."
    if shown["difference"].isna().any():
        caption += " Where a diverged run makes a mean infinite, the text gives the median."
    undefined = len(outcome.comparisons) - sum(is_drawn(row) for _, row in outcome.comparisons.iterrows())
    if undefined:
        of = f"{undefined} of {len(outcome.comparisons)} comparisons"
        caption += f" {of} are not drawn, because a diverged run makes a mean infinite."
    return caption


def _ends(data: pd.DataFrame, shown: pd.DataFrame) -> tuple[float, float]:
    """Return places to the left and to the right of all finite differences, for infinite ones."""
    columns = [f"{name}{end}" for name in ("difference", "median_difference") for end in ("", "_low", "_high")]
    values = np.concatenate([data["difference"].to_numpy(float), shown[columns].to_numpy(float).ravel(), [0.0]])
    values = values[np.isfinite(values)]
    gap = 0.06 * (float(values.max() - values.min()) or 1.0)
    return float(values.min()) - gap, float(values.max()) + gap


def _draw_estimate(
    axes: Axes, row: pd.Series, name: str, where: tuple[float, str, tuple[float, float]], fill: str | None = None
) -> None:
    place, color, ends = where
    value, low, high = (float(row[f"{name}{end}"]) for end in ("", "_low", "_high"))
    if np.isnan(value):
        return
    if not np.isnan(low):
        axes.plot(np.clip([low, high], *ends), [place, place], color=color, lw=1.2 if fill else 2)
    axes.plot(np.clip([value], *ends), [place], "D", color=color, markersize=4 if fill else 5, mfc=fill or color)


def _minus(row: pd.Series, names: Names) -> str:
    ours, theirs, common = names.pair(row["group"], row["reference"])
    return "\n".join(fold(text, LABEL) for text in (f"{ours} minus {theirs}", common) if text)


def _tested(row: pd.Series, *, corrected: bool) -> str:
    """Write a comparison's difference with its interval, and its p values on a second line."""
    name = "difference" if np.isfinite(row["difference"]) else "median_difference"
    holm = f", Holm {p_value(row['p_holm'])}" if corrected else ""
    return f"{_estimate(row, name, signed=True)}\np {p_value(row['p'])}{holm}"


def _differences(values: pd.DataFrame, row: pd.Series) -> pd.DataFrame:
    """Return a comparison's estimates in the first row (with seed NaN), then the difference at each shared seed."""
    ours, theirs = (values[values["group"] == row[name]].set_index("seed")["value"].dropna() for name in ("group", "reference"))
    seeds = sorted(set(ours.index) & set(theirs.index))
    differences = paired_differences(ours.loc[seeds].to_numpy(float), theirs.loc[seeds].to_numpy(float))
    columns = [f"{name}{end}" for name in ("difference", "median_difference") for end in ("", "_low", "_high")]
    found = pd.DataFrame({name: [float(row[name]), *[np.nan] * len(seeds)] for name in columns})
    found["difference"] = [float(row["difference"]), *differences]
    found["seed"] = [np.nan, *map(float, seeds)]
    return found.assign(group=row["group"], reference=row["reference"], metric=row["metric"])
