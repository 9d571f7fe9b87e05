"""What every study is made of; the studies themselves stand beside this file, one per preset.

A study says what is asked and what was claimed. Its numbers come from a tracked sweep, and its verdicts from the numbers, by the
rule of `claims.decide`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fa_sweep.report.figures.panels import Drawn
from fa_sweep.report.frames import Frames
from fa_sweep.report.intervals import FEWEST_FOR_A_MEDIAN as FEWEST
from fa_sweep.report.intervals import difference_of_fractions, median_interval
from fa_sweep.studies.claims import Claim, Estimate, shown
from fa_sweep.sweep.outcomes import Outcome, wilson_interval

ORDER_STATISTICS = "95 % order statistics"

EVENTS = {"reached": "reached", "at_end": "at the end", "converged": "converged", "diverged": "diverged"}


@dataclass(frozen=True)
class Study:
    """A question with its source; `numbers(frames)` computes the table, `draw(frames, table)` the figure, `judge` the claims."""

    name: str
    title: str
    question: str
    source: str
    numbers: Callable[[Frames], pd.DataFrame]
    draw: Callable[[Frames, pd.DataFrame], Drawn]
    judge: Callable[[Frames, pd.DataFrame], Sequence[Claim]]
    remarks: Callable[[Frames, pd.DataFrame], Sequence[str]] = lambda frames, table: ()


def median_estimate(quantity: str, values: Any, form: str = "plain", note: str = "") -> Estimate:
    """Return a median with its interval; where there are too few values for one, the note gives their range."""
    known = np.asarray(values, dtype=float)
    known = known[~np.isnan(known)]
    counted = f"n = {len(known)}"
    if 0 < len(known) < FEWEST:
        counted += f", range {shown(known.min(), form)} to {shown(known.max(), form)}"
    low, high = median_interval(known)
    note = "; ".join(part for part in (counted, note) if part)
    return Estimate(quantity, _median(known), low, high, note, form)


def _median(values: np.ndarray) -> float:
    """Return the median; of an even number with an infinite middle the lower one of the two, as Kaplan-Meier's is."""
    if len(values) == 0:
        return np.nan
    ordered = np.sort(values)
    middle = ordered[(len(ordered) - 1) // 2 : len(ordered) // 2 + 1]
    return float(middle[0] if np.isinf(middle).any() else middle.mean())


def fraction_estimate(quantity: str, flags: Any) -> Estimate:
    """Return a fraction of runs with Wilson's interval."""
    known = np.asarray(flags, dtype=bool)
    count, n = int(known.sum()), len(known)
    return Estimate(quantity, count / n if n else np.nan, *wilson_interval(count, n), f"{count} of {n}", "percent")


def fraction_difference(quantity: str, ours: pd.Series, theirs: pd.Series) -> Estimate:
    """Return the difference of two fractions on the seeds that both have, in points, with Newcombe's paired interval."""
    shared = ours.index.intersection(theirs.index)
    a, b = (part.loc[shared].to_numpy(bool) for part in (ours, theirs))
    low, high = difference_of_fractions(a, b, (a, b))
    note = f"{int(a.sum())} against {int(b.sum())} of {len(shared)}, same seeds"
    return Estimate(quantity, float(a.mean() - b.mean()), low, high, note, "points")


def median_difference(quantity: str, ours: pd.Series, theirs: pd.Series, form: str = "signed", note: str = "") -> Estimate:
    """Return the median over shared seeds of ours minus theirs; each is a value per seed."""
    pairs = ours - theirs
    return median_estimate(quantity, pairs.dropna(), form, "; ".join(part for part in ("same seeds", note) if part))


def by_seed(frames: Frames, values: pd.Series, group: str) -> pd.Series:
    """Return one group's values, indexed by seed; `values` are per run, indexed by run id."""
    runs = frames.runs[frames.runs["group"] == group]
    if runs.empty:
        raise KeyError(f"no run of {group}")
    return pd.Series(values.reindex(runs["run_id"]).to_numpy(), index=runs["seed"].to_numpy())


def converged(frames: Frames, group: str) -> pd.Series:
    """Return whether each run of a group converged, indexed by seed."""
    runs = frames.runs[frames.runs["group"] == group]
    return pd.Series((runs["outcome"] == Outcome.CONVERGED).to_numpy(), index=runs["seed"].to_numpy())


def summarise(frames: Frames, quantities: Mapping[str, pd.Series]) -> pd.DataFrame:
    """Return one row per group and quantity: n, median, and its interval.

    `quantities` are one value per run, indexed by run id. Where there are too few runs for an interval, low and high are the
    range of the runs, and the column `interval` says so.
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
    """Return one row per group: how many runs reached, were there at the end, converged and diverged, with Wilson's intervals.

    With it the median step of convergence (a run that never converged counts as infinite) and the median gradient angle at the
    end, and in how many runs that angle is undefined.
    """
    rows = []
    factors = [f"factor.{name}" for name in frames.factors]
    for group, runs in frames.runs.groupby("group", observed=True, sort=True):
        row: dict[str, Any] = {"group": str(group), **{f.removeprefix("factor."): runs[f].iloc[0] for f in factors}}
        row["n"] = len(runs)
        flags = {
            "reached": runs["first_reach_step"].notna(),
            "at_end": runs["at_end"].astype(bool),
            "converged": runs["outcome"] == Outcome.CONVERGED,
            "diverged": runs["outcome"] == Outcome.DIVERGED,
        }
        for name, flag in flags.items():
            count = int(flag.sum())
            low, high = wilson_interval(count, len(runs))
            row |= {name: count, f"{name}_fraction": count / len(runs), f"{name}_low": low, f"{name}_high": high}
        steps = _row(runs["convergence_step"].fillna(np.inf).to_numpy(float))
        angles = _row(runs["final.angle_deg/gradient"].dropna().to_numpy(float))
        for name, found in (("steps", steps), ("angle_deg", angles)):
            row |= {f"{name}_{column}": found[column] for column in ("median", "low", "high")}
        row["angle_deg_undefined"] = len(runs) - int(str(angles["n"]))
        rows.append(row)
    return pd.DataFrame(rows)


def final(frames: Frames, metric: str) -> pd.Series:
    """Return each run's value at the last evaluation, by run id."""
    return frames.runs.set_index("run_id")[f"final.{metric}"]


def mean_between(frames: Frames, metric: str, first: int, last: int) -> pd.Series:
    """Return each run's mean over the evaluations at steps first to last, both included, by run id; NaN where undefined."""
    part = frames.histories[frames.histories["step"].between(first, last)]
    return part.groupby("run_id")[metric].mean()


def first_below(frames: Frames, metric: str, bound: float) -> pd.Series:
    """Return the first evaluated step at which each run's metric is below a bound, by run id; infinite where it never is."""
    below = frames.histories[frames.histories[metric] < bound]
    return below.groupby("run_id")["step"].min().reindex(frames.runs["run_id"]).fillna(np.inf)


def stays_below(frames: Frames, metric: str, bound: float, first: int) -> pd.Series:
    """Return whether each run's metric is below a bound at every evaluation from a step on, by run id."""
    part = frames.histories[frames.histories["step"] >= first]
    return (part[metric] < bound).groupby(part["run_id"]).all().reindex(frames.runs["run_id"])


def last_step(frames: Frames) -> int:
    """Return the last evaluated step."""
    return int(frames.histories["step"].max())


def cell(table: pd.DataFrame, group: str, quantity: str) -> pd.Series:
    """Return the row of one group and quantity."""
    found = table[(table["group"] == group) & (table["quantity"] == quantity)]
    if len(found) != 1:
        raise KeyError(f"{quantity} of {group}: {len(found)} rows")
    return found.iloc[0]


def estimate_of(row: pd.Series, name: str, form: str = "plain") -> Estimate:
    """Return a row of `summarise` as an estimate called `name`; the range of too few runs is no interval."""
    if row["interval"] == ORDER_STATISTICS:
        return Estimate(name, row["median"], row["low"], row["high"], f"n = {row['n']}", form)
    spread = f"range {shown(row['low'], form)} to {shown(row['high'], form)}"
    return Estimate(name, row["median"], np.nan, np.nan, f"n = {row['n']}, {spread}", form)


def beats(frames: Frames, group: str, reference: str) -> Estimate:
    """Return how much more often the runs of one group converge than those of another, on shared seeds."""
    name = f"share of converged runs, {group} minus {reference}, in points"
    return fraction_difference(name, converged(frames, group), converged(frames, reference))
