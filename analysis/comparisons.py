"""Comparisons between groups: frame in, frame out.

Same seeds in both groups: paired tests (McNemar exact, Wilcoxon signed-rank on restricted times) on the seeds that both have.
No seed shared: Fisher exact and log-rank. Each p carries its Holm correction over one column of the table, and stands beside
an effect size with its interval.
"""

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from analysis.estimates import BATCH_VALUES, RESAMPLES, bootstrap_interval, generator, restricted
from analysis.frames import Frames
from fa_sweep.checks import ConfigError, did_you_mean
from fa_sweep.convergence import CONVERGED, wilson_interval
from fa_sweep.sweep.jobs import Job

MODE_FACTORS = ("feedback", "feedback.mode")
COLUMNS = ["group", "reference", "design", "n", "n_reference", "pairs", "converged", "converged_reference"]
COLUMNS += ["difference", "difference_low", "difference_high", "test_converged", "p_converged", "p_converged_holm"]
COLUMNS += ["rmst_difference", "rmst_difference_low", "rmst_difference_high", "test_time", "p_time", "p_time_holm"]


def compare(frames: Frames, reference: str | None = None, *, all_pairs: bool = False) -> pd.DataFrame:
    """Return a row a comparison: each group against its reference, or all pairs.

    The reference is the group of that name, else feedback=symmetric at equal levels of every other factor, else the first
    group at those levels. Raises ConfigError for a reference that is no group.
    """
    if reference is not None and reference not in frames.groups:
        raise ConfigError(
            f"--reference is {reference!r}; {did_you_mean(reference, frames.groups)}choose one of {'; '.join(frames.groups)}"
        )
    pairs = list(combinations(frames.groups[::-1], 2)) if all_pairs else _against_reference(frames, reference)
    by_group = {str(group): runs for group, runs in frames.runs.groupby("group", observed=True)}
    rows = [_row(frames, g, r, by_group[g], by_group[r]) for g, r in pairs if g in by_group and r in by_group]
    table = pd.DataFrame(rows, columns=COLUMNS)
    for column in ("p_converged", "p_time"):
        table[f"{column}_holm"] = holm(table[column].to_numpy(float))
    return table


def _against_reference(frames: Frames, reference: str | None) -> list[tuple[str, str]]:
    if reference is not None:
        return [(group, reference) for group in frames.groups if group != reference]
    jobs = {job.group: job for job in frames.jobs}
    symmetric = {_others(job): group for group, job in jobs.items() if job.run.feedback.mode == "symmetric"}
    # Without backpropagation the first group at equal levels; with nothing but such factors, the first of all.
    first = {_others(job): group for group, job in reversed(jobs.items())}
    alone = len(first) == len(jobs) and not symmetric
    found = [(g, frames.groups[0] if alone else {**first, **symmetric}[_others(job)]) for g, job in jobs.items()]
    return [(group, its_reference) for group, its_reference in found if group != its_reference]


def _others(job: Job) -> str:
    return repr(sorted((name, repr(value)) for name, value in job.factors.items() if name not in MODE_FACTORS))


def _row(frames: Frames, group: str, reference: str, runs: pd.DataFrame, against: pd.DataFrame) -> dict[str, Any]:
    key = (frames.about.hash, group, reference)
    shared = sorted(set(runs["seed"]) & set(against["seed"]))
    row: dict[str, Any] = {"group": group, "reference": reference, "n": len(runs), "n_reference": len(against)}
    row |= {"pairs": len(shared), "design": "paired" if shared else "unpaired"}
    if shared:
        runs, against = (part.set_index("seed").loc[shared].reset_index() for part in (runs, against))
    ours, theirs = (part["outcome"].to_numpy() == CONVERGED for part in (runs, against))
    row |= {"converged": int(ours.sum()), "converged_reference": int(theirs.sum())}
    row["difference"] = float(ours.mean() - theirs.mean())
    row["difference_low"], row["difference_high"] = (
        paired_difference(ours, theirs) if shared else unpaired_difference(ours, theirs)
    )
    row["test_converged"] = "McNemar exact" if shared else "Fisher exact"
    row["p_converged"] = mcnemar(ours, theirs) if shared else fisher(ours, theirs)
    return row | _times(runs, against, key, paired=bool(shared))


def _times(runs: pd.DataFrame, against: pd.DataFrame, key: tuple[str, ...], *, paired: bool) -> dict[str, Any]:
    ours, theirs = restricted(runs), restricted(against)
    known = not (np.isnan(ours).any() or np.isnan(theirs).any())
    # Times cut at different horizons are different quantities.
    same_horizon = known and runs["horizon_step"].max() == against["horizon_step"].max()
    row: dict[str, Any] = {"test_time": "Wilcoxon signed-rank" if paired else "log-rank"}
    if not same_horizon:
        return row | dict.fromkeys(("rmst_difference", "rmst_difference_low", "rmst_difference_high", "p_time"), np.nan)
    low, high = bootstrap_interval([ours, theirs], _mean_difference, (*key, "rmst_difference"), paired=paired)
    row |= {
        "rmst_difference": float(ours.mean() - theirs.mean()),
        "rmst_difference_low": low,
        "rmst_difference_high": high,
    }
    row["p_time"] = wilcoxon(ours - theirs, (*key, "wilcoxon")) if paired else logrank(runs, against)
    return row


def _mean_difference(a: Any, b: Any, axis: int = -1) -> Any:
    return np.mean(a, axis=axis) - np.mean(b, axis=axis)


def mcnemar(a: np.ndarray, b: np.ndarray) -> float:
    """Return the exact two-sided p of McNemar's test; 1 where no pair is discordant."""
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    return float(stats.binomtest(only_a, only_a + only_b, 0.5).pvalue) if only_a + only_b else 1.0


def fisher(a: np.ndarray, b: np.ndarray) -> float:
    """Return the two-sided p of Fisher's exact test."""
    table = [[int(a.sum()), int((~a).sum())], [int(b.sum()), int((~b).sum())]]
    return float(stats.fisher_exact(table).pvalue)


def wilcoxon(differences: np.ndarray, key: tuple[str, ...]) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test by permutation of signs; 1 where at most one differs from zero.

    Zeros keep their ranks among the others and then drop out (Pratt, 1959). Exact where 2^n is at most the number of
    resamples. Not scipy.stats.wilcoxon with a PermutationMethod, which ranks anew in each resample: the same p, a hundred
    times slower.
    """
    signed_ranks = np.sign(differences) * stats.rankdata(np.abs(differences))
    signed_ranks = signed_ranks[signed_ranks != 0]
    if len(signed_ranks) < 2:
        return 1.0  # of one pair either sign is as likely; of none there is nothing to tell
    result = stats.permutation_test(
        (signed_ranks,),
        np.sum,
        permutation_type="samples",
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=max(1, BATCH_VALUES // len(differences)),
        rng=generator(*key),
    )
    return float(result.pvalue)


def logrank(runs: pd.DataFrame, against: pd.DataFrame) -> float:
    """Return the p of the log-rank test on time to convergence; 1 where no run of either group converged."""
    samples = []
    for part in (runs, against):
        times = part["convergence_step"].dropna().to_numpy(float)
        censored = part.loc[part["convergence_step"].isna(), "horizon_step"].to_numpy(float)
        samples.append(stats.CensoredData(uncensored=times, right=censored))
    if not any(sample.num_censored() < len(sample) for sample in samples):
        return 1.0
    with np.errstate(all="ignore"):
        p = float(stats.logrank(*samples).pvalue)
    return 1.0 if math.isnan(p) else p  # all events at one moment: the statistic has no variance


def paired_difference(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Return the interval of the difference of two paired proportions (Newcombe, 1998, Stat. Med. 17:2635, method 10)."""
    n = len(a)
    both, only_a, only_b = int((a & b).sum()), int((a & ~b).sum()), int((b & ~a).sum())
    neither = n - both - only_a - only_b
    product = (both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither)
    excess = both * neither - only_a * only_b
    # The correction that tells method 10 from method 8.
    corrected = max(excess - n / 2, 0.0) if excess > 0 else float(excess)
    correlation = corrected / math.sqrt(product) if product else 0.0
    return _square_and_add(int(a.sum()), n, int(b.sum()), n, correlation)


def unpaired_difference(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Return the hybrid score interval of the difference of two independent proportions (Newcombe, 1998, 17:873, method 10)."""
    return _square_and_add(int(a.sum()), len(a), int(b.sum()), len(b), 0.0)


def _square_and_add(k1: int, n1: int, k2: int, n2: int, correlation: float) -> tuple[float, float]:
    """Combine two Wilson intervals into that of a difference, given the correlation of the two proportions."""
    p1, p2 = k1 / n1, k2 / n2
    (low1, high1), (low2, high2) = wilson_interval(k1, n1), wilson_interval(k2, n2)

    def reach(first: float, second: float) -> float:
        return math.sqrt(max(first**2 - 2 * correlation * first * second + second**2, 0.0))

    return p1 - p2 - reach(p1 - low1, high2 - p2), p1 - p2 + reach(high1 - p1, p2 - low2)


def holm(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return Holm's step-down correction (Holm, 1979) over the defined p values; NaN stays NaN and does not count."""
    p = np.asarray(p_values, dtype=float)
    adjusted = np.full(p.shape, np.nan)
    defined = np.flatnonzero(~np.isnan(p))
    order = defined[np.argsort(p[defined], kind="stable")]
    steps = (len(order) - np.arange(len(order))) * p[order]
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0) if len(order) else steps
    return adjusted


def paired_times(frames: Frames, comparisons: pd.DataFrame) -> pd.DataFrame:
    """Return how many seeds converged at each pair of steps under a group and its reference; NaN: never."""
    rows = []
    by_group = {str(group): runs.set_index("seed") for group, runs in frames.runs.groupby("group", observed=True)}
    for _, row in comparisons[comparisons["design"] == "paired"].iterrows():
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
