"""Each statistic agrees with a second implementation, on ordinary and on degenerate samples."""

import math
from itertools import combinations, product

import lifelines
import numpy as np
import pandas as pd
import pytest
from lifelines.statistics import logrank_test
from lifelines.utils import restricted_mean_survival_time
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint
from support.simulated import DIVERGED, HORIZON, NEVER, simulate

from fa_sweep.errors import ConfigError
from fa_sweep.report.comparisons import compare
from fa_sweep.report.estimates import fraction_converged, group_table, survival, trajectories
from fa_sweep.report.hypotheses import RESAMPLES, fisher, holm, logrank, mcnemar, means, wilcoxon
from fa_sweep.report.intervals import bootstrap_interval, difference_of_fractions, interquartile_mean

SAMPLES = {
    "ordinary": [100, 200, 200, 700, NEVER, 300, NEVER, 1500, 200, 4600, 900, NEVER],
    "ties": [200] * 8 + [NEVER] * 4,
    "all converged": [100, 100, 200, 300, 4600],
    "none converged": [NEVER] * 12,
    "all diverged": [DIVERGED] * 11,
    "some diverged": [DIVERGED, 100, NEVER, DIVERGED, 200, 300, 400, 500, 600, 700, DIVERGED],
    "one, converged": [300],
    "one, not": [NEVER],
    "two": [100, NEVER],
    "at once": [0] * 10,
}
EACH = pytest.mark.parametrize("times", SAMPLES.values(), ids=SAMPLES)


def durations(times):
    """Return the durations of runs, and whether each run converged; runs that did not are censored at the horizon."""
    happened = [t is not None and t >= 0 for t in times]
    return [float(t) if h else HORIZON for t, h in zip(times, happened, strict=True)], happened


@EACH
def test_group_table(settings, times):
    frames = simulate(settings, {"g": times})
    (row,) = group_table(frames).to_dict("records")
    waits, happened = durations(times)
    n, k = len(times), sum(happened)
    assert (row["n"], row["converged"], row["diverged"]) == (n, k, times.count(DIVERGED))
    np.testing.assert_allclose(
        (row["converged_low"], row["converged_high"]), proportion_confint(k, n, method="wilson"), atol=1e-12
    )
    fitter = lifelines.KaplanMeierFitter().fit(waits, happened)
    ordered = sorted(t if h else math.inf for t, h in zip(waits, happened, strict=True))
    lower, upper = ordered[(n - 1) // 2], ordered[n // 2]
    assert lower == fitter.median_survival_time_
    # If the curve is flat at one half, lifelines takes the start of that stretch. R's survfit takes its middle, as we do.
    assert row["median_steps"] == (lower if math.isinf(upper) else (lower + upper) / 2)
    np.testing.assert_allclose(row["rmst_steps"], restricted_mean_survival_time(fitter, t=HORIZON), rtol=1e-12)
    finals = [0.0 if t == DIVERGED else 1.0 if h else 0.75 for t, h in zip(times, happened, strict=True)]
    assert row["accuracy_median"] == np.median(finals)
    assert row["accuracy_iqm"] == pytest.approx(np.mean(np.repeat(sorted(finals), 4)[n:-n]))
    losses = [math.inf if t == DIVERGED else 0.01 if h else 0.4 for t, h in zip(times, happened, strict=True)]
    assert row["loss_median"] == np.median(losses)
    assert row["angle_deg_undefined"] == times.count(DIVERGED)
    for name, fewest in (("rmst_steps", 5), ("median_steps", 6), ("accuracy_median", 6), ("loss_iqm", 20)):
        assert math.isnan(row[f"{name}_low"]) == (n < fewest), name


@EACH
def test_survival_curve(settings, times):
    curve = survival(simulate(settings, {"g": times}))
    waits, happened = durations(times)
    fitter = lifelines.KaplanMeierFitter().fit(waits, happened)
    bands = fitter.confidence_interval_survival_function_
    for row in curve.to_dict("records"):
        step = row["step"]
        expected = float(fitter.survival_function_at_times(step).iloc[0])
        assert row["survival"] == pytest.approx(expected, abs=1e-12)
        assert row["at_risk"] == sum(w >= step for w in waits)
        assert row["events"] == sum(h and w == step for w, h in zip(waits, happened, strict=True))
        low, high = bands.loc[:step].iloc[-1] if (bands.index <= step).any() else (math.nan, math.nan)
        left = round(expected * len(times))
        if 0 < left < len(times):
            np.testing.assert_allclose((row["low"], row["high"]), (low, high), atol=1e-9)
        else:  # the log-log interval is undefined at 0 and 1
            np.testing.assert_allclose(
                (row["low"], row["high"]), proportion_confint(left, len(times), method="wilson"), atol=1e-9
            )
    assert curve["step"].max() == HORIZON
    assert curve["censored"].sum() == len(times) - sum(happened)


def test_diverged_runs_are_censored_at_the_horizon_and_not_where_they_diverged(settings):
    """Censoring at step 2,000, where the runs diverged, would shrink the risk set and overstate the later drop."""
    curve = survival(simulate(settings, {"g": [DIVERGED] * 5 + [3000] * 5}))
    assert float(curve.loc[curve["step"] == 3000, "survival"].iloc[0]) == 0.5


def table(a, b, c, d):
    """Return paired outcomes: in a pairs both are true, in b only the first, in c only the second, in d neither."""
    first = np.array([True] * (a + b) + [False] * (c + d))
    second = np.array([True] * a + [False] * b + [True] * c + [False] * d)
    return first, second


@pytest.mark.parametrize("cells", [(10, 5, 2, 3), (0, 0, 0, 7), (5, 0, 0, 0), (0, 6, 0, 0), (20, 1, 9, 20), (0, 0, 1, 0)])
def test_mcnemar(cells):
    a, b, c, d = cells
    expected = statsmodels_mcnemar([[a, b], [c, d]], exact=True).pvalue if b + c else 1.0
    assert mcnemar(*table(*cells)).p == pytest.approx(expected)
    assert mcnemar(*table(*cells)).least_p == min(1.0, 2.0 ** (1 - b - c))


def paired_difference(a, b):
    return difference_of_fractions(a, b, (a, b))


def unpaired_difference(a, b):
    return difference_of_fractions(a, b, (a[:0], b[:0]))


def test_newcombe_paired_against_the_published_example():
    """Method 10 for the counts 36, 12, 2, 0 in table II of Newcombe (1998), Statistics in Medicine 17:2635."""
    assert paired_difference(*table(36, 12, 2, 0)) == pytest.approx((0.0569, 0.3404), abs=5e-5)


def test_newcombe_unpaired_against_statsmodels_and_the_published_example():
    first, second = np.arange(70) < 56, np.arange(80) < 48
    assert unpaired_difference(first, second) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    for k1, n1, k2, n2 in [(5, 10, 3, 12), (0, 10, 9, 9), (1, 1, 0, 1), (7, 7, 8, 8)]:
        expected = confint_proportions_2indep(k1, n1, k2, n2, method="newcomb", compare="diff")
        assert unpaired_difference(np.arange(n1) < k1, np.arange(n2) < k2) == pytest.approx(expected, abs=1e-12)


def test_newcombe_paired_in_plain_python():
    """The interval equals the square-and-add formula, written out here again, for all small tables."""

    def wilson(k, n):
        return proportion_confint(k, n, method="wilson")

    for a, b, c, d in product(range(4), repeat=4):
        n = a + b + c + d
        if n == 0:
            continue
        p1, p2 = (a + b) / n, (a + c) / n
        (l1, u1), (l2, u2) = wilson(a + b, n), wilson(a + c, n)
        margin = (a + b) * (c + d) * (a + c) * (b + d)
        phi = 0.0
        if margin:
            gap = a * d - b * c
            phi = (max(gap - n / 2, 0) if gap > 0 else gap) / math.sqrt(margin)
        down = (p1 - l1) ** 2 - 2 * phi * (p1 - l1) * (u2 - p2) + (u2 - p2) ** 2
        up = (p2 - l2) ** 2 - 2 * phi * (p2 - l2) * (u1 - p1) + (u1 - p1) ** 2
        expected = p1 - p2 - math.sqrt(max(down, 0)), p1 - p2 + math.sqrt(max(up, 0))
        assert paired_difference(*table(a, b, c, d)) == pytest.approx(expected, abs=1e-9)


def test_fisher():
    assert fisher(np.arange(10) < 7, np.arange(12) < 2).p == pytest.approx(stats.fisher_exact([[7, 3], [2, 10]])[1])
    assert fisher(np.zeros(3, bool), np.zeros(4, bool)).p == 1.0
    # The extreme table, 3 of 3 against 0 of 3, and its mirror image are 2 of 20 arrangements.
    assert fisher(np.arange(3) < 3, np.arange(3) < 0).least_p == pytest.approx(0.1)


@pytest.mark.parametrize("n", [1, 2, 5, 9])
def test_wilcoxon_is_exact_for_few_pairs(n):
    """The p value equals an enumeration of all sign flips in plain Python, with ties and Pratt's treatment of zeros."""
    generator = np.random.default_rng(n)
    for _ in range(20):
        differences = generator.integers(-2, 3, n).astype(float)
        ranks = stats.rankdata(np.abs(differences))
        weights = [r for r, d in zip(ranks, differences, strict=True) if d]
        observed = sum(r * np.sign(d) for r, d in zip(ranks, differences, strict=True))
        sums = [sum(s * w for s, w in zip(signs, weights, strict=True)) for signs in product((-1, 1), repeat=len(weights))]
        above = np.mean([s >= observed - 1e-9 for s in sums])
        below = np.mean([s <= observed + 1e-9 for s in sums])
        expected = min(1.0, 2 * min(above, below)) if weights else 1.0
        assert wilcoxon(differences, ("t",)).p == pytest.approx(expected)


def test_wilcoxon_agrees_with_scipys_for_many_pairs():
    generator = np.random.default_rng(3)
    for shift in (0.0, 0.4):
        differences = np.round(generator.normal(shift, 2, 60))
        method = stats.PermutationMethod(n_resamples=2999, rng=np.random.default_rng(0))
        expected = stats.wilcoxon(differences, zero_method="pratt", method=method).pvalue
        assert wilcoxon(differences, ("t",)).p == pytest.approx(expected, abs=0.03)


def test_holm_against_statsmodels():
    generator = np.random.default_rng(0)
    for n in (1, 2, 7):
        p = generator.random(n) ** 3
        np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1])
    np.testing.assert_array_equal(holm([0.04, np.nan, 0.01]), [0.04, np.nan, 0.02])
    assert len(holm([])) == 0


def test_unpaired_comparison_without_shared_seeds(settings):
    times = {"symmetric": [100, 200, 300, 300, NEVER] * 3, "random": [NEVER, 500, NEVER, 600, DIVERGED] * 3}
    frames = simulate(settings, times, seeds={"symmetric": range(15), "random": range(20, 35)})
    (row,) = compare(frames).to_dict("records")
    assert (row["design"], row["pairs"], row["test_time"]) == ("unpaired", 0, "log-rank by permutation")
    (a, seen_a), (b, seen_b) = (durations(times[g]) for g in ("random", "symmetric"))
    assert row["p_time"] == pytest.approx(logrank_test(a, b, seen_a, seen_b).p_value, abs=0.002)
    assert row["rmst_difference_low"] < row["rmst_difference"] < row["rmst_difference_high"]


def test_log_rank_by_permutation_is_observed_minus_expected():
    """The p value is the share of all ways to deal the runs in which |observed - expected| is at least as large."""
    times, seen = np.array([1.0, 2, 2, 4, 5, 6, 6]), np.array([1, 1, 0, 1, 1, 1, 0], bool)
    a, b = (times[:3], seen[:3]), (times[3:], seen[3:])

    def distance(chosen):
        observed = expected = 0.0
        for t in sorted(set(times[seen])):
            at_risk, events = times >= t, (times == t) & seen
            observed += events[list(chosen)].sum()
            expected += events.sum() * at_risk[list(chosen)].sum() / at_risk.sum()
        return abs(observed - expected)

    dealt = [distance(chosen) >= distance(range(3)) - 1e-9 for chosen in combinations(range(7), 3)]
    assert logrank(a, b, ("t",)).p == pytest.approx(np.mean(dealt), abs=0.01)
    assert logrank(a, b, ("t",)).least_p == pytest.approx(1 / 35)


@pytest.mark.parametrize(("ours", "theirs"), [(1, 20), (3, 4), (4, 4), (2, 9), (20, 20)])
def test_no_p_is_below_the_least_one(ours, theirs):
    """The most extreme arrangement of skewed values: those of one group are above all values of the other."""
    values = 1.5 ** np.arange(ours + theirs)
    tested = means(values[theirs:], values[:theirs], (np.zeros(0), np.zeros(0)), ("t",))
    exact = max(1 / (RESAMPLES + 1), (2 if ours == theirs else 1) / math.comb(ours + theirs, ours))
    assert tested.least_p == pytest.approx(exact)
    assert tested.p == pytest.approx(exact, rel=0.25)


@pytest.mark.parametrize("times", [[NEVER] * 12, [DIVERGED] * 12], ids=["none", "diverged"])
@pytest.mark.parametrize("shared", [True, False])
def test_no_event_at_all_gives_p_of_one(settings, times, shared):
    seeds = {"symmetric": range(12), "random": range(12) if shared else range(50, 62)}
    (row,) = compare(simulate(settings, {"symmetric": times, "random": times}, seeds=seeds)).to_dict("records")
    assert row["p_converged"] == row["p_time"] == row["p_converged_holm"] == 1.0
    assert row["difference"] == 0.0
    assert row["difference_low"] < 0 < row["difference_high"]


def test_reference_is_symmetric_at_equal_levels(settings):
    levels = {
        f"{m}, init.scale={s}": {"feedback": m, "init.scale": s}
        for s in (0.1, 1.0)
        for m in ("random", "symmetric", "rerandom")
    }
    frames = simulate(settings, {group: [100, NEVER] for group in levels}, factors=levels)
    found = {row["group"]: row["reference"] for row in compare(frames).to_dict("records")}
    assert found == {
        g: f"symmetric, init.scale={lv['init.scale']}" for g, lv in levels.items() if lv["feedback"] != "symmetric"
    }
    assert set(compare(frames, "random, init.scale=0.1")["reference"]) == {"random, init.scale=0.1"}
    assert len(compare(frames, all_pairs=True)) == 15
    with pytest.raises(ConfigError, match="did you mean"):
        compare(frames, "random, init.scale=0.2")


def test_nan_angles_are_left_out_and_counted(settings):
    angles = {"g": [np.nan, 10.0, 20.0, np.nan, 60.0] * 3}
    (row,) = group_table(simulate(settings, {"g": [100] * 15}, angles=angles)).to_dict("records")
    assert row["angle_deg_undefined"] == 6
    assert row["angle_deg_median"] == 20.0
    (nothing,) = group_table(simulate(settings, {"g": [100] * 3}, angles={"g": [np.nan] * 3})).to_dict("records")
    assert nothing["angle_deg_undefined"] == 3
    assert math.isnan(nothing["angle_deg_median"])


def test_trajectories_count_who_is_still_alive(settings):
    curve = trajectories(simulate(settings, {"g": [100, DIVERGED, NEVER, 300]}), "accuracy").set_index("step")
    assert curve.loc[1900, "n"] == 4
    assert curve.loc[2000, "n"] == 3
    assert curve.loc[0, "median"] == 0.75
    assert (curve.loc[2000, "q25"], curve.loc[2000, "median"]) == (0.875, 1.0)


def test_fraction_converged_by_step(settings):
    table_ = fraction_converged(simulate(settings, {"g": [100, 100, NEVER, 300]})).set_index("step")["fraction"]
    assert [table_[0], table_[100], table_[200], table_[300], table_[5000]] == [0, 0.5, 0.5, 0.75, 0.75]


def test_bootstrap_is_keyed_and_not_ordered():
    values = np.random.default_rng(0).normal(size=40)
    first = bootstrap_interval([values], np.mean, ("sweep", "a", "x"))
    bootstrap_interval([values], np.mean, ("sweep", "b", "x"))
    assert bootstrap_interval([values], np.mean, ("sweep", "a", "x")) == first
    assert bootstrap_interval([values], np.mean, ("sweep", "b", "x")) != first
    assert all(math.isnan(v) for v in bootstrap_interval([values[:19]], np.mean, ("s",)))


def test_interquartile_mean():
    assert interquartile_mean(np.array([100.0, 1, 2, 3, 4, 5, 6, -50])) == np.mean([2, 3, 4, 5])
    # The middle five of ten values: four whole ones and two halves.
    assert interquartile_mean(np.arange(10.0) ** 2) == pytest.approx((4 / 2 + 9 + 16 + 25 + 36 + 49 / 2) / 5)
    assert interquartile_mean(np.array([1.0, np.inf, np.inf, np.inf])) == np.inf
    assert interquartile_mean(np.array([1.0, 2.0, 3.0, np.inf])) == 2.5


def test_empty_groups_keep_their_row(settings):
    frames = simulate(settings, {"a": [100, 200], "b": [300]})
    frames.runs.drop(frames.runs.index[frames.runs["group"] == "b"], inplace=True)  # noqa: PD002  as if b were missing
    groups = group_table(frames)
    assert list(groups["n"]) == [2, 0]
    assert pd.isna(groups["converged_fraction"].iloc[1])
