"""Plan a sweep whose comparison is Wilcoxon's signed-rank test, by resampling the paired differences of a pilot sweep."""

import numpy as np
from scipy import stats

from fa_sweep._typing import Array
from fa_sweep.decisions import ALPHA, POWER
from fa_sweep.decisions.planning import Planned, check_share, refined
from fa_sweep.errors import ConfigError

RESAMPLES = 2_000
FEW = 12  # with at most so many differences other than 0, the p value is exact
FEWEST_PAIRS = 5  # of a pilot
MOST_PAIRS = 2_000  # of a plan


def signed_rank_p(differences: Array) -> Array:
    """Return the p values of Wilcoxon's signed-rank test for many samples at once.

    Zeros are ranked with the other differences and then dropped (Pratt, 1959), as in `fa_sweep.report.hypotheses.wilcoxon`.
    With more than `FEW` differences other than 0, the sum of the signed ranks is taken to be normal.

    Args:
        differences: (s, n) paired differences of each sample.

    Returns:
        (s,) two-sided p values; 1 if no difference is other than 0.
    """
    ranks = np.sign(differences) * stats.rankdata(np.abs(differences), axis=1)
    sums, sizes = np.abs(ranks.sum(axis=1)), (ranks != 0).sum(axis=1)
    spread = np.sqrt((ranks**2).sum(axis=1))
    p = 2 * stats.norm.sf(np.divide(sums, spread, out=np.zeros_like(sums), where=spread > 0))
    for size in range(1, FEW + 1):
        rows = np.flatnonzero(sizes == size)
        if len(rows):
            used = np.sort(np.abs(ranks[rows]), axis=1)[:, ranks.shape[1] - size :]
            signs = 1 - 2 * ((np.arange(2**size)[:, None] >> np.arange(size)) & 1)
            p[rows] = (np.abs(used @ signs.T) >= sums[rows, None] - 1e-9).mean(axis=1)
    return np.asarray(np.minimum(p, 1.0))


def seeds_by_resampling(differences: Array, power: float = POWER, alpha: float = ALPHA) -> Planned:
    """Plan a sweep whose paired differences are like those of a pilot sweep, and whose test is Wilcoxon's signed-rank test.

    Sweeps of n pairs are drawn from the pilot's differences with replacement. The result can be no better than the pilot: if
    few pairs show the difference by chance, so does the plan.

    Args:
        differences: (p,) the pilot's paired differences, group minus reference. Infinite ones are possible.
        power: The wanted probability that the test rejects.
        alpha: The level of the test.

    Raises:
        ConfigError: The pilot has too few pairs, or a value lies outside its range.
    """
    check_share("the power", power, open_ends=True)
    check_share("alpha", alpha, open_ends=True)
    if len(differences) < FEWEST_PAIRS:
        raise ConfigError(f"the pilot has {len(differences)} pairs of runs; a plan needs at least {FEWEST_PAIRS}")
    places = np.random.default_rng(0).integers(len(differences), size=(RESAMPLES, MOST_PAIRS))

    def power_of(n: int) -> float:
        return float((signed_rank_p(differences[places[:, :n]]) <= alpha).mean()) if n else 0.0

    return refined(power_of, power, MOST_PAIRS)
