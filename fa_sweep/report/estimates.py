"""Estimate quantities of each group of runs. Takes frames and returns frames with n in every row.

All intervals are 95 %: Wilson's for fractions, log-log bands for Kaplan-Meier curves (Wilson's where these are undefined),
Brookmeyer and Crowley's for the median time, and order statistics for other medians. The module `intervals` documents the
others.
"""

import math
import warnings
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from fa_sweep.decisions.sequences import fraction_interval
from fa_sweep.report.frames import Frames
from fa_sweep.report.intervals import (
    NONE,
    bootstrap_interval,
    brookmeyer_crowley,
    interquartile_mean,
    median_interval,
    restricted_mean_interval,
)
from fa_sweep.sweeping.outcomes import Outcome, median_time, wilson_interval

FEWEST_FOR_A_MEDIAN_TIME = 6

FINAL = {
    "accuracy": "final.accuracy",
    "normalised_squared_error": "final.normalised_squared_error",
    "centred_squared_error": "final.centred_squared_error",
    "loss": "final.loss",
    "angle_deg": "final.angle_deg/gradient",
}
TIMES = {"convergence": "convergence_step", "first_reach": "first_reach_step"}


def restricted(runs: pd.DataFrame, event: str = "convergence") -> np.ndarray:
    """Return each run's time to an event, in steps (R,), cut at the horizon.

    Args:
        runs: Rows of `Frames.runs`.
        event: "convergence" or "first_reach". The time of a run without the event is the horizon, whether the run diverged or
            not. The horizon is the last step at which the event can begin.
    """
    times: np.ndarray = runs[TIMES[event]].fillna(runs[_horizon(event)]).to_numpy(float)
    return times


def _horizon(event: str) -> str:
    return "horizon_step" if event == "convergence" else "last_step"


def event_fractions(runs: pd.DataFrame) -> dict[str, Any]:
    """Count the events of one group's runs.

    Returns:
        For each of reached, at_end, converged and diverged: the number of runs, the fraction (`*_fraction`), and Wilson's
        interval of the fraction (`*_low`, `*_high`).
    """
    flags = {
        "reached": runs["first_reach_step"].notna(),
        "at_end": runs["at_end"].astype(bool),
        "converged": runs["outcome"] == Outcome.CONVERGED,
        "diverged": runs["outcome"] == Outcome.DIVERGED,
    }
    found: dict[str, Any] = {}
    for name, flag in flags.items():
        count = int(flag.sum())
        low, high = wilson_interval(count, len(runs))
        share = count / len(runs) if len(runs) else np.nan
        found |= {name: count, f"{name}_fraction": share, f"{name}_low": low, f"{name}_high": high}
    return found


def group_table(frames: Frames) -> pd.DataFrame:
    """Estimate event fractions, times to convergence and final values, one row per planned group.

    Returns:
        A frame with `group` and `n`, and these columns:

        - for each of reached, at_end, converged and diverged: the count, the fraction (`*_fraction`) and its interval (`*_low`,
          `*_high`);
        - the columns of `times`;
        - for each quantity of `FINAL`: the median (`*_median`) and the interquartile mean (`*_iqm`) with their intervals, and
          the number of runs in which the value is undefined (`*_undefined`).
    """
    rows = []
    for group, runs in frames.runs.groupby("group", observed=False, sort=True):
        row: dict[str, Any] = {"group": str(group), "n": len(runs)}
        row |= event_fractions(runs)
        row |= times(runs)
        for name, column in FINAL.items():
            if column in runs:
                found = value_estimates(runs[column].to_numpy(float), (frames.about.hash, str(group), name))
                row |= {f"{name}_{quantity}": value for quantity, value in found.items()}
        rows.append(row)
    return pd.DataFrame(rows)


def times(runs: pd.DataFrame) -> dict[str, float]:
    """Estimate the median and the restricted mean time to convergence of a group, in steps.

    Args:
        runs: The rows of `Frames.runs` of one group.

    Returns:
        `median_steps` (infinite if fewer than half of the runs converged), `rmst_steps` (the restricted mean), the interval of
        each (`*_low`, `*_high`), and `horizon_steps`, at which the times are cut. Values that cannot be computed are NaN.
    """
    horizon = float(runs["horizon_step"].max()) if len(runs) else math.nan
    row = {"horizon_steps": horizon, "median_steps": median_time(runs["convergence_step"].to_numpy(float))}
    low, high = NONE
    if len(runs) >= FEWEST_FOR_A_MEDIAN_TIME and not math.isnan(horizon):
        curve = curve_of(runs, "convergence", horizon)
        low, high = brookmeyer_crowley(*(np.array([row[c] for row in curve]) for c in ("step", "low", "high")))
    row |= {"median_steps_low": low, "median_steps_high": high}
    times = restricted(runs)
    low, high = restricted_mean_interval(times, horizon)
    return row | {"rmst_steps": float(times.mean()) if len(times) else math.nan, "rmst_steps_low": low, "rmst_steps_high": high}


def value_estimates(values: np.ndarray, key: tuple[str, ...]) -> dict[str, float]:
    """Estimate the median and the interquartile mean of a group's values, each with its interval, and count undefined values.

    Args:
        values: (n,) values, of which NaN are left out.
        key: Seeds the resampling, see `intervals.generator`.

    Returns:
        `undefined`, `median`, `median_low`, `median_high`, `iqm`, `iqm_low` and `iqm_high`.
    """
    defined = values[~np.isnan(values)]
    low, high = median_interval(defined)
    iqm_low, iqm_high = bootstrap_interval([defined], interquartile_mean, (*key, "iqm"))
    known = len(defined) > 0
    return {
        "undefined": len(values) - len(defined),
        "median": float(np.median(defined)) if known else math.nan,
        "median_low": low,
        "median_high": high,
        "iqm": float(interquartile_mean(defined)) if known else math.nan,
        "iqm_low": iqm_low,
        "iqm_high": iqm_high,
    }


def survival(frames: Frames, event: str = "convergence") -> pd.DataFrame:
    """Estimate each group's Kaplan-Meier curve: the fraction of runs without the event after each step, with its band.

    Runs without the event are censored at the horizon, the last step at which the event could have begun. This includes
    diverged runs, because divergence is a competing event: censoring a run at the step where it diverged would overstate how
    many runs have the event.

    Args:
        frames: The sweep.
        event: "convergence" or "first_reach".

    Returns:
        One row per group and step, for step 0, every step at which a run had the event, and the horizon. Groups without a
        horizon are left out. `survival` is the curve; `low` and `high` are its 95 % band, each for its step alone. `at_risk`,
        `events` and `censored` count runs: those without the event before the step, those with the event at the step, and
        those censored at it. There is no band if the results decided how many runs there are.
    """
    rows = []
    for group, runs in frames.runs.groupby("group", observed=True, sort=True):
        horizon = runs[_horizon(event)].max()
        if np.isnan(horizon):
            continue
        rows += [{"group": str(group), "n": len(runs), **point} for point in curve_of(runs, event, float(horizon))]
    table = pd.DataFrame(rows, columns=["group", "n", "step", "at_risk", "events", "censored", "survival", "low", "high"])
    return table.assign(low=math.nan, high=math.nan) if frames.about.is_sequential else table


def curve_of(runs: pd.DataFrame, event: str, horizon: float) -> list[dict[str, float]]:
    """Estimate the Kaplan-Meier curve of one group.

    Args:
        runs: The rows of `Frames.runs` of the group.
        event: "convergence" or "first_reach".
        horizon: The step at which runs without the event are censored.

    Returns:
        The rows that `survival` describes, without `group` and `n`.
    """
    times = runs[TIMES[event]].dropna().to_numpy(float)
    censored = len(runs) - len(times)
    curve = stats.ecdf(stats.CensoredData(uncensored=times, right=np.full(censored, horizon))).sf
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        # The band is undefined if all or no runs had the event. Wilson's interval then takes its place, see below.
        warnings.simplefilter("ignore", RuntimeWarning)
        bands = curve.confidence_interval(method="log-log")
    rows = []
    for step in sorted({0.0, *times, horizon}):
        left = int((times > step).sum()) + censored
        low, high = float(bands.low.evaluate(step)), float(bands.high.evaluate(step))
        if left in (0, len(runs)) or np.isnan(low) or np.isnan(high):
            low, high = wilson_interval(left, len(runs))
        rows.append(
            {
                "step": step,
                "at_risk": int((times >= step).sum()) + censored,
                "events": int((times == step).sum()),
                "censored": censored if step == horizon else 0,
                "survival": float(curve.evaluate(step)),
                "low": low,
                "high": high,
            }
        )
    return rows


def trajectories(frames: Frames, metric: str) -> pd.DataFrame:
    """Return the median and the quartiles of a metric over the runs of each group, one row per group and evaluated step.

    `n` is the number of runs in which the metric is defined at that step.
    """
    parts = frames.histories.groupby(["group", "step"], observed=True, sort=True)[metric]
    table = parts.quantile([0.25, 0.5, 0.75]).unstack()
    table.columns = pd.Index(["q25", "median", "q75"])
    table["n"] = parts.count()
    return table.reset_index().assign(metric=metric)[["metric", "group", "step", "n", "median", "q25", "q75"]]


def fraction_converged(frames: Frames) -> pd.DataFrame:
    """Return the fraction of runs that have converged, one row per group and evaluated step."""
    rows = []
    for group, runs in frames.runs.groupby("group", observed=True, sort=True):
        steps = np.unique(frames.histories.loc[frames.histories["group"] == group, "step"])
        times = np.sort(runs["convergence_step"].dropna().to_numpy(float))
        by_step = np.searchsorted(times, steps, side="right") / len(runs)
        rows.append(pd.DataFrame({"group": str(group), "step": steps, "n": len(runs), "fraction": by_step}))
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=["group", "step", "n", "fraction"])


def numeric_factors(frames: Frames) -> list[str]:
    """Return the factors that have at least two levels, all of them numbers (not booleans)."""
    found = []
    for name in frames.factors:
        levels = frames.runs[f"factor.{name}"]
        if pd.api.types.is_numeric_dtype(levels) and not pd.api.types.is_bool_dtype(levels) and levels.nunique() > 1:
            found.append(name)
    return found


def by_level(frames: Frames) -> pd.DataFrame:
    """Return the table of `group_table_counts` with one more column per factor, which gives the group's level."""
    columns = [f"factor.{name}" for name in frames.factors]
    levels = frames.runs[["group", *columns]].drop_duplicates("group").astype({"group": str})
    table = group_table_counts(frames)
    return table.merge(levels, on="group", how="left").rename(columns={c: c.removeprefix("factor.") for c in columns})


def group_table_counts(frames: Frames) -> pd.DataFrame:
    """Return the number and the fraction of converged runs with its interval, one row per group with finished runs.

    It is Wilson's interval, or one that holds at every number of seeds if the results decided how many there are.
    """
    rows = []
    for group, runs in frames.runs.groupby("group", observed=True, sort=True):
        count = int((runs["outcome"] == Outcome.CONVERGED).sum())
        interval = fraction_interval if frames.about.is_sequential else wilson_interval
        low, high = interval(count, len(runs))
        rows.append(
            {
                "group": str(group),
                "n": len(runs),
                "converged": count,
                "fraction": count / len(runs),
                "low": low,
                "high": high,
            }
        )
    return pd.DataFrame(rows, columns=["group", "n", "converged", "fraction", "low", "high"])
