"""Estimates a group: frame in, frame out, n in every row. Computes nothing for a figure that a table could not show.

Intervals are 95 %: Wilson's for fractions, Kaplan-Meier's log-log for survival (Wilson's where that is undefined),
percentile bootstraps over seeds for the rest, none below ten runs.
"""

import hashlib
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from analysis.frames import Frames
from fa_sweep.convergence import CONVERGED, DIVERGED, median_time, wilson_interval

RESAMPLES = 9999
FEWEST_TO_RESAMPLE = 10
BATCH_VALUES = 4_000_000  # resampled values held at a time

FINAL = {
    "accuracy": "final.accuracy",
    "normalised_squared_error": "final.normalised_squared_error",
    "centred_squared_error": "final.centred_squared_error",
    "loss": "final.loss",
    "angle_deg": "final.angle_deg/gradient",
}
TIMES = {"convergence": "convergence_step", "first_reach": "first_reach_step"}


def generator(*key: str) -> np.random.Generator:
    """Return the generator of one bootstrap or permutation test: keyed by (sweep, group, quantity), never by order."""
    digest = hashlib.sha256("|".join(key).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def interquartile_mean(values: Any, axis: int = -1) -> Any:
    """Return the mean of the middle half: a quarter of the values trimmed at either end."""
    return stats.trim_mean(values, 0.25, axis=axis)


def bootstrap_interval(
    samples: Sequence[np.ndarray], statistic: Callable[..., Any], key: tuple[str, ...], *, paired: bool = False
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of a statistic of one or two samples; NaN below ten values."""
    smallest = min(len(sample) for sample in samples)
    if smallest < FEWEST_TO_RESAMPLE:
        return np.nan, np.nan
    # An infinite loss (a diverged run) makes inf - inf in SciPy's interpolation: NaN, which is what we show.
    with np.errstate(invalid="ignore"):
        result = stats.bootstrap(
            tuple(samples),
            statistic,
            n_resamples=RESAMPLES,
            method="percentile",
            vectorized=True,
            paired=paired,
            batch=max(1, BATCH_VALUES // smallest),
            rng=generator(*key),
        )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def restricted(runs: pd.DataFrame, event: str = "convergence") -> np.ndarray:
    """Return each run's time to the event, cut at the horizon: a run without it, diverged ones too, counts as the horizon."""
    times: np.ndarray = runs[TIMES[event]].fillna(runs[_horizon(event)]).to_numpy(float)
    return times


def _horizon(event: str) -> str:
    return "horizon_step" if event == "convergence" else "last_step"


def group_table(frames: Frames) -> pd.DataFrame:
    """Return a row a group: counts with Wilson intervals, times, final values with bootstrap intervals."""
    rows = []
    for group, runs in frames.runs.groupby("group", observed=False, sort=True):
        row: dict[str, Any] = {"group": str(group), "n": len(runs)}
        flags = {
            "reached": runs["first_reach_step"].notna(),
            "at_end": runs["at_end"].astype(bool),
            "converged": runs["outcome"] == CONVERGED,
            "diverged": runs["outcome"] == DIVERGED,
        }
        for name, flag in flags.items():
            count = int(flag.sum())
            low, high = wilson_interval(count, len(runs))
            share = count / len(runs) if len(runs) else np.nan
            row |= {name: count, f"{name}_fraction": share, f"{name}_low": low, f"{name}_high": high}
        key = (frames.about.hash, str(group))
        row["median_steps"] = median_time(runs["convergence_step"].to_numpy(float))
        row |= _summary("rmst_steps", restricted(runs), {"mean": np.mean}, (*key, "rmst"))
        for name, column in FINAL.items():
            if column in runs:
                values = runs[column].to_numpy(float)
                defined = values[~np.isnan(values)]
                row |= {f"{name}_undefined": int(np.isnan(values).sum())}
                row |= _summary(name, defined, {"median": np.median, "iqm": interquartile_mean}, (*key, name))
        rows.append(row)
    return pd.DataFrame(rows)


def _summary(
    name: str, values: np.ndarray, statistics: dict[str, Callable[..., Any]], key: tuple[str, ...]
) -> dict[str, float]:
    """Return statistics of a sample with their intervals, NaN where there is none."""
    row: dict[str, float] = {}
    for label, statistic in statistics.items():
        column = name if label == "mean" else f"{name}_{label}"
        known = len(values) > 0 and not np.isnan(values).any()
        low, high = bootstrap_interval([values], statistic, (*key, label)) if known else (np.nan, np.nan)
        row |= {column: float(statistic(values)) if known else np.nan, f"{column}_low": low, f"{column}_high": high}
    return row


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
        times = runs[TIMES[event]].dropna().to_numpy(float)
        censored = len(runs) - len(times)
        data = stats.CensoredData(uncensored=times, right=np.full(censored, horizon))
        curve = stats.ecdf(data).sf
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", RuntimeWarning)  # undefined where all or none converged: Wilson's, below
            bands = curve.confidence_interval(method="log-log")
        for step in sorted({0.0, *times, horizon}):
            left = int((times > step).sum()) + censored
            low, high = float(bands.low.evaluate(step)), float(bands.high.evaluate(step))
            if left in (0, len(runs)) or np.isnan(low) or np.isnan(high):
                low, high = wilson_interval(left, len(runs))
            rows.append(
                {
                    "group": str(group),
                    "n": len(runs),
                    "step": step,
                    "at_risk": int((times >= step).sum()) + censored,
                    "events": int((times == step).sum()),
                    "censored": censored if step == horizon else 0,
                    "survival": float(curve.evaluate(step)),
                    "low": low,
                    "high": high,
                }
            )
    return pd.DataFrame(rows, columns=["group", "n", "step", "at_risk", "events", "censored", "survival", "low", "high"])


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
        count = int((runs["outcome"] == CONVERGED).sum())
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
