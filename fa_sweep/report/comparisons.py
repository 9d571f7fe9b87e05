"""Compare groups of runs with each other: effect sizes with intervals, and tests. Takes frames and returns frames.

The test depends on how many seeds the two groups share:

- all: paired tests (McNemar exact, Wilcoxon signed-rank);
- none: Fisher exact, log-rank, and a permutation test of final values;
- some: permutation tests over all runs.

Each comparison has an effect size with a 95 % interval and a p value, which refer to that comparison alone. Beside each p value
stands the corrected one, after Holm's correction over all p values of the table.
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
from fa_sweep.sweeping.jobs import Job
from fa_sweep.sweeping.outcomes import Outcome

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
    """Compare how often and how fast groups converge, one row per comparison.

    Each group is compared with its reference. Unless the argument `reference` names it, the reference is chosen as follows:

    - It is the group with symmetric feedback at the same levels of all other factors.
    - If no group of the sweep has symmetric feedback, the first group's feedback mode is used instead.
    - If, in addition, no two groups differ only in the feedback mode, the reference of all groups is the first group.

    A group that has no reference is not compared (see `without_reference`).

    Args:
        frames: The sweep.
        reference: The name of the group that all others are compared with.
        all_pairs: Compare every pair of groups instead.

    Returns:
        A frame with `COLUMNS`. Differences are group minus reference: of fractions, and of restricted mean times (`rmst`) in
        steps. `p_*_least` is the smallest p value that the test could have given (see `hypotheses`). Values that cannot be
        computed are NaN. For example, times are not compared if the two groups have different horizons. Two groups that are
        the same set of trainings are not tested against each other.

    Raises:
        ConfigError: If there is no group called `reference`.
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
    """Compare the mean of the success metric at the last evaluation, one row per comparison.

    The groups are paired as in `compare`. A pair is left out if its groups are the same set of trainings, have different
    success metrics, or contain a run whose final value is undefined.

    Args:
        frames: The sweep.
        reference: The name of the group that all others are compared with; None chooses one per group, see `compare`.
        all_pairs: Compare every pair of groups instead.

    Returns:
        A frame with `FINAL_COLUMNS`. `difference` is group minus reference; it is NaN if a mean is infinite.

    Raises:
        ConfigError: If there is no group called `reference`.
    """
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
    """Return the groups that have finished runs but nothing to be compared with.

    Either the sweep has no reference for them (see `compare`), or none of the reference's runs has finished.
    """
    present = _present(frames)
    found = _references(frames, reference)
    return [group for group in frames.groups if group in present and found.get(group) not in present]


class _Pair:
    """The runs of two groups, the seeds that both have, and the design of the comparison, which follows from the seeds."""

    def __init__(self, ours: pd.DataFrame, theirs: pd.DataFrame, key: tuple[str, ...]) -> None:
        self.ours, self.theirs, self.key = ours, theirs, key
        self.shared = sorted(set(ours["seed"]) & set(theirs["seed"]))
        whole = len(self.shared) == len(ours) == len(theirs)
        self.design = PAIRED if whole else PARTLY if self.shared else UNPAIRED

    def values(self, what: Any) -> tuple[np.ndarray, np.ndarray]:
        """Apply `what` to all runs of each group. In a paired design, both results are in the order of the seeds."""
        ours, theirs = (part.sort_values("seed") if self.design == PAIRED else part for part in (self.ours, self.theirs))
        return np.asarray(what(ours)), np.asarray(what(theirs))

    def parted(self, what: Any) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """Apply `what` to each group's runs without a partner, and to its runs at the shared seeds (sorted by seed)."""
        apart = [part[~part["seed"].isin(self.shared)] for part in (self.ours, self.theirs)]
        pairs = [part.set_index("seed").loc[self.shared].reset_index() for part in (self.ours, self.theirs)]
        return what(apart[0]), what(apart[1]), (what(pairs[0]), what(pairs[1]))


def _pairs(frames: Frames, reference: str | None, *, all_pairs: bool) -> list[tuple[dict[str, Any], _Pair]]:
    if reference is not None and reference not in frames.groups:
        meant = did_you_mean(str(reference), frames.groups)
        raise ConfigError(f"the reference is {reference!r}; {meant}choose one of {'; '.join(frames.groups)}")
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
    """Return each group's reference, chosen by the rules in `compare`. Groups without a reference are left out."""
    if reference is not None:
        return dict.fromkeys(frames.groups, reference)
    jobs = {job.group: job for job in frames.jobs}
    at_levels = {group: job for group, job in jobs.items() if job.run.feedback.mode == "symmetric"}
    if not at_levels:
        if len({_others(job) for job in jobs.values()}) == len(jobs):  # no two groups differ only in their feedback mode
            return dict.fromkeys(jobs, frames.groups[0])
        first = _mode(jobs[frames.groups[0]])
        at_levels = {group: job for group, job in jobs.items() if _mode(job) == first}
    by_levels = {_others(job): group for group, job in reversed(at_levels.items())}
    found = {}
    for group, job in jobs.items():
        # A reference may lack a setting, as symmetric feedback lacks a scale, if several sweeps are put together.
        fitting = [levels for levels in by_levels if levels <= _others(job)]
        if fitting:
            found[group] = by_levels[max(fitting, key=len)]
    return found


def _mode(job: Job) -> str:
    return repr([job.factors.get(name) for name in MODE_FACTORS])


def _others(job: Job) -> frozenset[tuple[str, str]]:
    return frozenset((name, repr(value)) for name, value in job.factors.items() if name not in MODE_FACTORS)


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
    # Times that were cut at different horizons are different quantities, and must not be compared.
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
        # inf - inf is NaN, but two infinite losses are equal: their difference counts as 0.
        tested = hypotheses.wilcoxon(np.where(ours == theirs, 0.0, differences), key)
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
    """Count each comparison's shared seeds by the steps at which they converged in the group and in its reference.

    Args:
        frames: The sweep.
        comparisons: The table of `compare`. Comparisons without shared seeds, between groups that are the same set of
            trainings, or without a horizon above 0 are skipped.

    Returns:
        One row per comparison and pair of steps: `n` seeds converged at step `reference_steps` in the reference and at step
        `group_steps` in the group. A step is NaN if the seeds never converged there. `horizon` is the larger horizon of the
        two groups, in steps.
    """
    rows = []
    by_group = {str(group): runs.set_index("seed") for group, runs in frames.runs.groupby("group", observed=True)}
    for _, row in comparisons[comparisons["design"].isin((PAIRED, PARTLY))].iterrows():
        ours, theirs = by_group[row["group"]], by_group[row["reference"]]
        both = ours.join(theirs, how="inner", rsuffix="_reference")
        horizon = both[["horizon_step", "horizon_step_reference"]].max(axis=None)
        if not horizon > 0:  # no horizon, or convergence could begin only at step 0
            continue
        times = both.groupby(["convergence_step_reference", "convergence_step"], dropna=False).size()
        for (reference_steps, group_steps), n in times.items():
            pair = {"group": row["group"], "reference": row["reference"], "reference_steps": reference_steps}
            rows.append(pair | {"group_steps": group_steps, "n": int(n), "horizon": horizon})
    columns = ["group", "reference", "reference_steps", "group_steps", "n", "horizon"]
    return pd.DataFrame(rows, columns=columns)
