"""Tables as people read them: from numbers to text, and to LaTeX. The numbers themselves go to CSV and Parquet unrounded."""

import math

import pandas as pd

from analysis.frames import Frames
from analysis.statements import p_value, percent, points

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip


def fraction(row: pd.Series, name: str) -> str:
    """Return "12/50, 24 % (14-37)"."""
    n, count = int(row["n"]), int(row[name])
    if n == 0:
        return "-"
    return f"{count}/{n}, {percent(count / n)} ({100 * row[f'{name}_low']:.0f}-{100 * row[f'{name}_high']:.0f})"


def number(value: float, digits: int = 3) -> str:
    """Return a number as text: "-" where undefined, "inf" where infinite."""
    if math.isnan(value):
        return "-"
    return "inf" if math.isinf(value) else f"{value:.{digits}g}"


def estimate(row: pd.Series, name: str, digits: int = 3) -> str:
    """Return "200 (180-230)"; without the interval where there is none."""
    value, low, high = (float(row.get(f"{name}{suffix}", math.nan)) for suffix in ("", "_low", "_high"))
    if math.isnan(value) or math.isnan(low) or math.isnan(high):
        return number(value, digits)
    return f"{number(value, digits)} ({number(low, digits)} to {number(high, digits)})"


def readable_groups(groups: pd.DataFrame) -> pd.DataFrame:
    """Return events and times as text, a row a group."""
    rows = []
    for _, row in groups.iterrows():
        median = float(row["median_steps"])
        rows.append(
            {
                "group": row["group"],
                "n": str(row["n"]),
                "reached": fraction(row, "reached"),
                "at the end": fraction(row, "at_end"),
                "converged": fraction(row, "converged"),
                "diverged": fraction(row, "diverged"),
                "median steps": "not reached" if math.isinf(median) else number(median, 6),
                "restricted mean steps": estimate(row, "rmst_steps", 4),
            }
        )
    return pd.DataFrame(rows)


def readable_final_values(groups: pd.DataFrame) -> pd.DataFrame:
    """Return medians and interquartile means (IQM) at the last evaluation as text, a row a group."""
    titles = {"accuracy": "accuracy", "loss": "loss", "angle_deg": "gradient angle, degrees"}
    rows = []
    for _, row in groups.iterrows():
        cells = {"group": row["group"], "n": str(row["n"])}
        for name, title in titles.items():
            if f"{name}_median" in row:
                cells[f"{title}: median"] = estimate(row, f"{name}_median")
                cells[f"{title}: IQM"] = estimate(row, f"{name}_iqm")
        if "angle_deg_undefined" in row:
            cells["angle undefined"] = str(row["angle_deg_undefined"])
        rows.append(cells)
    return pd.DataFrame(rows)


def readable_comparisons(comparisons: pd.DataFrame) -> pd.DataFrame:
    """Return the table of comparisons as text, a row a comparison."""
    rows = []
    for _, row in comparisons.iterrows():
        middle, low, high = (points(float(row[f"difference{s}"])) for s in ("", "_low", "_high"))
        rows.append(
            {
                "group": row["group"],
                "against": row["reference"],
                "design": f"paired, {row['pairs']} seeds" if row["design"] == "paired" else "unpaired",
                "converged": f"{row['converged']} against {row['converged_reference']}",
                "difference, points": f"{middle} ({low} to {high})",
                "test of fractions": row["test_converged"],
                "p (Holm)": p_value(row["p_converged_holm"]).removeprefix("= "),
                "restricted mean difference, steps": estimate(row, "rmst_difference", 4),
                "test of times": row["test_time"],
                "p of times (Holm)": "-" if math.isnan(row["p_time_holm"]) else p_value(row["p_time_holm"]).removeprefix("= "),
            }
        )
    return pd.DataFrame(rows)


def runs_to_look_at(frames: Frames, most: int = 5) -> pd.DataFrame:
    """Return diverged, not converged and fastest runs of each group, with the command that reproduces each."""
    parts = []
    for _, runs in frames.runs.groupby("group", observed=True, sort=True):
        fastest = runs[runs["outcome"] == "converged"].sort_values(["convergence_step", "seed"]).head(1)
        parts.append(fastest.assign(why="fastest"))
        parts.append(runs[runs["outcome"] == "diverged"].sort_values("seed").head(most).assign(why="diverged"))
        parts.append(runs[runs["outcome"] == "not_converged"].sort_values("seed").head(most).assign(why="did not converge"))
    table = pd.concat(parts) if parts else pd.DataFrame(columns=[*frames.runs.columns, "why"])
    steps = table["convergence_step"].fillna(table["diverged_at_step"])
    return pd.DataFrame(
        {
            "run": table["name"],
            "why": table["why"],
            "at step": [number(s, 8) for s in steps],
            "reproduce": table["reproduce"],
        }
    ).reset_index(drop=True)


def latex(table: pd.DataFrame, caption: str, label: str) -> str:
    """Return a table for LaTeX's booktabs, every cell escaped."""
    columns = "l" + "r" * (table.shape[1] - 1)
    lines = [r"\begin{table}", r"\centering", rf"\caption{{{escape_latex(caption)}}}", rf"\label{{{label}}}"]
    lines += [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", _latex_row(table.columns), r"\midrule"]
    lines += [_latex_row(row) for row in table.itertuples(index=False)]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def escape_latex(text: str) -> str:
    """Return text that LaTeX prints as it stands."""
    return "".join(_LATEX.get(character, character) for character in text)


def _latex_row(cells: object) -> str:
    return " & ".join(escape_latex(str(cell)) for cell in cells) + r" \\"  # type: ignore[attr-defined]
