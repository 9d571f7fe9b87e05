"""The type of a readable table, and the text of cells and notes that several tables share."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from fa_sweep.report import formatting
from fa_sweep.report.formatting import p_value
from fa_sweep.report.pairs import ITSELF, PAIRED, PARTLY
from fa_sweep.report.verdicts import equivalence_verdict, number_of_tests


@dataclass(frozen=True)
class Table:
    """A table of text in a report.

    Attributes:
        title: Its title.
        frame: All its columns.
        main: The columns that a page shows at once. It shows the others on demand.
        keys: The first columns, which say what each row is about; at most two.
        note: What the reader has to know about all rows, such as the family of the tests; may be empty.
    """

    title: str
    frame: pd.DataFrame
    main: list[str]
    keys: list[str]
    note: str = ""


def without(frame: pd.DataFrame, left_out: Sequence[str]) -> list[str]:
    """Return the columns of a table apart from those that are left out."""
    return [name for name in frame if name not in left_out]


def without_empty(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table without the columns in which every cell is empty."""
    return frame.drop(columns=[name for name in frame if (frame[name] == "").all()])


def estimate(row: pd.Series, name: str, digits: int = 3, *, signed: bool = False) -> str:
    """Write an estimate with its interval, such as "200 (180 to 230)", from the columns `name`, `name_low`, `name_high`."""
    value, low, high = (float(row.get(f"{name}{suffix}", math.nan)) for suffix in ("", "_low", "_high"))
    return formatting.estimate(value, low, high, digits, signed=signed)


def design(row: pd.Series) -> str:
    """Write the design of a comparison, such as "paired, 50 seeds"."""
    if row["design"] in (PAIRED, PARTLY):
        return f"{row['design']}, {row['pairs']} seeds"
    return str(row["design"])


def p_text(value: float) -> str:
    """Write a p value as a cell, such as "0.012" or "< 0.001"; "-" if there is none."""
    return "-" if math.isnan(value) else p_value(value).removeprefix("= ")


def besides(row: pd.Series) -> dict[str, Any]:
    """Return the last cells of a comparison: its test of equivalence, and in what else the two groups differ."""
    cells = {"also differ in": row["also_differ"]}
    if "p_equivalence" in row:
        said = equivalence_verdict(row) if row["design"] != ITSELF else "-"
        tost = {"verdict": said, "TOST p": p_text(row["p_equivalence"])}
        cells = {**tost, "TOST p (Holm)": p_text(row["p_equivalence_holm"]), **cells}
    return cells


def family_note(comparisons: pd.DataFrame, *, is_primary: bool) -> str:
    """Say which family of tests a table of comparisons is, and to what its intervals and p values refer."""
    tests = number_of_tests(comparisons)
    family = f"the {'' if tests == 1 else f'{tests} '}p value{'s' * (tests != 1)} of this table"
    role = "Primary outcome." if is_primary else "Secondary outcome, with a family of tests of its own."
    note = f"{role} Holm's correction is over {family}." if tests else role
    what = "Each interval, and each p value before correction," if tests else "Each interval"
    note += f" {what} refers to one comparison by itself."
    if "margin" in comparisons and len(comparisons):
        note += (
            f" Equivalence means a difference within +-{formatting.number(comparisons['margin'].iloc[0])}. Its tests (TOST) "
            'are corrected among themselves. "Neither" means that neither a difference nor equivalence is shown.'
        )
        if "metric" in comparisons:
            note += " If the values are strongly skewed, tests of means show equivalence too easily (see Methods)."
    return note
