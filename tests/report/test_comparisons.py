"""Which groups are compared, by which test, and what the report says about the result."""

import math
from itertools import combinations, product

import numpy as np
import pytest
from support.commands import short
from support.simulated import DIVERGED, HORIZON, NEVER, simulate

from fa_sweep.report.analysis import analyse
from fa_sweep.report.comparisons import compare
from fa_sweep.report.earlier import Kind, earlier_looks
from fa_sweep.report.estimates import group_table
from fa_sweep.report.frames import from_sweep
from fa_sweep.report.hypotheses import exchange, fisher, mcnemar
from fa_sweep.report.intervals import difference_of_fractions, restricted_mean_interval
from fa_sweep.report.pairs import without_reference
from fa_sweep.report.statements import findings
from fa_sweep.report.trainings import distinct, sets_of_trainings
from fa_sweep.report.value_comparisons import compare_values
from fa_sweep.settings.measures import Measure
from fa_sweep.sweeping.folder import all_sweeps


def told(frames, reference=None):
    """Return all findings of a report as one text."""
    return "\n".join(findings(analyse(frames, reference=reference)))


def flags(n, k):
    return np.arange(n) < k


def test_exchange_is_every_arrangement_counted():
    """The p value equals a plain-Python count of all swaps within pairs and all ways to deal the unpaired runs."""
    generator = np.random.default_rng(0)
    for _ in range(40):
        p, n, m = generator.integers(1, 4, 3)
        first, second = generator.random((2, p)) < 0.5
        a, b = generator.random(n) < 0.5, generator.random(m) < 0.5
        alone = [*a, *b]

        def size(ours, theirs, paired=p, n=n, m=m):
            return abs(sum(ours) / (paired + n) - sum(theirs) / (paired + m))

        observed, extreme, arrangements = size([*first, *a], [*second, *b]), 0, 0
        for swaps in product((False, True), repeat=p):
            ours = [t if s else f for f, t, s in zip(first, second, swaps, strict=True)]
            theirs = [f if s else t for f, t, s in zip(first, second, swaps, strict=True)]
            for chosen in combinations(range(n + m), n):
                dealt = [alone[i] for i in chosen]
                rest = [alone[i] for i in range(n + m) if i not in chosen]
                extreme += size([*ours, *dealt], [*theirs, *rest]) >= observed - 1e-12
                arrangements += 1
        assert exchange(a, b, (first, second)).p == pytest.approx(extreme / arrangements)


def test_exchange_of_pairs_alone_is_mcnemar_s_and_of_equal_groups_fisher_s():
    nobody = np.zeros(0, bool)
    for a, b in ((flags(9, 7), ~flags(9, 5)), (flags(6, 6), flags(6, 0)), (flags(5, 2), flags(5, 2))):
        assert exchange(nobody, nobody, (a, b)).p == pytest.approx(mcnemar(a, b).p)
        assert exchange(a, b, (nobody, nobody)).p == pytest.approx(fisher(a, b).p)


def test_one_shared_pair_among_fifty_runs_each(settings):
    """The test uses all runs, because one group always converges and the other never. The only pair alone would give p = 1."""
    frames = simulate(
        settings,
        {"symmetric": [100] * 50, "random": [NEVER] * 50},
        seeds={"symmetric": range(50), "random": range(49, 99)},
    )
    (row,) = compare(frames).to_dict("records")
    assert (row["design"], row["pairs"], row["n"], row["n_reference"]) == ("partly paired", 1, 50, 50)
    assert (row["converged"], row["converged_reference"]) == (0, 50)
    assert row["test_converged"] == "permutation of pairs and runs"
    assert row["p_converged"] < 1e-20
    assert row["p_time"] == pytest.approx(1e-4)
    assert row["difference_high"] < -0.8
    assert "The difference in the fraction converged is significant." in told(frames)
    assert "50 and 50 runs with 1 shared seed." in told(frames)


def test_partly_shared_seeds_use_all_runs(settings):
    frames = simulate(
        settings,
        {"symmetric": [100, 200, 300, 400], "random": [NEVER, 500, NEVER, 600]},
        seeds={"symmetric": [0, 1, 2, 3], "random": [2, 3, 4, 5]},
    )
    (row,) = compare(frames).to_dict("records")
    assert (row["design"], row["pairs"], row["converged"], row["converged_reference"]) == ("partly paired", 2, 2, 4)
    assert row["rmst_difference"] == pytest.approx((4600 + 500 + 4600 + 600) / 4 - 250)
    low, high = difference_of_fractions(flags(4, 2), flags(4, 4), (np.array([False, True]), np.array([True, True])))
    assert (row["difference_low"], row["difference_high"]) == (low, high)


def test_a_difference_in_time_alone_is_said_of_time_alone(settings):
    """All runs of both groups converge, one group at step 100 and the other at step 3,000 or later."""
    frames = simulate(settings, {"symmetric": [100] * 50, "random": [3000 + 100 * (k % 9) for k in range(50)]})
    text = told(frames)
    assert "The difference in the time to convergence is significant." in text
    assert "The difference in the time to convergence is not" not in text
    assert "random took longer to converge than symmetric: +3" in text
    assert "A run that never converged counts as 4600 steps." in text
    assert text.startswith("Every run converged, so the fraction converged cannot distinguish the groups")
    assert "the same" not in text


def test_final_values_lead_where_all_runs_converge(settings):
    frames = simulate(settings, {"symmetric": [100] * 30, "random": [100] * 30})
    for group, shift in (("symmetric", 0.010), ("random", 0.0)):
        chosen = frames.runs["group"] == group
        frames.runs.loc[chosen, "final.accuracy"] = 0.964 + shift + 0.001 * np.sin(np.arange(30))
    lines = told(frames).splitlines()
    assert lines[0].startswith("Every run converged")
    assert lines[1].startswith("random ended with a lower mean accuracy than symmetric: 0.964 against 0.974, -0.01")
    better = "Probability that random is better, seed by seed: 0 % (95 % CI 0-11 %)."
    test = "Test: Wilcoxon signed-rank, p < 0.001; 30 shared seeds."
    assert lines[2] == f"The difference in the final accuracy is significant. {better} {test}"
    none = simulate(settings, {"symmetric": [NEVER] * 6, "random": [NEVER] * 6})
    neither = "No run converged, so the fraction converged cannot distinguish the groups, and neither can the final values."
    assert told(none).startswith(neither)


def test_one_group_is_not_told_from_others(settings):
    first = "random: 10 of 10 runs (100 %, 95 % CI 72-100 %) converged."
    assert told(simulate(settings, {"random": [100] * 10})).startswith(first)


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        (5, "Only 5 shared seeds have different outcomes in the two groups; with fewer than 7, the test cannot reach 0.025"),
        (1, "Only 1 shared seed has different outcomes in the two groups; with fewer than 7, the test cannot reach 0.025"),
    ],
)
def test_what_no_test_could_tell_is_said(settings, pairs, said):
    """The table has two p values, so the test needs p <= 0.025. m differing pairs reach 2^(1-m) at best, so it takes 7."""
    times = [100 * (1 + k % 4) for k in range(20)]
    frames = simulate(settings, {"symmetric": times, "random": [NEVER] * pairs + times[pairs:]})
    assert said in told(frames)


def test_what_could_have_been_told_apart_is_not(settings):
    frames = simulate(settings, {"symmetric": [100, NEVER] * 10, "random": [NEVER, 100] * 10})
    assert "The difference in the fraction converged is not significant." in told(frames)


def test_holm_is_over_all_p_values_of_the_table(settings):
    generator = np.random.default_rng(0)
    draw = [[int(t) if t < 4600 else NEVER for t in generator.integers(1, 70, 30) * 100] for _ in range(3)]
    table = compare(simulate(settings, dict(zip(("symmetric", "random", "rerandom"), draw, strict=True))))
    p = table[["p_converged", "p_time"]].to_numpy().ravel()
    corrected = table[["p_converged_holm", "p_time_holm"]].to_numpy().ravel()
    assert corrected[np.argmin(p)] == pytest.approx(min(1.0, 4 * p.min()))


def test_a_level_without_the_reference_is_compared_with_nothing(settings):
    levels = {
        "symmetric, init.scale=0.1": {"feedback": "symmetric", "init.scale": 0.1},
        "random, init.scale=0.1": {"feedback": "random", "init.scale": 0.1},
        "random, init.scale=1.0": {"feedback": "random", "init.scale": 1.0},
        "rerandom, init.scale=1.0": {"feedback": "rerandom", "init.scale": 1.0},
    }
    frames = simulate(settings, {group: [100, NEVER] * 5 for group in levels}, factors=levels)
    assert compare(frames)["reference"].tolist() == ["symmetric, init.scale=0.1"]
    assert without_reference(frames) == ["random, init.scale=1.0", "rerandom, init.scale=1.0"]
    said = "no finished run at their other settings: random, init.scale=1.0; rerandom, init.scale=1.0."
    assert said in told(frames)


def test_without_backpropagation_the_first_mode_is_the_reference_at_each_level(settings):
    levels = {
        f"{mode}, init.scale={scale}": {"feedback": mode, "init.scale": scale}
        for mode, scale in (("random", 0.1), ("rerandom", 0.1), ("rerandom", 1.0), ("shallow", 1.0))
    }
    frames = simulate(settings, {group: [100, NEVER] * 5 for group in levels}, factors=levels)
    (row,) = compare(frames).to_dict("records")
    assert (row["group"], row["reference"]) == ("rerandom, init.scale=0.1", "random, init.scale=0.1")
    assert len(without_reference(frames)) == 2


def test_runs_are_not_tested_against_themselves(fa_sweep):
    """No test compares groups that consist of the same trainings.

    Such groups differ only in the threshold, the hold, the number of steps or a setting that the mode ignores.
    """
    assert fa_sweep(*short("train.threshold=0.75,1.0", "train.hold=2,3", "seed=range(6)")) == 0
    assert fa_sweep(*short("feedback=symmetric", "feedback.scale=0.5,1.0,2.0", "seed=range(6)")) == 0
    assert fa_sweep(*short("feedback=random", "train.steps=101,201", "seed=range(6)")) == 0
    for sweep, groups in zip(all_sweeps(), (4, 3, 2), strict=True):
        frames = from_sweep(sweep)
        assert [len(names) for names in sets_of_trainings(frames)] == [groups]
        assert distinct(frames) == 6
        table = compare(frames)
        assert (table["design"] == "one set of runs").all()
        assert table[["p_converged", "p_time", "difference"]].isna().all(axis=None)
        assert compare_values(frames, Measure("success", "end")).empty
        text = told(frames)
        assert f"{groups} groups are one set of trainings under different names" in text
        assert f"The {6 * groups} finished runs are 6 distinct trainings" in text
        assert frames.about.missing == 0
        assert "missing" not in text
        assert "McNemar" not in text


def test_an_extension_after_a_look_is_said(fa_sweep):
    both = "feedback=symmetric,random"
    assert fa_sweep(*short(both, "seed=range(4)")) == 0
    assert fa_sweep(*short(both, "seed=range(8)")) == 0
    assert fa_sweep(*short("feedback=random", "seed=range(8)")) == 0
    assert fa_sweep(*short("feedback=rerandom", "seed=range(4)")) == 0
    first, second, part, other = all_sweeps()
    assert from_sweep(first).about.earlier == []
    (look,) = earlier_looks(second, second.jobs)
    assert (look.id, look.groups, look.runs, look.shared, look.here) == (first.id, 2, 8, 8, 16)
    text = told(from_sweep(second))
    assert (
        f"not the first look at these groups: {first.id} had 8 of the 16 runs of 2 of these groups, and this sweep adds" in text
    )
    assert "the intervals are too narrow and the p values too small" in text
    # `second` has the same seeds as `part`, but a group more, from which `part` may have been picked.
    assert [(look.id, look.kind) for look in from_sweep(part).about.earlier] == [
        (first.id, Kind.OTHER_SEEDS),
        (second.id, Kind.MORE_GROUPS),
    ]
    assert from_sweep(other).about.earlier == []


def test_diverged_runs_are_said_where_their_values_stand(settings):
    from fa_sweep.report.tables import readable_final_values

    frames = simulate(settings, {"random": [DIVERGED] * 3 + [100] * 5})
    (row,) = readable_final_values(group_table(frames)).to_dict("records")
    assert row["accuracy: median"].endswith("; 3 diverged, counted as 0")
    assert row["loss: median"].endswith("; 3 diverged, counted as infinite")


def test_the_restricted_mean_knows_of_runs_that_a_small_sample_lacks():
    low, high = restricted_mean_interval(np.full(10, 500.0), HORIZON)
    assert low == 500 < high  # all ten runs took the same time
    assert high > 500 + 0.2 * (HORIZON - 500)  # Wilson's upper limit for 0 of 10 is 28 %
    assert restricted_mean_interval(np.full(10, HORIZON), HORIZON)[1] == HORIZON
    assert all(math.isnan(end) for end in restricted_mean_interval(np.full(4, 500.0), HORIZON))
