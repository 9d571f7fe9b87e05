"""The building blocks of studies. The studies themselves are listed in `fa_sweep.studies.STUDIES`.

A study states a question and the claims to be tested. Its numbers come from a sweep of its preset. The rule in `claims.decide`
derives the verdicts from the numbers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fa_sweep.report.estimates import event_fractions
from fa_sweep.report.figures.panels import Drawn
from fa_sweep.report.frames import Frames
from fa_sweep.report.intervals import FEWEST_FOR_A_MEDIAN as FEWEST
from fa_sweep.report.intervals import difference_of_fractions, median_interval
from fa_sweep.studies.claims import Claim, Estimate, shown
from fa_sweep.sweeping.outcomes import Outcome, wilson_interval

ORDER_STATISTICS = "95 % order statistics"

EVENTS = {"reached": "reached", "at_end": "at the end", "converged": "converged", "diverged": "diverged"}


@dataclass(frozen=True)
class Study:
    """A study: a question with its source, and the functions that answer it from the frames of a sweep.

    Attributes:
        name: The name of the study, which is also the name of its preset.
        title: The title of its findings page.
        question: What the study asks.
        source: Where the experiment comes from, and how this one differs from the original.
        numbers: Computes the table of the page from the frames (see `summarise` and `outcomes`).
        draw: Draws the figure of the page from the frames and the table.
        judge: Returns the claims with their verdicts, given the frames and the table.
        remarks: Returns further sentences for the page, given the frames and the table.
    """

    name: str
    title: str
    question: str
    source: str
    numbers: Callable[[Frames], pd.DataFrame]
    draw: Callable[[Frames, pd.DataFrame], Drawn]
    judge: Callable[[Frames, pd.DataFrame], Sequence[Claim]]
    remarks: Callable[[Frames, pd.DataFrame], Sequence[str]] = lambda frames, table: ()


def median_estimate(quantity: str, values: Any, form: str = "plain", note: str = "") -> Estimate:
    """Estimate the median of a quantity with its interval.

    Args:
        quantity: What is estimated, in words.
        values: (R,) one value per run; NaN is left out. If there are too few values for an interval, the estimate's note gives
            their range.
        form: How the numbers are written, see `claims.shown`.
        note: What the estimate's note says in addition to the number of values.
    """
    known = np.asarray(values, dtype=float)
    known = known[~np.isnan(known)]
    counted = f"n = {len(known)}"
    if 0 < len(known) < FEWEST:
        counted += f", range {shown(known.min(), form)} to {shown(known.max(), form)}"
    low, high = median_interval(known)
    note = "; ".join(part for part in (counted, note) if part)
    return Estimate(quantity, _median(known), low, high, note, form)


def _median(values: np.ndarray) -> float:
    """Return the median: of two middle values the mean, or the lower one if the upper is infinite (as in Kaplan-Meier)."""
    if len(values) == 0:
        return np.nan
    ordered = np.sort(values)
    middle = ordered[(len(ordered) - 1) // 2 : len(ordered) // 2 + 1]
    return float(middle[0] if np.isinf(middle).any() else middle.mean())


def fraction_estimate(quantity: str, flags: Any) -> Estimate:
    """Estimate the fraction of runs whose flag is true, with Wilson's interval. `flags` (R,) holds one flag per run."""
    known = np.asarray(flags, dtype=bool)
    count, n = int(known.sum()), len(known)
    return Estimate(quantity, count / n if n else np.nan, *wilson_interval(count, n), f"{count} of {n}", "percent")


def fraction_difference(quantity: str, ours: pd.Series, theirs: pd.Series) -> Estimate:
    """Estimate the difference of two fractions on shared seeds, with Newcombe's interval for pairs.

    Args:
        quantity: What is estimated, in words.
        ours: Flags of the first group, indexed by seed.
        theirs: Flags of the second group, indexed by seed. Seeds that only one group has are left out.

    Returns:
        The first fraction minus the second, written in percentage points.
    """
    shared = ours.index.intersection(theirs.index)
    a, b = (part.loc[shared].to_numpy(bool) for part in (ours, theirs))
    low, high = difference_of_fractions(a, b, (a, b))
    note = f"{int(a.sum())} against {int(b.sum())} of {len(shared)} runs, same seeds"
    return Estimate(quantity, float(a.mean() - b.mean()), low, high, note, "points")


def median_difference(quantity: str, ours: pd.Series, theirs: pd.Series, form: str = "signed", note: str = "") -> Estimate:
    """Estimate the median difference between two groups over the seeds that they share.

    Args:
        quantity: What is estimated, in words.
        ours: Values of the first group, indexed by seed.
        theirs: Values of the second group, indexed by seed. They are subtracted from the values of the first group.
        form: How the numbers are written, see `claims.shown`.
        note: What the estimate's note says in addition to the number of values.
    """
    pairs = ours - theirs
    return median_estimate(quantity, pairs.dropna(), form, "; ".join(part for part in ("same seeds", note) if part))


def by_seed(frames: Frames, values: pd.Series, group: str) -> pd.Series:
    """Return the values of one group's runs, indexed by seed.

    Args:
        frames: The sweep.
        values: One value per run of the sweep, indexed by run id.
        group: The name of the group.

    Raises:
        KeyError: If the group has no finished run.
    """
    runs = frames.runs[frames.runs["group"] == group]
    if runs.empty:
        raise KeyError(f"no run of {group}")
    return pd.Series(values.reindex(runs["run_id"]).to_numpy(), index=runs["seed"].to_numpy())


def converged(frames: Frames, group: str) -> pd.Series:
    """Return whether each run of a group converged, indexed by seed."""
    runs = frames.runs[frames.runs["group"] == group]
    return pd.Series((runs["outcome"] == Outcome.CONVERGED).to_numpy(), index=runs["seed"].to_numpy())


def summarise(frames: Frames, quantities: Mapping[str, pd.Series]) -> pd.DataFrame:
    """Estimate the median of each quantity over the runs of each group, with its interval.

    Args:
        frames: The sweep.
        quantities: The values of each quantity, by its name: one value per run, indexed by run id. NaN is left out.

    Returns:
        One row per group and quantity, with the group's level of each factor, `n`, `median`, `low` and `high`. The column
        `interval` says what `low` and `high` are: the ends of an interval (`ORDER_STATISTICS`), the smallest and the largest
        value if there are too few for an interval ("range"), or NaN because there are no values ("undefined").
    """
    rows = []
    factors = [f"factor.{name}" for name in frames.factors]
    for group, runs in frames.runs.groupby("group", observed=True, sort=True):
        levels = {name.removeprefix("factor."): runs[name].iloc[0] for name in factors}
        for quantity, values in quantities.items():
            known = values.reindex(runs["run_id"]).dropna().to_numpy(float)
            rows.append({"group": str(group), **levels, "quantity": quantity, **_row(known)})
    return pd.DataFrame(rows)


def _row(values: np.ndarray) -> dict[str, object]:
    if len(values) == 0:
        return {"n": 0, "median": np.nan, "low": np.nan, "high": np.nan, "interval": "undefined"}
    low, high = median_interval(values)
    interval = ORDER_STATISTICS
    if len(values) < FEWEST:
        low, high, interval = float(values.min()), float(values.max()), "range"
    return {"n": len(values), "median": _median(values), "low": low, "high": high, "interval": interval}


def outcomes(frames: Frames) -> pd.DataFrame:
    """Summarise the outcomes of each group, one row per group.

    Returns:
        A table with the group's level of each factor, `n`, and these columns:

        - for each of reached, at_end, converged and diverged: the number of runs, the fraction (`*_fraction`), and Wilson's
          interval (`*_low`, `*_high`);
        - the median step of convergence (`steps_*`), for which a run that never converged counts as infinite;
        - the median gradient angle at the end (`angle_deg_*`), and the number of runs in which it is undefined.

        If there are fewer than six values, `*_low` and `*_high` of a median are the smallest and the largest value.
    """
    rows = []
    factors = [f"factor.{name}" for name in frames.factors]
    for group, runs in frames.runs.groupby("group", observed=True, sort=True):
        row: dict[str, Any] = {"group": str(group), **{f.removeprefix("factor."): runs[f].iloc[0] for f in factors}}
        row["n"] = len(runs)
        row |= event_fractions(runs)
        steps = _row(runs["convergence_step"].fillna(np.inf).to_numpy(float))
        angles = _row(runs["final.angle_deg/gradient"].dropna().to_numpy(float))
        for name, found in (("steps", steps), ("angle_deg", angles)):
            row |= {f"{name}_{column}": found[column] for column in ("median", "low", "high")}
        row["angle_deg_undefined"] = len(runs) - int(str(angles["n"]))
        rows.append(row)
    return pd.DataFrame(rows)


def medians_in_words(table: pd.DataFrame) -> str:
    """Return the medians in a table of `summarise` as text, one quantity after the other, for readers who cannot see a figure."""
    quantities = []
    for quantity, rows in table.groupby("quantity", sort=False):
        values = [f"{row['group']} {shown(row['median'], 'plain')}" for _, row in rows.iterrows()]
        quantities.append(f"{quantity}: {'; '.join(values)}")
    return ". ".join(quantities)


def final(frames: Frames, metric: str) -> pd.Series:
    """Return each run's value of a metric at the last evaluation, indexed by run id."""
    return frames.runs.set_index("run_id")[f"final.{metric}"]


def mean_between(frames: Frames, metric: str, first: int, last: int) -> pd.Series:
    """Return each run's mean of a metric over the evaluations at steps `first` to `last`, both included, indexed by run id."""
    part = frames.histories[frames.histories["step"].between(first, last)]
    return part.groupby("run_id")[metric].mean()


def first_below(frames: Frames, metric: str, bound: float) -> pd.Series:
    """Return the first evaluated step at which each run's metric is below a bound, indexed by run id; infinite if never."""
    below = frames.histories[frames.histories[metric] < bound]
    return below.groupby("run_id")["step"].min().reindex(frames.runs["run_id"]).fillna(np.inf)


def stays_below(frames: Frames, metric: str, bound: float, first: int) -> pd.Series:
    """Return whether each run's metric is below a bound at every evaluation from step `first` on, indexed by run id."""
    part = frames.histories[frames.histories["step"] >= first]
    return (part[metric] < bound).groupby(part["run_id"]).all().reindex(frames.runs["run_id"])


def last_step(frames: Frames) -> int:
    """Return the last evaluated step of the sweep."""
    return int(frames.histories["step"].max())


def cell(table: pd.DataFrame, group: str, quantity: str) -> pd.Series:
    """Return the row of one group and quantity in the table of `summarise`. Raises KeyError unless there is exactly one."""
    found = table[(table["group"] == group) & (table["quantity"] == quantity)]
    if len(found) != 1:
        raise KeyError(f"{quantity} of {group}: {len(found)} rows")
    return found.iloc[0]


def estimate_of(row: pd.Series, name: str, form: str = "plain") -> Estimate:
    """Turn a row of `summarise` into an estimate called `name`. If the row has a range, the estimate's note gives it."""
    if row["interval"] == ORDER_STATISTICS:
        return Estimate(name, row["median"], row["low"], row["high"], f"n = {row['n']}", form)
    spread = f"range {shown(row['low'], form)} to {shown(row['high'], form)}"
    return Estimate(name, row["median"], np.nan, np.nan, f"n = {row['n']}, {spread}", form)


def beats(frames: Frames, group: str, reference: str) -> Estimate:
    """Estimate by how much a group's fraction of converged runs exceeds that of a reference group, on shared seeds."""
    name = f"share of converged runs, {group} minus {reference} (in percentage points)"
    return fraction_difference(name, converged(frames, group), converged(frames, reference))
