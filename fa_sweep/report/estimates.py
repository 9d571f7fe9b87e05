"""Estimates a group: frame in, frame out, n in every row. Computes nothing for a figure that a table could not show.

Intervals are 95 %: Wilson's for fractions, Kaplan-Meier's log-log for survival (Wilson's where that is undefined),
Brookmeyer and Crowley's for the median time, order statistics for other medians, the rest as `intervals` says.
"""

import math
import warnings
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from fa_sweep.report.frames import Frames
from fa_sweep.report.intervals import (
    NONE,
    bootstrap_interval,
    brookmeyer_crowley,
    interquartile_mean,
    median_interval,
    restricted_mean_interval,
)
from fa_sweep.sweep.outcomes import Outcome, median_time, wilson_interval

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
    """Return each run's time to the event, cut at the horizon: a run without it, diverged ones too, counts as the horizon."""
    times: np.ndarray = runs[TIMES[event]].fillna(runs[_horizon(event)]).to_numpy(float)
    return times


def _horizon(event: str) -> str:
    return "horizon_step" if event == "convergence" else "last_step"


def group_table(frames: Frames) -> pd.DataFrame:
    """Return one row per group: counts with Wilson intervals, times and final values with theirs."""
    rows = []
    for group, runs in frames.runs.groupby("group", observed=False, sort=True):
        row: dict[str, Any] = {"group": str(group), "n": len(runs)}
        flags = {
            "reached": runs["first_reach_step"].notna(),
            "at_end": runs["at_end"].astype(bool),
            "converged": runs["outcome"] == Outcome.CONVERGED,
            "diverged": runs["outcome"] == Outcome.DIVERGED,
        }
        for name, flag in flags.items():
            count = int(flag.sum())
            low, high = wilson_interval(count, len(runs))
            share = count / len(runs) if len(runs) else np.nan
            row |= {name: count, f"{name}_fraction": share, f"{name}_low": low, f"{name}_high": high}
        row |= times(runs)
        for name, column in FINAL.items():
            if column in runs:
                row |= _final(name, runs[column].to_numpy(float), (frames.about.hash, str(group), name))
        rows.append(row)
    return pd.DataFrame(rows)


def times(runs: pd.DataFrame) -> dict[str, float]:
    """Return median and restricted mean time to convergence with their intervals, and the horizon that both are cut at."""
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


def _final(name: str, values: np.ndarray, key: tuple[str, ...]) -> dict[str, float]:
    """Return median and interquartile mean of a group's final values with their intervals, and how many are undefined."""
    defined = values[~np.isnan(values)]
    row: dict[str, float] = {f"{name}_undefined": len(values) - len(defined)}
    low, high = median_interval(defined)
    iqm_low, iqm_high = bootstrap_interval([defined], interquartile_mean, (*key, "iqm"))
    known = len(defined) > 0
    row |= {f"{name}_median": float(np.median(defined)) if known else math.nan}
    row |= {f"{name}_median_low": low, f"{name}_median_high": high}
    row |= {f"{name}_iqm": float(interquartile_mean(defined)) if known else math.nan}
    return row | {f"{name}_iqm_low": iqm_low, f"{name}_iqm_high": iqm_high}


def survival(frames: Frames, event: str = "convergence") -> pd.DataFrame:
    """Return Kaplan-Meier's curve of each group: the fraction without the event after each step, and its band.

    Runs without the event, diverged ones too, are censored at the horizon: the last step at which it could have begun.
    Divergence is a competing event: censoring a run where it diverged would overstate the curve.
    """
    rows = []
    for group, runs in frames.runs.groupby("group", observed=True, sort=True):
        horizon = runs[_horizon(event)].max()
        if np.isnan(horizon):
            continue
        rows += [{"group": str(group), "n": len(runs), **point} for point in curve_of(runs, event, float(horizon))]
    return pd.DataFrame(rows, columns=["group", "n", "step", "at_risk", "events", "censored", "survival", "low", "high"])


def curve_of(runs: pd.DataFrame, event: str, horizon: float) -> list[dict[str, float]]:
    """Return Kaplan-Meier's curve of one group, one row per step at which it may fall."""
    times = runs[TIMES[event]].dropna().to_numpy(float)
    censored = len(runs) - len(times)
    curve = stats.ecdf(stats.CensoredData(uncensored=times, right=np.full(censored, horizon))).sf
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # undefined where all or none converged: Wilson's, below
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
    """Return median and quartiles of a metric over a group's runs at each step, and over how many it was defined."""
    parts = frames.histories.groupby(["group", "step"], observed=True, sort=True)[metric]
    table = parts.quantile([0.25, 0.5, 0.75]).unstack()
    table.columns = pd.Index(["q25", "median", "q75"])
    table["n"] = parts.count()
    return table.reset_index().assign(metric=metric)[["metric", "group", "step", "n", "median", "q25", "q75"]]


def fraction_converged(frames: Frames) -> pd.DataFrame:
    """Return the fraction of each group's runs that had converged by each evaluated step."""
    rows = []
    for group, runs in frames.runs.groupby("group", observed=True, sort=True):
        steps = np.unique(frames.histories.loc[frames.histories["group"] == group, "step"])
        times = np.sort(runs["convergence_step"].dropna().to_numpy(float))
        by_step = np.searchsorted(times, steps, side="right") / len(runs)
        rows.append(pd.DataFrame({"group": str(group), "step": steps, "n": len(runs), "fraction": by_step}))
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=["group", "step", "n", "fraction"])


def numeric_factors(frames: Frames) -> list[str]:
    """Return the swept factors that are numbers with at least two levels, booleans aside."""
    found = []
    for name in frames.factors:
        levels = frames.runs[f"factor.{name}"]
        if pd.api.types.is_numeric_dtype(levels) and not pd.api.types.is_bool_dtype(levels) and levels.nunique() > 1:
            found.append(name)
    return found


def by_level(frames: Frames) -> pd.DataFrame:
    """Return the convergence fraction a group with its factor levels as columns: what factor curves and phase diagrams draw."""
    columns = [f"factor.{name}" for name in frames.factors]
    levels = frames.runs[["group", *columns]].drop_duplicates("group").astype({"group": str})
    table = group_table_counts(frames)
    return table.merge(levels, on="group", how="left").rename(columns={c: c.removeprefix("factor.") for c in columns})


def group_table_counts(frames: Frames) -> pd.DataFrame:
    """Return n, converged and its Wilson interval a group."""
    rows = []
    for group, runs in frames.runs.groupby("group", observed=True, sort=True):
        count = int((runs["outcome"] == Outcome.CONVERGED).sum())
        low, high = wilson_interval(count, len(runs))
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
