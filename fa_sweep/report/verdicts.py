"""Say in words what a test of two groups found, and whether it could have found a difference."""

import math

import pandas as pd

from fa_sweep.report.formatting import counted, number, p_value
from fa_sweep.report.intervals import APPROXIMATE_BELOW
from fa_sweep.report.pairs import PAIRED, PARTLY

LEVEL = 0.05


def number_of_tests(comparisons: pd.DataFrame) -> int:
    """Return the number of p values in a table of comparisons. Holm's correction is made for this number of tests."""
    columns = [c for c in ("p_converged", "p_time", "p") if c in comparisons]
    return int(comparisons[columns].notna().to_numpy().sum())


def _design(row: pd.Series) -> str:
    shared = counted(row["pairs"], "shared seed")
    if row["design"] == PAIRED:
        return shared
    runs = f"{row['n']} and {row['n_reference']} runs"
    return f"{runs} with {shared}" if row["design"] == PARTLY else f"{runs} without shared seeds"


def verdict(row: pd.Series, test: str, quantity: str, tests: int) -> str:
    """Say whether two groups differ significantly in a quantity, and if not, whether so few runs could have shown it."""
    suffix = f"_{test}" if test else ""
    p, holm, least = row[f"p{suffix}"], row[f"p{suffix}_holm"], row[f"p{suffix}_least"]
    low, high = (row[f"{'rmst_' if test == 'time' else ''}difference_{end}"] for end in ("low", "high"))
    text = f"The difference in {quantity} is {'' if holm < LEVEL else 'not '}significant"
    if holm >= LEVEL and least > LEVEL / tests:
        text += f". {_too_few(row, test, tests)}"
    if not math.isnan(low) and (low > 0 or high < 0) != (p < LEVEL):
        text += ". Interval and test disagree here, and the verdict follows the test"
    return text


def equivalence(row: pd.Series) -> list[str]:
    """Say whether two groups are shown to be equivalent; nothing if there is no margin, or no test of equivalence."""
    p, corrected = (row.get(name, math.nan) for name in ("p_equivalence", "p_equivalence_holm"))
    if math.isnan(p):
        return []
    shown = "Equivalent within" if corrected < LEVEL else "Not shown to be equivalent within"
    # Tests of means are only approximate in small groups, as are the intervals; those of fractions are better.
    few = "metric" in row and min(row["n"], row["n_reference"]) < APPROXIMATE_BELOW
    tost = f"{'approximate ' if few else ''}TOST p {p_value(corrected)}{' after Holm' if corrected != p else ''}"
    return [f"{shown} +-{number(row['margin'])} ({tost})"]


def equivalence_verdict(row: pd.Series) -> str:
    """Say in a few words whether two groups are shown to be equivalent within the margin, or to differ, or both, or neither.

    Args:
        row: A row of a table of comparisons with the columns of a test of equivalence.
    """
    differs = row["p_converged_holm" if "p_converged_holm" in row else "p_holm"] < LEVEL
    if row["p_equivalence_holm"] < LEVEL:
        return f"equivalent within +-{number(row['margin'])}" + (", although the difference is significant" if differs else "")
    return "differs" if differs else "neither"


def _too_few(row: pd.Series, test: str, tests: int) -> str:
    """Compare the least possible p value with the strictest level of Holm's correction.

    With m discordant pairs, McNemar's least p value is 2^(1-m). The correction may allow a larger p value if other tests of the
    table reject.
    """
    strictest = f"the strictest level of Holm's correction over {tests} tests" if tests > 1 else "its level"
    level = f"{number(LEVEL / tests, 2)}, {strictest}"
    least = row[f"p_{test}_least" if test else "p_least"]
    if test == "converged" and row["design"] == PAIRED:
        discordant = int(row["discordant"])
        needed = next(m for m in range(2, 100) if 2.0 ** (1 - m) <= LEVEL / tests)
        some = f"Only {counted(discordant, 'shared seed has', 'shared seeds have')}" if discordant else "No shared seed has"
        differ = f"{some} different outcomes in the two groups"
        return f"{differ}; with fewer than {needed}, the test cannot reach {level}"
    # "About", because a p value from random permutations may fall slightly below the least one of all permutations.
    smallest = "1" if least >= 1 else f"about {number(least, 2)}"
    return f"So few runs differ that the test cannot give a p value below {smallest}, and so cannot reach {level}"


def _holm(p: float, tests: int) -> str:
    return f"p {p_value(p)} after Holm's correction over {tests} tests" if tests > 1 else ""


def test_sentence(row: pd.Series, name: str, tests: int, *more: str) -> str:
    """Write the sentence about a test: its name, its p values, the number of seeds, and whatever else counts."""
    suffix = f"_{name}" if name else ""
    details = [f"p {p_value(row[f'p{suffix}'])}", _holm(row[f"p{suffix}_holm"], tests), _design(row), *more]
    return f"Test: {row[f'test{suffix}']}, {'; '.join(filter(None, details))}"
