"""Pieces of the sentences in a report: counts, differences and intervals as text, and sentences about several groups."""

from collections.abc import Callable, Iterator

import pandas as pd

from fa_sweep.report.formatting import counted, estimate, percent, percent_range
from fa_sweep.report.names import Names

MOST_GROUPS = 4  # most groups with findings of their own (of more, the highest and the lowest), and most comparisons


def share(row: pd.Series, name: str = "converged") -> str:
    """Write a count of runs with its interval, such as "12 of 50 runs (24 %, 95 % CI 14-37 %)".

    A single run is written without an interval.

    Args:
        row: A row of `group_table`.
        name: Which runs are counted, such as "converged" or "reached".
    """
    n, count = int(row["n"]), int(row[name])
    if n == 1:
        return f"{count} of 1 run (one run gives no interval)"
    return f"{count} of {n} runs ({percent(count / n)}, 95 % CI {percent_range(row[f'{name}_low'], row[f'{name}_high'])} %)"


def named(comparisons: pd.DataFrame, names: Names) -> pd.DataFrame:
    """Add the words of sentences about comparisons: where they hold, and the labels of both groups without what they share."""
    pairs = [names.pair(group, its) for group, its in zip(comparisons["group"], comparisons["reference"], strict=True)]
    where = [f"At {common}, " if common else "" for _, _, common in pairs]
    subject = [place + ours for place, (ours, _, _) in zip(where, pairs, strict=True)]
    return comparisons.assign(subject=subject, other=[theirs for _, theirs, _ in pairs])


def each(groups: pd.DataFrame, column: str, quantity: str, sentence: Callable[[pd.Series], str]) -> Iterator[str]:
    """Write a sentence about each group, or about the groups with the highest and the lowest value if there are many.

    Args:
        groups: Rows of a table of groups.
        column: The column that decides which groups are selected.
        quantity: What the column is, such as "fraction converged".
        sentence: Returns the sentence about a group, without a full stop.
    """
    known = groups[groups[column].notna()]
    some, before = _some(groups, column), [""] * MOST_GROUPS
    if len(some) < len(known):
        extremes = [f"Highest {quantity} of {len(known)} groups: ", f"Lowest {quantity} of {len(known)} groups: "]
        before = extremes if len(some) == 2 else [f"Equal {quantity} in all {len(known)} groups, such as "]
    for words, (_, row) in zip(before, some.iterrows(), strict=False):
        yield f"{words}{sentence(row)}."


def _some(groups: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return all groups if they fit into a sentence, otherwise the ones with the highest and lowest value (one if equal)."""
    known = groups[groups[column].notna()]
    if len(known) <= MOST_GROUPS:
        return known
    extremes = [known[column].idxmax(), known[column].idxmin()]
    return known.loc[extremes[:1] if known[column].nunique() == 1 else extremes]


def joined(parts: list[str], rest: int, what: str) -> list[str]:
    """End sentences about comparisons with full stops, and say how many more comparisons the table holds."""
    if not parts:
        return []
    more = [f"{what}: the table holds {counted(rest, 'more comparison')}."] if rest > 0 else []
    return [*(f"{part}." for part in parts), *more]


def compared(difference: float, more: str, less: str, equal: str) -> str:
    """Return the words for a difference above zero, below zero, or at zero."""
    return more if difference > 0 else less if difference < 0 else equal


def middle(value: float, low: float, high: float) -> str:
    """Write a difference with its sign, with as many decimal places as its interval has in `interval`."""
    return estimate(value, low, high, 4, signed=True).partition(" (")[0]


def interval(value: float, low: float, high: float, *, approximate: bool = False) -> str:
    """Write an interval such as "95 % CI +2 to +5", with the same number of decimal places as the value in `middle`."""
    text = estimate(value, low, high, 4, signed=True).partition(" (")[2]
    return f"{'approximate ' if approximate else ''}95 % CI {text.rstrip(')')}" if text else "no interval"


def with_interval(value: float, low: float, high: float, digits: int = 4, unit: str = "") -> str:
    """Write a value with its unit and its interval, such as "88 degrees (95 % CI 84 to 95)"."""
    text, _, ends = estimate(value, low, high, digits).partition(" (")
    return f"{text}{unit}" + (f" (95 % CI {ends}" if ends else "")
