"""What every study is made of; the studies themselves stand beside this file, one a preset.

A study says what is asked and what was claimed; its numbers come from a tracked sweep, and its verdicts from the numbers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.estimates import FEWEST_TO_RESAMPLE, bootstrap_interval
from analysis.figures.panels import Drawn
from analysis.frames import Frames

CONFIRMED, REFUTED, DIFFERS = "confirmed", "refuted", "differs"


@dataclass(frozen=True)
class Verdict:
    """A claim, what was known or said of it, what was found, and what follows: confirmed, refuted or differs."""

    claim: str
    known: str
    found: str
    verdict: str


@dataclass(frozen=True)
class Study:
    """A question with its source; `numbers(frames)` computes the table, `draw(frames, table)` the figure, `judge` the verdicts."""

    name: str
    title: str
    question: str
    source: str
    numbers: Callable[[Frames], pd.DataFrame]
    draw: Callable[[Frames, pd.DataFrame], Drawn]
    judge: Callable[[Frames, pd.DataFrame], Sequence[Verdict]]


def summarise(frames: Frames, quantities: Mapping[str, pd.Series]) -> pd.DataFrame:
    """Return a row a group and quantity: n, median, and its interval.

    `quantities` are values a run, indexed by run id. The interval is the percentile bootstrap's over seeds, 95 %; below ten
    runs, where there is none, the range of the runs.
    """
    rows = []
    factors = [f"factor.{name}" for name in frames.factors]
    for group, runs in frames.runs.groupby("group", observed=True, sort=True):
        levels = {name.removeprefix("factor."): runs[name].iloc[0] for name in factors}
        for quantity, values in quantities.items():
            known = values.reindex(runs["run_id"]).dropna().to_numpy(float)
            rows.append({"group": str(group), **levels, "quantity": quantity, **_estimate(frames, str(group), quantity, known)})
    return pd.DataFrame(rows)


def _estimate(frames: Frames, group: str, quantity: str, values: np.ndarray) -> dict[str, object]:
    if len(values) == 0:
        return {"n": 0, "median": np.nan, "low": np.nan, "high": np.nan, "interval": "undefined"}
    if len(values) < FEWEST_TO_RESAMPLE:
        low, high, interval = values.min(), values.max(), "range"
    else:
        low, high = bootstrap_interval([values], np.median, (frames.about.hash, group, quantity, "study"))
        interval = "95 % bootstrap"
    return {"n": len(values), "median": float(np.median(values)), "low": float(low), "high": float(high), "interval": interval}


def final(frames: Frames, metric: str) -> pd.Series:
    """Return each run's value at the last evaluation, by run id."""
    return frames.runs.set_index("run_id")[f"final.{metric}"]


def mean_between(frames: Frames, metric: str, first: int, last: int) -> pd.Series:
    """Return each run's mean over the evaluations at steps first to last, both included, by run id; NaN where undefined."""
    part = frames.histories[frames.histories["step"].between(first, last)]
    return part.groupby("run_id")[metric].mean()


def last_step(frames: Frames) -> int:
    """Return the last evaluated step."""
    return int(frames.histories["step"].max())


def cell(table: pd.DataFrame, group: str, quantity: str) -> pd.Series:
    """Return the row of one group and quantity."""
    found = table[(table["group"] == group) & (table["quantity"] == quantity)]
    if len(found) != 1:
        raise KeyError(f"{quantity} of {group}: {len(found)} rows")
    return found.iloc[0]


def told(row: pd.Series, digits: int = 3) -> str:
    """Return "28.4 (27.1 to 29.9)"."""
    return f"{row['median']:.{digits}g} ({row['low']:.{digits}g} to {row['high']:.{digits}g})"


def within(claim: str, row: pd.Series, low: float, high: float, known: str) -> Verdict:
    """Judge a median against the interval that a known value has."""
    return Verdict(claim, known, told(row), CONFIRMED if low <= row["median"] <= high else DIFFERS)


def difference(frames: Frames, values: pd.Series, group: str, reference: str) -> tuple[float, float, float, int]:
    """Return the median over shared seeds of group minus reference, its 95 % bootstrap interval, and how many seeds."""
    runs = frames.runs.assign(value=values.reindex(frames.runs["run_id"]).to_numpy(float))
    ours, theirs = (runs[runs["group"] == g].set_index("seed")["value"] for g in (group, reference))
    pairs = (ours - theirs).dropna().to_numpy(float)
    low, high = bootstrap_interval([pairs], np.median, (frames.about.hash, group, reference, "difference"))
    return float(np.median(pairs)), low, high, len(pairs)
