"""Draw the report's figures. Each function draws a table and returns the figure together with the table.

What does not fit into one figure is split: curves into panels of at most six groups, rows and panels into pages.
"""

import fa_sweep.report.plain_matplotlib  # noqa: F401, I001 (before any import of matplotlib)

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pandas as pd

from fa_sweep.report.comparisons import paired_times
from fa_sweep.report.estimates import by_level, numeric_factors, survival
from fa_sweep.report.figures.curves import draw_angles, draw_learning, kinds_of_angle
from fa_sweep.report.figures.factors import draw_factor_curve, draw_phase_diagram, slices
from fa_sweep.report.figures.final import draw_final_differences, draw_final_values
from fa_sweep.report.figures.kaplan_meier import draw_survival
from fa_sweep.report.figures.outcomes import draw_outcomes
from fa_sweep.report.figures.panels import PAGE_PANELS, Drawn, paged, split_into_panels
from fa_sweep.report.figures.runs import comparisons_in, draw_angle_against_outcome, draw_paired
from fa_sweep.report.figures.style import save
from fa_sweep.report.frames import Frames
from fa_sweep.report.names import Names

__all__ = ["Drawn", "draw_all", "save", "split_into_panels"]

PAGE_ROWS = 14
PAGE_AXES = 15
PAGE_OUTCOMES = 30  # rows of this figure are low
PANELS, ROWS = "panels of groups", "groups"


def draw_all(
    frames: Frames, groups: pd.DataFrame, comparisons: pd.DataFrame, final: pd.DataFrame, names: Names
) -> Iterator[Drawn]:
    """Yield every figure for which the sweep has data, in the order in which the report shows them.

    Args:
        frames: The sweep.
        groups: The table of `group_table`.
        comparisons: The table of `compare`.
        final: The table of `compare_final`.
        names: The labels of all groups.
    """
    present = [g for g in frames.groups if (frames.runs["group"] == g).any()]
    if not present:
        return
    split = split_into_panels(frames, present, names)
    curve = survival(frames)
    if not curve.empty:
        yield from paged(lambda part: draw_survival(curve, part, names), split, PAGE_PANELS, PANELS)
    yield from _against_numbers(frames, names)
    yield from paged(lambda part: draw_learning(frames, part, names), split, PAGE_PANELS, PANELS)
    yield from _final_values(frames, groups, final, names)
    for kind in kinds_of_angle(frames):
        most = max(1, min(PAGE_PANELS, PAGE_AXES // len(kind.metrics)))
        yield from paged(partial(draw_angles, frames, names=names, kind=kind), split, most, PANELS)
    if "final.angle_deg/gradient" in frames.runs:
        yield from paged(lambda part: draw_angle_against_outcome(frames, part, names), present, PAGE_ROWS, ROWS)
    pairs = paired_times(frames, comparisons)
    if not pairs.empty:
        listed = comparisons_in(pairs)
        yield from paged(lambda part: draw_paired(frames, pairs, part, names), listed, PAGE_PANELS, "comparisons")
    yield from paged(lambda part: draw_outcomes(frames, part, names), frames.groups, PAGE_OUTCOMES, ROWS)


def _against_numbers(frames: Frames, names: Names) -> Iterator[Drawn]:
    numbers, levels = numeric_factors(frames), by_level(frames)
    if len(numbers) == 1:
        (factor,) = numbers
        lines = slices(frames, levels, [factor], names)
        yield from paged(lambda part: draw_factor_curve(levels, factor, part), lines, 6, "lines")
    elif numbers:
        panels = slices(frames, levels, numbers[:2], names)
        yield from paged(lambda part: draw_phase_diagram(levels, numbers[:2], part), panels, PAGE_PANELS, "panels")


def _final_values(frames: Frames, groups: pd.DataFrame, final: pd.DataFrame, names: Names) -> Iterator[Drawn]:
    """Draw the final values of each success metric of the sweep, and the differences between groups."""
    metrics = {job.group: job.run.task.success.metric for job in frames.jobs}
    for metric in dict.fromkeys(metrics.values()):
        column = f"final.{metric}"
        if column not in frames.runs or f"{metric}_median" not in groups:
            continue
        known = set(frames.runs.loc[frames.runs[column].notna(), "group"])
        shown = [group for group in frames.groups if metrics[group] == metric and group in known]
        for drawn in paged(partial(draw_final_values, frames, groups, metric, names=names), shown, PAGE_ROWS, ROWS):
            several = len(set(metrics.values())) > 1
            yield replace(drawn, name=drawn.name.replace("final_values", f"final_values_{metric}")) if several else drawn
    rows = [row for _, row in final[final["difference"].notna()].iterrows()]
    if rows:
        yield from paged(
            lambda part: draw_final_differences(frames, pd.DataFrame(part), final, names), rows, PAGE_ROWS, "comparisons"
        )
