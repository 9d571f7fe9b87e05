"""Compare how often and how fast groups of runs converge. Takes frames and returns frames.

The test depends on how many seeds the two groups share (see `pairs`):

- all: paired tests (McNemar exact, Wilcoxon signed-rank);
- none: Fisher exact, log-rank;
- some: permutation tests over all runs.

Each comparison has an effect size with a 95 % interval and a p value, which refer to that comparison alone. Beside each p value
stands the corrected one, after Holm's correction over all p values of the table. `value_comparisons` compares other outcomes.
"""

import math
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from fa_sweep.errors import ConfigError
from fa_sweep.report import equivalence, hypotheses, intervals
from fa_sweep.report.estimates import restricted
from fa_sweep.report.frames import Frames
from fa_sweep.report.hypotheses import Tested, holm
from fa_sweep.report.pairs import ITSELF, PAIRED, PARTLY, WHO, Pair, pairs_of
from fa_sweep.sweeping.outcomes import Outcome

COLUMNS = [*WHO, "converged", "converged_reference", "difference", "difference_low", "difference_high"]
COLUMNS += ["discordant", "test_converged", "p_converged", "p_converged_holm", "p_converged_least"]
COLUMNS += ["rmst_difference", "rmst_difference_low", "rmst_difference_high"]
COLUMNS += ["test_time", "p_time", "p_time_holm", "p_time_least"]
EQUIVALENCE = ["margin", "p_equivalence", "p_equivalence_holm"]  # only if there is a margin


def compare(
    frames: Frames,
    reference: str | None = None,
    *,
    all_pairs: bool = False,
    factor: str | None = None,
    margin: float | None = None,
) -> pd.DataFrame:
    """Compare how often and how fast groups converge, one row per comparison.

    Args:
        frames: The sweep.
        reference: The name of the group that all others are compared with (see `pairs.pairs_of`).
        all_pairs: Compare every pair of groups instead.
        factor: Compare only groups that differ in this factor alone. `reference` is then a level of it.
        margin: Test, in addition, whether the fractions are equivalent: whether they differ by less than this. The test inverts
            the interval of the difference.

    Returns:
        A frame with `COLUMNS`. Differences are group minus reference: of fractions, and of restricted mean times (`rmst`) in
        steps. `p_*_least` is the smallest p value that the test could have given (see `hypotheses`). Values that cannot be
        computed are NaN. For example, times are not compared if the two groups have different horizons. Two groups that are
        the same set of trainings are not tested against each other. With a margin, there are also `margin`, `p_equivalence` and
        `p_equivalence_holm`, which is corrected over all tests of equivalence of the table.

    Raises:
        ConfigError: If there is no group called `reference`, no such factor, or no such level of it.
    """
    rows = [
        who | _fractions(pair, margin) | _times(pair) if who["design"] != ITSELF else who | _counts(pair)
        for who, pair in pairs_of(frames, reference, all_pairs=all_pairs, factor=factor)
    ]
    table = pd.DataFrame(rows, columns=COLUMNS if margin is None else [*COLUMNS, *EQUIVALENCE])
    columns = ["p_converged", "p_time"]
    table[[f"{column}_holm" for column in columns]] = holm(table[columns].to_numpy(float))
    return table if margin is None else with_equivalence(table, margin)


def require_fraction(margin: float | None) -> None:
    """Raise ConfigError if a margin of equivalence is too large for fractions, which lie between 0 and 1."""
    if margin is not None and not margin < 1:
        raise ConfigError(f"margin is {margin}; fractions lie between 0 and 1, so write 0.05 for 5 percentage points")


def with_equivalence(table: pd.DataFrame, margin: float) -> pd.DataFrame:
    """Add to a table of comparisons the margin, and the p values of the tests of equivalence after Holm's correction."""
    return table.assign(margin=margin, p_equivalence_holm=holm(table["p_equivalence"].to_numpy(float)))


def _has_converged(runs: pd.DataFrame) -> np.ndarray:
    return np.asarray(runs["outcome"].to_numpy() == Outcome.CONVERGED)


def _counts(pair: Pair) -> dict[str, Any]:
    ours, theirs = _has_converged(pair.ours), _has_converged(pair.theirs)
    return {"converged": int(ours.sum()), "converged_reference": int(theirs.sum())}


def _fractions(pair: Pair, margin: float | None) -> dict[str, Any]:
    ours, theirs = pair.values(_has_converged)
    a, b, pairs = pair.parted(_has_converged)
    low, high = intervals.difference_of_fractions(ours, theirs, pairs)
    row = _counts(pair) | {"difference": float(ours.mean() - theirs.mean()), "difference_low": low, "difference_high": high}
    row["discordant"] = int((pairs[0] ^ pairs[1]).sum())
    if pair.design == PAIRED:
        tested = hypotheses.mcnemar(ours, theirs)
    else:
        tested = hypotheses.exchange(a, b, pairs) if pair.design == PARTLY else hypotheses.fisher(ours, theirs)
    if margin is not None:
        interval = partial(intervals.difference_of_fractions, ours, theirs, pairs)
        row["p_equivalence"] = equivalence.by_interval(interval, margin)
    return row | _test("converged", tested)


def _test(name: str, tested: Tested) -> dict[str, Any]:
    return {f"test_{name}": tested.name, f"p_{name}": tested.p, f"p_{name}_least": tested.least_p}


def _times(pair: Pair) -> dict[str, Any]:
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
