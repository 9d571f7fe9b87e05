"""Read one number of each run, such as its best accuracy, and estimate it in each group. Takes frames and returns frames."""

from typing import Any

import numpy as np
import pandas as pd

from fa_sweep.errors import ConfigError
from fa_sweep.report.estimates import value_estimates
from fa_sweep.report.frames import Frames
from fa_sweep.settings.measures import SUCCESS, Measure, direction, require_metrics
from fa_sweep.sweeping.outcomes import Outcome

FINAL = "final."


def require_known(frames: Frames, field: str, outcomes: list[str]) -> None:
    """Raise ConfigError if the runs lack the metric of an outcome, or the history that it is read from.

    Args:
        frames: The sweep.
        field: What the outcomes were given for, for the message.
        outcomes: The outcomes, in their full spelling.
    """
    metrics = [column.removeprefix(FINAL) for column in frames.runs if str(column).startswith(FINAL)]
    if not frames.runs.empty:
        require_metrics(field, outcomes, metrics)
    for outcome in outcomes:
        metric, _, reading = outcome.partition(":")
        if reading in ("best", "area") and metric in metrics and metric not in frames.histories:
            raise ConfigError(
                f"{field} is {outcome!r}; these data lack the history of {metric}: choose {metric}:end, or report from the "
                "ledger"
            )


def success_metrics(frames: Frames) -> dict[str, str]:
    """Return the metric of each group's success criterion, by the name of the group."""
    return {job.group: job.run.task.success.metric for job in frames.jobs}


def resolved(measure: Measure, frames: Frames) -> Measure:
    """Return a measure with the name of the metric in place of "success", if that is the same one in all groups."""
    metrics = set(success_metrics(frames).values())
    return Measure(metrics.pop(), measure.reading) if measure.metric == SUCCESS and len(metrics) == 1 else measure


def values_of(frames: Frames, measure: Measure) -> pd.DataFrame:
    """Return a measure of each finished run.

    A diverged run has the worst possible value: 0 for an accuracy, and infinity for a loss or an error, whatever it had before.
    Other metrics, such as angles, have no worst value. Those of a diverged run are undefined at the end, and so is an area that
    contains an undefined value.

    Args:
        frames: The sweep.
        measure: The measure.

    Returns:
        One row per row of `Frames.runs`, with `group`, `seed`, `outcome` (of the run), `metric` and `value`. An undefined value
        is NaN, and so is the value of a run that does not record the metric.
    """
    runs = frames.runs[["group", "seed", "outcome"]].astype({"group": str}).reset_index(drop=True)
    own = success_metrics(frames)
    metrics = runs["group"].map(own) if measure.metric == SUCCESS else pd.Series(measure.metric, index=runs.index)
    values = np.full(len(runs), np.nan)
    for metric in metrics.unique():
        chosen = (metrics == metric).to_numpy()
        values[chosen] = _read(frames, str(metric), measure.reading)[chosen]
    return runs.assign(metric=metrics.astype(object), value=values)


def _read(frames: Frames, metric: str, reading: str) -> np.ndarray:
    """Return one metric of each row of `Frames.runs`, read at the end, at its best or as an area."""
    if reading == "end":
        column = frames.runs.get(f"{FINAL}{metric}")
        return np.full(len(frames.runs), np.nan) if column is None else column.to_numpy(float, copy=True)
    if metric not in frames.histories or frames.histories.empty:
        return np.full(len(frames.runs), np.nan)
    histories = frames.histories
    keys = pd.MultiIndex.from_arrays([histories["group"].astype(str), histories["seed"]])
    numbers = pd.factorize(keys)[0]
    starts = np.flatnonzero(np.r_[True, numbers[1:] != numbers[:-1]])  # the rows of a run follow each other
    history = histories[metric].to_numpy(float)
    found = _best(history, starts, metric) if reading == "best" else _area(history, histories["step"].to_numpy(float), starts)
    by_run = pd.Series(found, index=keys[starts])
    wanted = pd.MultiIndex.from_arrays([frames.runs["group"].astype(str), frames.runs["seed"]])
    values: np.ndarray = by_run.reindex(wanted).to_numpy(float, copy=True)
    if (sign := direction(metric)) != 0:
        values[(frames.runs["outcome"] == Outcome.DIVERGED).to_numpy()] = 0.0 if sign > 0 else np.inf
    return values


def _best(history: np.ndarray, starts: np.ndarray, metric: str) -> np.ndarray:
    found: np.ndarray = (np.fmax if direction(metric) > 0 else np.fmin).reduceat(history, starts)
    return found


def _area(history: np.ndarray, steps: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return the area under each run's curve by the trapezoid rule, divided by the span of its steps; NaN at one evaluation."""
    ends = np.r_[starts[1:], len(steps)] - 1
    pieces = np.r_[(history[1:] + history[:-1]) / 2 * np.diff(steps), 0.0]
    pieces[ends] = 0.0  # from the last evaluation of one run to the first of the next one there is no curve
    span = steps[ends] - steps[starts]
    areas = np.add.reduceat(pieces, starts)
    found: np.ndarray = np.divide(areas, span, out=np.full(len(areas), np.nan), where=span > 0)
    return found


def value_groups(frames: Frames, measure: Measure) -> pd.DataFrame:
    """Estimate a measure in each planned group.

    Returns:
        A frame with `group`, `metric`, `n` (the runs with a defined value), `diverged` (how many of them diverged),
        `undefined`, and the median and the interquartile mean with their intervals (`median`, `median_low`, `median_high`,
        `iqm`, ...).
    """
    values = values_of(frames, measure)
    own = success_metrics(frames)
    rows = []
    for group in frames.groups:
        part = values[values["group"] == group]
        known = part["value"].notna()
        metric = own[group] if measure.metric == SUCCESS else measure.metric
        row: dict[str, Any] = {"group": group, "metric": metric, "n": int(known.sum())}
        row["diverged"] = int((part.loc[known, "outcome"] == Outcome.DIVERGED).sum())
        rows.append(row | value_estimates(part["value"].to_numpy(float), (frames.about.hash, group, str(measure))))
    return pd.DataFrame(rows)


def worst(metric: str) -> str:
    """Return in words as what the value of a diverged run counts: "0", "infinite", or empty if it is undefined."""
    return {1: "0", -1: "infinite", 0: ""}[direction(metric)]
