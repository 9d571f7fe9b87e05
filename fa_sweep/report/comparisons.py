"""Comparisons between groups: frame in, frame out.

Same seeds in both groups: paired tests (McNemar exact, Wilcoxon signed-rank). No seed shared: Fisher exact and log-rank. Some
shared: permutation tests of all runs. Each p stands beside an effect size with its interval, both of that comparison alone, and
beside its Holm correction over all p values of its table.
"""

import math
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from fa_sweep.checks import did_you_mean
from fa_sweep.errors import ConfigError
from fa_sweep.report import hypotheses, intervals
from fa_sweep.report.estimates import restricted
from fa_sweep.report.frames import Frames
from fa_sweep.report.hypotheses import Tested, holm
from fa_sweep.report.trainings import one_set, recorded
from fa_sweep.sweep.jobs import Job
from fa_sweep.sweep.outcomes import Outcome

MODE_FACTORS = ("feedback", "feedback.mode")
PAIRED, PARTLY, UNPAIRED, ITSELF = "paired", "partly paired", "unpaired", "one set of runs"
WHO = ["group", "reference", "design", "n", "n_reference", "pairs"]
COLUMNS = [*WHO, "converged", "converged_reference", "difference", "difference_low", "difference_high"]
COLUMNS += ["discordant", "test_converged", "p_converged", "p_converged_holm", "p_converged_least"]
COLUMNS += ["rmst_difference", "rmst_difference_low", "rmst_difference_high"]
COLUMNS += ["test_time", "p_time", "p_time_holm", "p_time_least"]
FINAL_COLUMNS = [*WHO, "metric", "mean", "mean_reference", "difference", "difference_low", "difference_high"]
FINAL_COLUMNS += ["test", "p", "p_holm", "p_least"]


def compare(frames: Frames, reference: str | None = None, *, all_pairs: bool = False) -> pd.DataFrame:
    """Return one row per comparison of convergence: each group against its reference, or all pairs.

    The reference is the group of that name, else feedback=symmetric at equal levels of every other factor, else the mode of
    the first group at those levels; a group without a reference at its levels is compared with none (`without_reference`).
    Raises ConfigError for a reference that is no group.
    """
    rows = [
        who | _fractions(pair) | _times(pair) if who["design"] != ITSELF else who | _counts(pair)
        for who, pair in _pairs(frames, reference, all_pairs=all_pairs)
    ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    columns = ["p_converged", "p_time"]
    table[[f"{column}_holm" for column in columns]] = holm(table[columns].to_numpy(float))
    return table


def compare_final(frames: Frames, reference: str | None = None, *, all_pairs: bool = False) -> pd.DataFrame:
    """Return one row per comparison of the final success metric: the pairs of `compare` in which every run has one."""
    metrics = {job.group: job.run.task.success.metric for job in frames.jobs}
    rows = []
    for who, pair in _pairs(frames, reference, all_pairs=all_pairs):
        metric = metrics[who["group"]]
        column = f"final.{metric}"
        if who["design"] == ITSELF or metric != metrics[who["reference"]] or column not in frames.runs:
            continue
        if pair.ours[column].isna().any() or pair.theirs[column].isna().any():
            continue
        rows.append(who | {"metric": metric} | _final(pair, column))
    table = pd.DataFrame(rows, columns=FINAL_COLUMNS)
    table["p_holm"] = holm(table["p"].to_numpy(float))
    return table


def without_reference(frames: Frames, reference: str | None = None) -> list[str]:
    """Return the groups that have no reference at their levels of the other factors."""
    present = _present(frames)
    found = _references(frames, reference)
    return [group for group in frames.groups if group in present and found.get(group) not in present]


class _Pair:
    """Two groups' runs: all of them, and those at shared seeds in one order."""

    def __init__(self, ours: pd.DataFrame, theirs: pd.DataFrame, key: tuple[str, ...]) -> None:
        self.ours, self.theirs, self.key = ours, theirs, key
        self.shared = sorted(set(ours["seed"]) & set(theirs["seed"]))
        whole = len(self.shared) == len(ours) == len(theirs)
        self.design = PAIRED if whole else PARTLY if self.shared else UNPAIRED

    def values(self, what: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return a quantity of all runs of either group; of a paired design in the order of the seeds."""
        ours, theirs = (part.sort_values("seed") if self.design == PAIRED else part for part in (self.ours, self.theirs))
        return np.asarray(what(ours)), np.asarray(what(theirs))

    def parted(self, what: Any) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """Return a quantity of the runs without a partner, of either group, and of the pairs."""
        apart = [part[~part["seed"].isin(self.shared)] for part in (self.ours, self.theirs)]
        pairs = [part.set_index("seed").loc[self.shared].reset_index() for part in (self.ours, self.theirs)]
        return what(apart[0]), what(apart[1]), (what(pairs[0]), what(pairs[1]))


def _pairs(frames: Frames, reference: str | None, *, all_pairs: bool) -> list[tuple[dict[str, Any], _Pair]]:
    if reference is not None and reference not in frames.groups:
        raise ConfigError(
            f"--reference is {reference!r}; {did_you_mean(reference, frames.groups)}choose one of {'; '.join(frames.groups)}"
        )
    by_group = _present(frames)
    chosen = (
        list(combinations(frames.groups[::-1], 2))
        if all_pairs
        else [(group, its) for group, its in _references(frames, reference).items() if group != its]
    )
    found, numbers = [], recorded(frames)
    for group, its in chosen:
        if group not in by_group or its not in by_group:
            continue
        pair = _Pair(by_group[group], by_group[its], (frames.about.hash, group, its))
        design = ITSELF if one_set(numbers[group], numbers[its]) else pair.design
        who = {"group": group, "reference": its, "design": design, "n": len(pair.ours), "n_reference": len(pair.theirs)}
        found.append((who | {"pairs": len(pair.shared)}, pair))
    return found


def _present(frames: Frames) -> dict[str, pd.DataFrame]:
    return {str(group): runs for group, runs in frames.runs.groupby("group", observed=True)}


def _references(frames: Frames, reference: str | None) -> dict[str, str]:
    """Return each group's reference; a group that has none at its levels is not among the keys."""
    if reference is not None:
        return dict.fromkeys(frames.groups, reference)
    jobs = {job.group: job for job in frames.jobs}
    at_levels = {group: job for group, job in jobs.items() if job.run.feedback.mode == "symmetric"}
    if not at_levels:
        if len({_others(job) for job in jobs.values()}) == len(jobs):  # nothing but other factors was swept
            return dict.fromkeys(jobs, frames.groups[0])
        first = _mode(jobs[frames.groups[0]])
        at_levels = {group: job for group, job in jobs.items() if _mode(job) == first}
    by_levels = {_others(job): group for group, job in reversed(at_levels.items())}
    return {group: by_levels[_others(job)] for group, job in jobs.items() if _others(job) in by_levels}


def _mode(job: Job) -> str:
    return repr([job.factors.get(name) for name in MODE_FACTORS])


def _others(job: Job) -> str:
    return repr(sorted((name, repr(value)) for name, value in job.factors.items() if name not in MODE_FACTORS))


def _has_converged(runs: pd.DataFrame) -> np.ndarray:
    return np.asarray(runs["outcome"].to_numpy() == Outcome.CONVERGED)


def _counts(pair: _Pair) -> dict[str, Any]:
    ours, theirs = _has_converged(pair.ours), _has_converged(pair.theirs)
    return {"converged": int(ours.sum()), "converged_reference": int(theirs.sum())}


def _fractions(pair: _Pair) -> dict[str, Any]:
    ours, theirs = pair.values(_has_converged)
    a, b, pairs = pair.parted(_has_converged)
    low, high = intervals.difference_of_fractions(ours, theirs, pairs)
    row = _counts(pair) | {"difference": float(ours.mean() - theirs.mean()), "difference_low": low, "difference_high": high}
    row["discordant"] = int((pairs[0] ^ pairs[1]).sum())
    if pair.design == PAIRED:
        tested = hypotheses.mcnemar(ours, theirs)
    else:
        tested = hypotheses.exchange(a, b, pairs) if pair.design == PARTLY else hypotheses.fisher(ours, theirs)
    return row | _test("converged", tested)


def _test(name: str, tested: Tested) -> dict[str, Any]:
    return {f"test_{name}": tested.name, f"p_{name}": tested.p, f"p_{name}_least": tested.least_p}


def _times(pair: _Pair) -> dict[str, Any]:
    ours, theirs = pair.values(restricted)
    horizons = {float(h) for part in (pair.ours, pair.theirs) for h in part["horizon_step"].unique()}
    # Times cut at different horizons are different quantities.
    if len(horizons) != 1 or math.isnan(horizon := horizons.pop()):
        return {}
    key, (a, b, pairs) = (*pair.key, "time"), pair.parted(restricted)
    own = [intervals.restricted_mean_interval(steps, horizon) for steps in (ours, theirs)]
    low, high = intervals.difference_of_means(ours, own[0], theirs, own[1], intervals.correlation(ours, theirs, pairs))
    if pair.design == PAIRED:
        tested = hypotheses.wilcoxon(ours - theirs, key)
    elif pair.design == PARTLY:
        tested = hypotheses.means(a, b, pairs, key)
    else:
        events = _has_converged(pair.ours), _has_converged(pair.theirs)
        tested = hypotheses.logrank((ours, events[0]), (theirs, events[1]), key)
    row = {"rmst_difference": float(ours.mean() - theirs.mean()), "rmst_difference_low": low, "rmst_difference_high": high}
    return row | _test("time", tested)


def _final(pair: _Pair, column: str) -> dict[str, Any]:
    def values(runs: pd.DataFrame) -> np.ndarray:
        found: np.ndarray = runs[column].to_numpy(float)
        return found

    ours, theirs = pair.values(values)
    key, (a, b, pairs) = (*pair.key, column), pair.parted(values)
    with np.errstate(invalid="ignore"):
        row = {"mean": float(ours.mean()), "mean_reference": float(theirs.mean())}
        differences = ours - theirs if pair.design == PAIRED else np.array([])
    if pair.design == PAIRED:
        low, high = intervals.mean_interval(differences)
        tested = hypotheses.wilcoxon(np.where(ours == theirs, 0.0, differences), key)  # two infinite losses are equal
    elif pair.design == PARTLY:
        own = intervals.mean_interval(ours), intervals.mean_interval(theirs)
        low, high = intervals.difference_of_means(ours, own[0], theirs, own[1], intervals.correlation(ours, theirs, pairs))
        tested = hypotheses.means(a, b, pairs, key)
    else:
        low, high = intervals.unpaired_mean_interval(ours, theirs)
        tested = hypotheses.means(a, b, pairs, key, "permutation of runs")
    difference = row["mean"] - row["mean_reference"] if np.isfinite(list(row.values())).all() else math.nan
    row |= {"difference": difference, "difference_low": low, "difference_high": high}
    return {**row, "test": tested.name, "p": tested.p, "p_least": tested.least_p}


def paired_times(frames: Frames, comparisons: pd.DataFrame) -> pd.DataFrame:
    """Return how many seeds converged at each pair of steps under a group and its reference; NaN: never."""
    rows = []
    by_group = {str(group): runs.set_index("seed") for group, runs in frames.runs.groupby("group", observed=True)}
    for _, row in comparisons[comparisons["design"].isin((PAIRED, PARTLY))].iterrows():
        ours, theirs = by_group[row["group"]], by_group[row["reference"]]
        both = ours.join(theirs, how="inner", rsuffix="_reference")
        horizon = both[["horizon_step", "horizon_step_reference"]].max(axis=None)
        if not horizon > 0:  # none, or convergence could begin at step 0 alone
            continue
        times = both.groupby(["convergence_step_reference", "convergence_step"], dropna=False).size()
        for (reference_steps, group_steps), n in times.items():
            pair = {"group": row["group"], "reference": row["reference"], "reference_steps": reference_steps}
            rows.append(pair | {"group_steps": group_steps, "n": int(n), "horizon": horizon})
    columns = ["group", "reference", "reference_steps", "group_steps", "n", "horizon"]
    return pd.DataFrame(rows, columns=columns)
