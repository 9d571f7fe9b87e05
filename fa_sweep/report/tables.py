"""Turn tables of numbers into readable text and LaTeX. The CSV and Parquet files of a report hold the unrounded numbers."""

import math

import pandas as pd

from fa_sweep.report import formatting
from fa_sweep.report.comparisons import ITSELF, PAIRED, PARTLY
from fa_sweep.report.formatting import median_steps, number, p_value, percent, percent_range, points, steps
from fa_sweep.report.frames import Frames
from fa_sweep.report.intervals import APPROXIMATE_BELOW
from fa_sweep.report.statements import number_of_tests
from fa_sweep.sweep.outcomes import Outcome

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip


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


def latex(table: pd.DataFrame, caption: str, label: str) -> str:
    """Return a table as LaTeX source for the package booktabs, with every cell escaped."""
    columns = "l" + "r" * (table.shape[1] - 1)
    lines = [r"\begin{table}", r"\centering", rf"\caption{{{escape_latex(caption)}}}", rf"\label{{{label}}}"]
    lines += [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", _latex_row(table.columns), r"\midrule"]
    lines += [_latex_row(row) for row in table.itertuples(index=False)]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def escape_latex(text: str) -> str:
    """Escape text so that LaTeX prints it unchanged."""
    return "".join(_LATEX.get(character, character) for character in text)


def _latex_row(cells: object) -> str:
    return " & ".join(escape_latex(str(cell)) for cell in cells) + r" \\"  # type: ignore[attr-defined]
