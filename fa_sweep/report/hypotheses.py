"""Two-sided tests between two groups of runs. Takes arrays and returns a `Tested`.

Each result also holds the smallest p value that the test could have given on these runs. It tells whether the test could have
found a difference at all: with three discordant pairs, McNemar's p value is 0.25 at best.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from fa_sweep._typing import Array
from fa_sweep.report.intervals import BATCH_VALUES, RESAMPLES, generator

TOLERANCE = 1e-9  # statistics that differ by less count as equal, because rounding alone can cause such a difference


@dataclass(frozen=True)
class Tested:
    """The name of a test, its p value, and the smallest p value that it could have given on these runs.

    For tests that draw arrangements at random, `p` is an estimate and may be slightly below `least_p`.
    """

    name: str
    p: float
    least_p: float


def mcnemar(a: Array, b: Array) -> Tested:
    """Test whether the fractions of two groups with the same seeds differ: McNemar's exact test.

    Args:
        a: (n,) whether each run of the first group had the event.
        b: (n,) the same for the second group, in the same order of seeds.

    Returns:
        The test's result; p is 1 if no pair is discordant.
    """
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    discordant = only_a + only_b
    p = float(stats.binomtest(only_a, discordant, 0.5).pvalue) if discordant else 1.0
    return Tested("McNemar exact", p, min(1.0, 2.0 ** (1 - discordant)))


def fisher(a: Array, b: Array) -> Tested:
    """Test whether the fractions of two independent groups differ: Fisher's exact test.

    Args:
        a: (n,) whether each run of the first group had the event.
        b: (m,) the same for the second group.
    """
    (k1, n1), (k2, n2) = (int(a.sum()), len(a)), (int(b.sum()), len(b))
    events = k1 + k2
    possible = range(max(0, events - n2), min(n1, events) + 1)
    ends = {possible[0], possible[-1]}
    p, *at_ends = (_fisher_p(k, n1, events - k, n2) for k in (k1, *ends))
    return Tested("Fisher exact", p, min(at_ends))


def _fisher_p(k1: int, n1: int, k2: int, n2: int) -> float:
    return float(stats.fisher_exact([[k1, n1 - k1], [k2, n2 - k2]]).pvalue)


def exchange(a: Array, b: Array, pairs: tuple[Array, Array]) -> Tested:
    """Test whether the fractions of two groups differ if some of their seeds are shared: an exact permutation test.

    Under the null hypothesis, the two runs of a pair may be swapped, and the runs without a partner may be dealt anew to the
    two groups. The statistic is the difference between the fractions of the two groups. The p value is the probability of a
    difference that is at least as large as the observed one in absolute value.

    Args:
        a: (n,) whether each run of the first group had the event, for seeds that the second group lacks.
        b: (m,) the same for the second group, for seeds that the first group lacks.
        pairs: Whether each run had the event, for the shared seeds: (p,) for the first group and (p,) for the second.
    """
    first, second = pairs
    both, discordant = int((first & second).sum()), int((first ^ second).sum())
    n1, n2, events = len(first) + len(a), len(second) + len(b), int(a.sum() + b.sum())
    swapped = stats.binom.pmf(np.arange(discordant + 1), discordant, 0.5)
    alone = len(a) + len(b)
    dealt = stats.hypergeom.pmf(np.arange(events + 1), alone, events, len(a)) if alone else np.ones(1)
    chances = np.convolve(swapped, dealt)  # entry k: probability of k events in the first group, not counting concordant pairs
    in_first = both + np.arange(len(chances))
    in_second = both + discordant + events - np.arange(len(chances))
    sizes = np.abs(in_first / n1 - in_second / n2)
    observed = abs((first.sum() + a.sum()) / n1 - (second.sum() + b.sum()) / n2)
    possible = chances > 0

    def p_of(size: float) -> float:
        return float(min(1.0, chances[possible & (sizes >= size - TOLERANCE)].sum()))

    return Tested("permutation of pairs and runs", p_of(observed), p_of(float(sizes[possible].max())))


def wilcoxon(differences: Array, key: tuple[str, ...]) -> Tested:
    """Test whether paired differences are centred on zero: Wilcoxon's signed-rank test by permutation of signs.

    Zeros are ranked with the other differences, and are then dropped (Pratt, 1959). With n differences other than zero, the
    test is exact if 2^n is at most `RESAMPLES`; otherwise it draws random permutations.

    Args:
        differences: (p,) first group minus second, one per shared seed.
        key: Seeds the random permutations, see `intervals.generator`.

    Returns:
        The test's result; p is 1 if fewer than two differences are other than zero.
    """
    # scipy.stats.wilcoxon with a PermutationMethod gives the same p a hundred times slower: it ranks each resample anew.
    name = "Wilcoxon signed-rank"
    signed_ranks = np.sign(differences) * stats.rankdata(np.abs(differences))
    signed_ranks = signed_ranks[signed_ranks != 0]
    if len(signed_ranks) < 2:
        return Tested(name, 1.0, 1.0)  # with at most one difference, no p below 1 is possible
    result = stats.permutation_test(
        (signed_ranks,),
        np.sum,
        permutation_type="samples",
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=max(1, BATCH_VALUES // len(differences)),
        rng=generator(*key),
    )
    return Tested(name, float(result.pvalue), max(2.0 ** (1 - len(signed_ranks)), _resolution(2.0 ** len(signed_ranks))))


def _resolution(arrangements: float) -> float:
    """Return the smallest two-sided p of a permutation test with this many arrangements, each of which has a mirror image.

    The test draws at most `RESAMPLES` of them.
    """
    return 2 / (RESAMPLES + 1) if arrangements > RESAMPLES else 2 / arrangements


def logrank_scores(times: Array, has_event: Array) -> Array:
    """Return each run's score in the log-rank test: its event (1 or 0) minus the cumulative hazard at its time.

    The hazard is estimated from all runs together. The scores of a group sum to its observed minus its expected number of
    events.

    Args:
        times: (n,) step of the event, or of censoring.
        has_event: (n,) whether the run had the event.

    Returns:
        (n,) scores.
    """
    order = np.unique(times[has_event])
    at_risk = (times[:, None] >= order).sum(axis=0)
    events = ((times[:, None] == order) & has_event[:, None]).sum(axis=0)
    hazard = np.r_[0.0, np.cumsum(events / at_risk)]
    scores: Array = has_event - hazard[np.searchsorted(order, times, side="right")]
    return scores


def logrank(a: tuple[Array, Array], b: tuple[Array, Array], key: tuple[str, ...]) -> Tested:
    """Test whether the times of two independent groups differ: the log-rank test by permutation of the runs.

    The chi-squared form of the test is not used, because it rejects too often in small groups.

    Args:
        a: (n,) times of the first group, and (n,) whether each is the time of an event (otherwise of censoring).
        b: (m,) and (m,), the same for the second group.
        key: Seeds the random permutations, see `intervals.generator`.
    """
    times, has_event = (np.concatenate(parts) for parts in zip(a, b, strict=True))
    scores = logrank_scores(times, has_event)
    return _permuted("log-rank by permutation", scores[: len(a[0])], scores[len(a[0]) :], np.empty(0), np.empty(0), key)


def means(
    a: Array, b: Array, pairs: tuple[Array, Array], key: tuple[str, ...], name: str = "permutation of pairs and runs"
) -> Tested:
    """Test whether the means of two groups differ if some or none of their seeds are shared: a permutation test.

    Args:
        a: (n,) values of the first group, for seeds that the second group lacks.
        b: (m,) values of the second group, for seeds that the first group lacks.
        pairs: Values at the shared seeds, (p,) of the first group and (p,) of the second.
        key: Seeds the random permutations, see `intervals.generator`.
        name: The name of the test in the result.

    Returns:
        The test's result; NaN if a value is not finite.
    """
    return _permuted(name, a, b, *pairs, key)


def ranks(values: Array) -> Array:
    """Return the rank of each value; tied values, also infinite ones, share the mean of their ranks."""
    found: Array = stats.rankdata(values)
    return found


def _permuted(name: str, a: Array, b: Array, first: Array, second: Array, key: tuple[str, ...]) -> Tested:
    """Test a difference of means against `RESAMPLES` random arrangements, which swap pairs and deal the other runs anew."""
    alone, n1, n2 = np.concatenate([a, b]), len(a) + len(first), len(b) + len(second)
    if not np.isfinite(np.concatenate([alone, first, second])).all():
        return Tested(name, math.nan, math.nan)
    draws = generator(*key)
    sums = np.zeros(RESAMPLES)
    if len(first):
        swapped = draws.random((RESAMPLES, len(first))) < 0.5
        sums += np.where(swapped, second, first).sum(axis=1)
    if len(alone):
        sums += draws.permuted(np.tile(alone, (RESAMPLES, 1)), axis=1)[:, : len(a)].sum(axis=1)
    total = float(alone.sum() + first.sum() + second.sum())
    sizes = np.abs(sums / n1 - (total - sums) / n2)
    observed = abs((a.sum() + first.sum()) / n1 - (b.sum() + second.sum()) / n2)
    extreme = int((sizes >= observed * (1 - TOLERANCE) - TOLERANCE * np.abs(alone).max(initial=0.0)).sum())
    differing = int((first != second).sum())
    arrangements = 2.0**differing * (math.comb(len(alone), len(a)) if len(np.unique(alone)) > 1 else 1)
    # Count the observed arrangement too, because it is one of the possible ones (Phipson and Smyth, 2010).
    # Groups of equal size can change places: every arrangement then has a mirror image that is just as extreme.
    least = max(1 / (RESAMPLES + 1), (2 if n1 == n2 else 1) / arrangements)
    return Tested(name, (extreme + 1) / (RESAMPLES + 1), min(1.0, least))


def holm(p_values: Array) -> Array:
    """Correct p values of any shape by Holm's step-down method (Holm, 1979). NaN stays NaN and does not count as a test."""
    p = np.asarray(p_values, dtype=float)
    flat = p.ravel()
    adjusted = np.full(flat.shape, np.nan)
    defined = np.flatnonzero(~np.isnan(flat))
    order = defined[np.argsort(flat[defined], kind="stable")]
    steps = (len(order) - np.arange(len(order))) * flat[order]
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0) if len(order) else steps
    return adjusted.reshape(p.shape)
