"""Turn tables of numbers into readable text. The CSV and Parquet files of a report hold the unrounded numbers.

This module has the tables of events, times and final values; `tables_of_values` has those of other outcomes.
"""

import math
from dataclasses import replace

import pandas as pd

from fa_sweep.decisions.course import TIMES
from fa_sweep.report.analysis import Analysis
from fa_sweep.report.cells import Table, besides, design, estimate, family_note, p_text, without, without_empty
from fa_sweep.report.designs import design_tables
from fa_sweep.report.formatting import median_steps, percent, percent_range, points, steps
from fa_sweep.report.frames import Frames
from fa_sweep.report.intervals import APPROXIMATE_BELOW
from fa_sweep.report.names import Names
from fa_sweep.report.pairs import ITSELF
from fa_sweep.report.tables_of_values import tables_of
from fa_sweep.report.verdicts import number_of_tests
from fa_sweep.settings.measures import CONVERGED
from fa_sweep.sweeping.outcomes import Outcome


def readable_tables(analysis: Analysis) -> list[Table]:
    """Return the tables of a report as text, without those that have no rows. Those of the primary outcome come first."""
    groups = analysis.groups
    events, values, pairs = readable_groups(groups), readable_final_values(groups), readable_comparisons(analysis.comparisons)
    one, two = ["group"], ["group", "reference"]
    hidden = ["design", *_starting(pairs, "p", "test", "p of times")]
    decided = analysis.decides in ("", CONVERGED, TIMES)  # the rule may be about another event
    note = family_note(analysis.comparisons, is_primary=analysis.is_convergence_primary and decided)
    if analysis.frames.about.is_sequential:
        note = "Each interval holds at every number of seeds, at 95 % for its comparison alone."
        note += " The table of decisions has those that hold together." if analysis.frames.looks else ""
    compared = {CONVERGED: [Table("Comparisons", pairs, without(pairs, hidden), two, note)]}
    for outcome in analysis.measured:
        compared[str(outcome.measure)] = tables_of(outcome)
    tables = [
        *design_tables(analysis.frames),
        Table("Groups", events, without(events, ["reached", "at the end"]), one),
        *(table for text in analysis.outcomes for table in compared[text]),
        Table("Final values", values, without(values, [name for name in values if name.endswith("IQM")]), one),
    ]
    return [_labelled(table, analysis.names) for table in tables if not table.frame.empty]


def _starting(frame: pd.DataFrame, *words: str) -> list[str]:
    return [name for name in frame if name in words or name.startswith("test ")]


def _labelled(table: Table, names: Names) -> Table:
    short = {key: table.frame[key].map(lambda name: names.labels.get(name, name)) for key in table.keys}
    return replace(table, frame=table.frame.assign(**short))


def fraction(row: pd.Series, name: str) -> str:
    """Write a count of runs with its fraction and interval, such as "12/50, 24 % (14-37)"; "-" if there are no runs."""
    n, count = int(row["n"]), int(row[name])
    if n == 0:
        return "-"
    return f"{count}/{n}, {percent(count / n)} ({percent_range(row[f'{name}_low'], row[f'{name}_high'])})"


def readable_groups(groups: pd.DataFrame) -> pd.DataFrame:
    """Return the events and times of `group_table` as text, one row per group."""
    horizons = groups["horizon_steps"].dropna().unique()
    never = f"never: {steps(horizons[0])}" if len(horizons) == 1 else "never: the group's horizon"
    rows = []
    for _, row in groups.iterrows():
        median, low, high = (float(row[f"median_steps{suffix}"]) for suffix in ("", "_low", "_high"))
        cells = {
            "group": row["group"],
            "n": str(row["n"]),
            "reached": fraction(row, "reached"),
            "at the end": fraction(row, "at_end"),
            "converged": fraction(row, "converged"),
            "diverged": fraction(row, "diverged"),
            "median steps to convergence": median_steps(median, low, high),
            f"restricted mean steps ({never})": estimate(row, "rmst_steps", 4),
        }
        if len(horizons) > 1:
            cells["horizon"] = steps(float(row["horizon_steps"]))
        rows.append(cells)
    return pd.DataFrame(rows)


def readable_final_values(groups: pd.DataFrame) -> pd.DataFrame:
    """Return the final values of `group_table` as text: medians and interquartile means (IQM), one row per group."""
    titles = {
        "accuracy": ("accuracy", "0"),
        "normalised_squared_error": ("normalised squared error", "infinite"),
        "centred_squared_error": ("centred squared error", "infinite"),
        "loss": ("loss", "infinite"),
        "angle_deg": ("gradient angle (degrees)", ""),
    }
    rows = []
    for _, row in groups.iterrows():
        cells = {"group": row["group"], "n": str(row["n"])}
        for name, (title, worst) in titles.items():
            if f"{name}_median" in row:
                counted = f"; {row['diverged']} diverged, counted as {worst}" if worst and row["diverged"] else ""
                approximate = ", approximate" if row["n"] < APPROXIMATE_BELOW and not math.isnan(row[f"{name}_iqm_low"]) else ""
                cells[f"{title}: median"] = estimate(row, f"{name}_median") + counted
                cells[f"{title}: IQM"] = estimate(row, f"{name}_iqm") + approximate + counted
        if "angle_deg_undefined" in row:
            cells["runs with undefined angle"] = str(row["angle_deg_undefined"])
        rows.append(cells)
    return pd.DataFrame(rows)


def readable_comparisons(comparisons: pd.DataFrame) -> pd.DataFrame:
    """Return the table of `compare` as text, one row per comparison."""
    tests = number_of_tests(comparisons)
    rows = []
    for _, row in comparisons.iterrows():
        tested = row["design"] != ITSELF
        middle, low, high = (points(float(row[f"difference{s}"])) if tested else "-" for s in ("", "_low", "_high"))
        rows.append(
            {
                "group": row["group"],
                "reference": row["reference"],
                "design": design(row),
                "converged": f"{row['converged']}/{row['n']} against {row['converged_reference']}/{row['n_reference']}",
                "difference (points)": f"{middle} ({low} to {high})" if tested else "not tested against itself",
                "test of fractions": row["test_converged"] if tested else "-",
                "p": p_text(row["p_converged"]),
                f"p (Holm, {tests})": p_text(row["p_converged_holm"]),
                "difference in restricted mean (steps)": estimate(row, "rmst_difference", 4, signed=True),
                "test of times": "-" if math.isnan(row["p_time"]) else row["test_time"],
                "p of times": p_text(row["p_time"]),
                f"p of times (Holm, {tests})": p_text(row["p_time_holm"]),
                **besides(row),
            }
        )
    frame = without_empty(pd.DataFrame(rows))
    if len(comparisons) and tests == 0:  # the results decided how many seeds there are
        frame = frame.drop(columns=_starting(frame, "p", "p of times", f"p (Holm, {tests})", f"p of times (Holm, {tests})"))
    return frame


def runs_to_look_at(frames: Frames, most: int = 5) -> pd.DataFrame:
    """List runs worth a closer look, with the command that reproduces each.

    For each group, these are the run that converged first, up to `most` runs that diverged, and up to `most` runs that did not
    converge.
    """
    parts = []
    for _, runs in frames.runs.groupby("group", observed=True, sort=True):
        fastest = runs[runs["outcome"] == Outcome.CONVERGED].sort_values(["convergence_step", "seed"]).head(1)
        parts.append(fastest.assign(why="fastest"))
        parts.append(runs[runs["outcome"] == Outcome.DIVERGED].sort_values("seed").head(most).assign(why="diverged"))
        parts.append(
            runs[runs["outcome"] == Outcome.NOT_CONVERGED].sort_values("seed").head(most).assign(why="did not converge")
        )
    table = pd.concat(parts) if parts else pd.DataFrame(columns=[*frames.runs.columns, "why"])
    when = table["convergence_step"].fillna(table["diverged_at_step"])
    return pd.DataFrame(
        {
            "run": table["name"],
            "why": table["why"],
            "at step": [steps(value) for value in when],
            "reproduce": table["reproduce"],
        }
    ).reset_index(drop=True)
