"""Turn tables of numbers into readable text. The CSV and Parquet files of a report hold the unrounded numbers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from fa_sweep.report import formatting
from fa_sweep.report.comparisons import ITSELF, PAIRED, PARTLY
from fa_sweep.report.formatting import median_steps, number, p_value, percent, percent_range, points, steps
from fa_sweep.report.frames import Frames
from fa_sweep.report.intervals import APPROXIMATE_BELOW
from fa_sweep.report.names import Names
from fa_sweep.report.verdicts import number_of_tests
from fa_sweep.sweeping.outcomes import Outcome


@dataclass(frozen=True)
class Table:
    """A table of text in a report.

    Attributes:
        title: Its title.
        frame: All its columns.
        main: The columns that a page shows at once. It shows the others on demand.
        keys: The first columns, which say what each row is about; at most two.
    """

    title: str
    frame: pd.DataFrame
    main: list[str]
    keys: list[str]


def readable_tables(groups: pd.DataFrame, comparisons: pd.DataFrame, final: pd.DataFrame, names: Names) -> list[Table]:
    """Return the tables of a report as text, without those that have no rows.

    Args:
        groups: The table of `group_table`.
        comparisons: The table of `compare`.
        final: The table of `compare_final`.
        names: The labels of all groups.
    """
    events, values = readable_groups(groups), readable_final_values(groups)
    pairs, finals = readable_comparisons(comparisons), readable_final_comparisons(final)
    one, two = ["group"], ["group", "reference"]
    tables = [
        Table("Groups", events, _without(events, ["reached", "at the end"]), one),
        Table("Comparisons", pairs, _without(pairs, ["design", *_starting(pairs, "p", "test", "p of times")]), two),
        Table("Final values compared", finals, _without(finals, ["design", "test", "p"]), two),
        Table("Final values", values, _without(values, [name for name in values if name.endswith("IQM")]), one),
    ]
    return [_labelled(table, names) for table in tables if not table.frame.empty]


def _starting(frame: pd.DataFrame, *words: str) -> list[str]:
    return [name for name in frame if name in words or name.startswith("test ")]


def _without(frame: pd.DataFrame, left_out: Sequence[str]) -> list[str]:
    return [name for name in frame if name not in left_out]


def _labelled(table: Table, names: Names) -> Table:
    short = {key: table.frame[key].map(lambda name: names.labels.get(name, name)) for key in table.keys}
    return replace(table, frame=table.frame.assign(**short))


def fraction(row: pd.Series, name: str) -> str:
    """Write a count of runs with its fraction and interval, such as "12/50, 24 % (14-37)"; "-" if there are no runs."""
    n, count = int(row["n"]), int(row[name])
    if n == 0:
        return "-"
    return f"{count}/{n}, {percent(count / n)} ({percent_range(row[f'{name}_low'], row[f'{name}_high'])})"


def estimate(row: pd.Series, name: str, digits: int = 3, *, signed: bool = False) -> str:
    """Write an estimate with its interval, such as "200 (180 to 230)", from the columns `name`, `name_low`, `name_high`."""
    value, low, high = (float(row.get(f"{name}{suffix}", math.nan)) for suffix in ("", "_low", "_high"))
    return formatting.estimate(value, low, high, digits, signed=signed)


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


def _design(row: pd.Series) -> str:
    if row["design"] in (PAIRED, PARTLY):
        return f"{row['design']}, {row['pairs']} seeds"
    return str(row["design"])


def _p(value: float) -> str:
    return "-" if math.isnan(value) else p_value(value).removeprefix("= ")


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
                "design": _design(row),
                "converged": f"{row['converged']}/{row['n']} against {row['converged_reference']}/{row['n_reference']}",
                "difference (points)": f"{middle} ({low} to {high})" if tested else "not tested against itself",
                "test of fractions": row["test_converged"] if tested else "-",
                "p": _p(row["p_converged"]),
                f"p (Holm, {tests})": _p(row["p_converged_holm"]),
                "difference in restricted mean (steps)": estimate(row, "rmst_difference", 4, signed=True),
                "test of times": "-" if math.isnan(row["p_time"]) else row["test_time"],
                "p of times": _p(row["p_time"]),
                f"p of times (Holm, {tests})": _p(row["p_time_holm"]),
            }
        )
    return pd.DataFrame(rows)


def readable_final_comparisons(final: pd.DataFrame) -> pd.DataFrame:
    """Return the table of `compare_final` as text, one row per comparison."""
    tests = number_of_tests(final)
    rows = []
    for _, row in final.iterrows():
        few = min(row["n"], row["n_reference"]) < APPROXIMATE_BELOW and not math.isnan(row["difference_low"])
        rows.append(
            {
                "group": row["group"],
                "reference": row["reference"],
                "design": _design(row),
                "final metric": row["metric"].replace("_", " "),
                "means": f"{number(row['mean'], 4)} against {number(row['mean_reference'], 4)}",
                "difference": estimate(row, "difference", 4, signed=True) + (", approximate" if few else ""),
                "test": row["test"],
                "p": _p(row["p"]),
                f"p (Holm, {tests})": _p(row["p_holm"]),
            }
        )
    return pd.DataFrame(rows)


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
