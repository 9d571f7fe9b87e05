"""Draw the report's figures. Each function draws a table and returns the figure together with the table.

What does not fit into one figure is split: curves into panels of at most six groups, rows and panels into pages.
"""

import fa_sweep.report.plain_matplotlib  # noqa: F401, I001 (before any import of matplotlib)

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import pandas as pd

from fa_sweep.report.analysis import Analysis, ValueOutcome
from fa_sweep.report.comparisons import paired_times
from fa_sweep.report.estimates import by_level, numeric_factors, survival
from fa_sweep.report.figures.curves import draw_angles, draw_learning, kinds_of_angle
from fa_sweep.report.figures.designs import draw_designs
from fa_sweep.report.figures.factors import draw_factor_curve, draw_phase_diagram, slices
from fa_sweep.report.figures.kaplan_meier import draw_survival
from fa_sweep.report.figures.outcomes import draw_outcomes
from fa_sweep.report.figures.panels import PAGE_PANELS, Drawn, paged, split_into_panels
from fa_sweep.report.figures.runs import comparisons_in, draw_angle_against_outcome, draw_paired
from fa_sweep.report.figures.style import save
from fa_sweep.report.figures.values import draw_differences, draw_values, is_drawn
from fa_sweep.report.frames import Frames
from fa_sweep.report.names import Names

__all__ = ["Drawn", "draw_all", "save", "split_into_panels"]

PAGE_ROWS = 14
PAGE_AXES = 15
PAGE_OUTCOMES = 30  # rows of this figure are low
PANELS, ROWS = "panels of groups", "groups"


def draw_all(analysis: Analysis) -> Iterator[Drawn]:
    """Yield every figure for which the sweep has data, in the order in which the report shows them.

    The figures of the primary outcome come first.
    """
    frames, names = analysis.frames, analysis.names
    present = [g for g in frames.groups if (frames.runs["group"] == g).any()]
    if not present:
        return
    split = split_into_panels(frames, present, names)
    yield from draw_designs(frames, names)
    if not analysis.is_convergence_primary and analysis.is_stated:
        yield from _values(analysis, analysis.measured[:1])
    curve = survival(frames)
    if not curve.empty:
        yield from paged(lambda part: draw_survival(curve, part, names), split, PAGE_PANELS, PANELS)
    yield from _against_numbers(frames, names)
    yield from paged(lambda part: draw_learning(frames, part, names), split, PAGE_PANELS, PANELS)
    yield from _values(analysis, [one for one in analysis.measured if not (one.is_primary and analysis.is_stated)])
    for kind in kinds_of_angle(frames):
        most = max(1, min(PAGE_PANELS, PAGE_AXES // len(kind.metrics)))
        yield from paged(partial(draw_angles, frames, names=names, kind=kind), split, most, PANELS)
    if "final.angle_deg/gradient" in frames.runs:
        yield from paged(lambda part: draw_angle_against_outcome(frames, part, names), present, PAGE_ROWS, ROWS)
    pairs = paired_times(frames, analysis.comparisons)
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


def _values(analysis: Analysis, outcomes: Sequence[ValueOutcome]) -> Iterator[Drawn]:
    """Draw the values of each outcome that is one number of each run, and the differences between groups."""
    for outcome in outcomes:
        metrics = list(dict.fromkeys(outcome.groups["metric"]))
        for metric in metrics:
            chosen = (outcome.groups["metric"] == metric) & (outcome.groups["n"] > 0)
            shown = list(outcome.groups.loc[chosen, "group"])
            for drawn in paged(partial(draw_values, analysis, outcome, metric), shown, PAGE_ROWS, ROWS):
                name = f"{outcome.file_name}_values"
                yield replace(drawn, name=drawn.name.replace(name, f"{name}_{metric}")) if len(metrics) > 1 else drawn
        rows = [row for _, row in outcome.comparisons.iterrows() if is_drawn(row)]
        if rows:
            yield from paged(partial(_differences, analysis, outcome), rows, PAGE_ROWS, "comparisons")


def _differences(analysis: Analysis, outcome: ValueOutcome, rows: Sequence[pd.Series]) -> Drawn:
    return draw_differences(analysis, outcome, pd.DataFrame(list(rows)))
