"""Draw the report's figures. Each function draws a table and returns the figure together with the table.

With more than six groups, curves are split into panels, one per combination of the factors other than the feedback mode.
"""

import fa_sweep.report.plain_matplotlib  # noqa: F401, I001 (before any import of matplotlib)

from collections.abc import Iterator

import pandas as pd

from fa_sweep.report.comparisons import paired_times
from fa_sweep.report.estimates import by_level, numeric_factors, survival
from fa_sweep.report.figures.curves import draw_angles, draw_learning
from fa_sweep.report.figures.factors import draw_factor_curve, draw_phase_diagram
from fa_sweep.report.figures.kaplan_meier import draw_survival
from fa_sweep.report.figures.panels import Drawn, split_into_panels
from fa_sweep.report.figures.runs import draw_angle_against_outcome, draw_final_differences, draw_outcomes, draw_paired
from fa_sweep.report.figures.style import save
from fa_sweep.report.frames import Frames

__all__ = ["Drawn", "draw_all", "save", "split_into_panels"]


def draw_all(frames: Frames, comparisons: pd.DataFrame, final: pd.DataFrame) -> Iterator[Drawn]:
    """Yield every figure for which the sweep has data, in the order in which the report shows them.

    Args:
        frames: The sweep.
        comparisons: The table of `compare`.
        final: The table of `compare_final`.
    """
    present = [g for g in frames.groups if (frames.runs["group"] == g).any()]
    if not present:
        return
    split = split_into_panels(frames, present)
    curve = survival(frames)
    if not curve.empty:
        yield draw_survival(curve, split)
    levels = by_level(frames)
    numbers = numeric_factors(frames)
    if len(numbers) == 2:
        yield draw_phase_diagram(levels, numbers, frames)
    elif len(numbers) == 1:
        yield draw_factor_curve(levels, numbers[0], frames)
    yield draw_learning(frames, split)
    yield from draw_angles(frames, split)
    if "final.angle_deg/gradient" in frames.runs:
        yield draw_angle_against_outcome(frames, present)
    differences = final[final["difference"].notna()]
    if not differences.empty:
        yield draw_final_differences(frames, differences)
    pairs = paired_times(frames, comparisons)
    if not pairs.empty:
        yield draw_paired(pairs)
    yield draw_outcomes(frames)
