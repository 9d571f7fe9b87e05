"""Compare one number of each run between groups, such as the final accuracy. Takes frames and returns frames.

The tests follow from the design (see `pairs`): Wilcoxon's signed-rank test for pairs, otherwise permutation tests. Beside the
difference of the means stand the median of the paired differences and the probability of improvement.
"""

import math
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from fa_sweep.report import equivalence, hypotheses, improvement, intervals
from fa_sweep.report.comparisons import EQUIVALENCE, with_equivalence
from fa_sweep.report.frames import Frames
from fa_sweep.report.hypotheses import Tested, holm
from fa_sweep.report.pairs import ITSELF, PAIRED, PARTLY, WHO, Pair, pairs_of
from fa_sweep.report.values import values_of
from fa_sweep.settings.measures import Measure, direction

COLUMNS = [*WHO, "undefined", "metric", "mean", "mean_reference", "difference", "difference_low", "difference_high"]
COLUMNS += ["median", "median_reference", "median_difference", "median_difference_low", "median_difference_high"]
COLUMNS += ["improvement", "improvement_low", "improvement_high", "test", "p", "p_holm", "p_least"]
OF_MEDIANS = "p_equivalence_median"


def compare_values(
    frames: Frames,
    measure: Measure,
    reference: str | None = None,
    *,
    all_pairs: bool = False,
    factor: str | None = None,
    margin: float | None = None,
) -> pd.DataFrame:
    """Compare a measure of the runs between groups, one row per comparison.

    A pair of groups is left out if they are the same set of trainings, have different metrics, or if a group has no run with a
    defined value. Runs whose value is undefined are left out, in paired designs together with their partners.

    Args:
        frames: The sweep.
        measure: What is compared.
        reference: The name of the group that all others are compared with (see `pairs.pairs_of`).
        all_pairs: Compare every pair of groups instead.
        factor: Compare only groups that differ in this factor alone. `reference` is then a level of it.
        margin: Test, in addition, whether the groups are equivalent: whether they differ by less than this, in the unit of the
            measure.

    Returns:
        A frame with `COLUMNS`. Differences are group minus reference. `n`, `n_reference` and `pairs` count the runs with a
        defined value, and `undefined` the others. `difference` is of the means; it is NaN if a mean is infinite.
        `median_difference` is the median of the differences at the shared seeds; NaN if there are none. `improvement` is the
        probability that a run of the group is better than one of the reference, plus half the probability that they are equal:
        at the same seed in paired designs, and otherwise over all pairs of runs. For metrics of which neither high nor low
        values are better, it is the probability of a higher value. `p_least` is the smallest p value that the test could have
        given. With a margin, there are also `margin`, `p_equivalence` (of the means), `p_equivalence_holm` and
        `p_equivalence_median` (of the median of paired differences).

    Raises:
        ConfigError: If there is no group called `reference`, no such factor, or no such level of it.
    """
    values = values_of(frames, measure).set_index(frames.runs.index)
    rows = []
    for who, pair in pairs_of(frames, reference, all_pairs=all_pairs, factor=factor):
        if who["design"] == ITSELF:
            continue
        ours, theirs = values.loc[pair.ours.index], values.loc[pair.theirs.index]
        metrics = {*ours["metric"], *theirs["metric"]}
        known = _defined(Pair(ours, theirs, (*pair.key, str(measure))))
        if len(metrics) > 1 or not len(known.ours) or not len(known.theirs):
            continue
        metric = str(metrics.pop())
        counts = {"design": known.design, "n": len(known.ours), "n_reference": len(known.theirs), "pairs": len(known.shared)}
        undefined = int(ours["value"].isna().sum() + theirs["value"].isna().sum())
        row = who | counts | {"undefined": undefined, "metric": metric} | _compared(known, metric)
        rows.append(row if margin is None else row | _equivalent(known, margin))
    table = pd.DataFrame(rows, columns=COLUMNS if margin is None else [*COLUMNS, *EQUIVALENCE, OF_MEDIANS])
    table["p_holm"] = holm(table["p"].to_numpy(float))
    return table if margin is None else with_equivalence(table, margin)


def _defined(pair: Pair) -> Pair:
    """Return the pair of groups without undefined values. In a paired design, their partners go with them."""
    if pair.design == PAIRED:
        gone = {seed for part in (pair.ours, pair.theirs) for seed in part.loc[part["value"].isna(), "seed"]}
        ours, theirs = (part[~part["seed"].isin(gone)] for part in (pair.ours, pair.theirs))
    else:
        ours, theirs = (part[part["value"].notna()] for part in (pair.ours, pair.theirs))
    return Pair(ours, theirs, pair.key)


def _values(runs: pd.DataFrame) -> np.ndarray:
    values: np.ndarray = runs["value"].to_numpy(float)
    return values


def paired_differences(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the differences of paired values. Two infinite values are equal, so their difference is 0 and not NaN."""
    with np.errstate(invalid="ignore"):
        return np.where(first == second, 0.0, first - second)


def _compared(pair: Pair, metric: str) -> dict[str, Any]:
    ours, theirs = pair.values(_values)
    a, b, pairs = pair.parted(_values)
    row: dict[str, Any] = {"mean": float(ours.mean()), "mean_reference": float(theirs.mean())}
    finite = np.isfinite(list(row.values())).all()
    low, high = _interval(pair) if finite else intervals.NONE
    row |= {"difference": row["mean"] - row["mean_reference"] if finite else math.nan}
    row |= {"difference_low": low, "difference_high": high}
    row |= {"median": float(np.median(ours)), "median_reference": float(np.median(theirs))}
    differences = paired_differences(*pairs)
    low, high = intervals.median_interval(differences)
    row |= {"median_difference": float(np.median(differences)) if len(differences) else math.nan}
    row |= {"median_difference_low": low, "median_difference_high": high}
    sign = direction(metric) or 1
    estimate = improvement.of_pairs if pair.design == PAIRED else improvement.of_groups
    row |= dict(zip(("improvement", "improvement_low", "improvement_high"), estimate(sign * ours, sign * theirs), strict=True))
    tested = _tested(pair.design, (a, b, pairs), pair.key)
    return {**row, "test": tested.name, "p": tested.p, "p_least": tested.least_p}


def _interval(pair: Pair, level: float = intervals.LEVEL) -> intervals.Interval:
    """Return the interval of the difference of the means, which follows from the design. All values have to be finite."""
    ours, theirs = pair.values(_values)
    if pair.design == PAIRED:
        return intervals.mean_interval(ours - theirs, level)
    if pair.design == PARTLY:
        own = intervals.mean_interval(ours, level), intervals.mean_interval(theirs, level)
        together = intervals.correlation(ours, theirs, pair.parted(_values)[2])
        return intervals.difference_of_means(ours, own[0], theirs, own[1], together)
    return intervals.unpaired_mean_interval(ours, theirs, level)


def _tested(design: str, parted: tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]], key: tuple[str, ...]) -> Tested:
    a, b, pairs = parted
    if design == PAIRED:
        return hypotheses.wilcoxon(paired_differences(*pairs), key)
    name = "permutation of pairs and runs" if design == PARTLY else "permutation of runs"
    everything = np.concatenate([a, b, *pairs])
    if np.isfinite(everything).all():
        return hypotheses.means(a, b, pairs, key, name)
    # With infinite losses of diverged runs there are no means. Their ranks are as good as those of the other runs.
    ranks = np.split(hypotheses.ranks(everything), np.cumsum([len(a), len(b), len(pairs[0])]))
    return hypotheses.means(ranks[0], ranks[1], (ranks[2], ranks[3]), key, f"{name}, by ranks")


def _equivalent(pair: Pair, margin: float) -> dict[str, Any]:
    ours, theirs = pair.values(_values)
    differences = paired_differences(*pair.parted(_values)[2])
    if pair.design == PAIRED:
        p = equivalence.of_mean(differences, margin)
    elif not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        p = math.nan
    else:
        p = (
            equivalence.by_interval(partial(_interval, pair), margin)
            if pair.design == PARTLY
            else equivalence.of_means(ours, theirs, margin)
        )
    return {"p_equivalence": p, OF_MEDIANS: equivalence.of_median(differences, margin)}
