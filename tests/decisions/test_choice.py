"""Choices on tuning seeds: the best score, ties, diverged runs, edges; and what goes wrong if the same seeds test them."""

import math

import numpy as np
import pytest
from support.simulated import DIVERGED, NEVER, simulate
from support.simulated import record as simulated_record

from benchmarks.audit_tuning import errors
from fa_sweep.decisions.choice import beyond, check_by, choices, chosen_factors, label, words
from fa_sweep.errors import ConfigError


@pytest.fixture
def tuned(settings):
    """A function that returns the choices of simulated runs: tuned({(mode, rate): times of convergence}, by="converged")."""

    def made(times, by="converged", per=("feedback",)):
        names = {f"{mode}, train.lr={rate}": (mode, rate) for mode, rate in times}
        factors = {name: {"feedback": mode, "train.lr": rate} for name, (mode, rate) in names.items()}
        frames = simulate(settings, {name: times[key] for name, key in names.items()}, factors=factors)
        records = {job.run_id: simulated_record(job.run_id, _time(times, job), 45.0) for job in frames.jobs}
        return choices(frames.jobs, records, per, by)

    def _time(times, job):
        return times[job.factors["feedback"], job.factors["train.lr"]][job.run.seed]

    return made


def chosen(found):
    return {label(choice): dict(choice.best.levels)["train.lr"] for choice in found}


def test_each_group_takes_its_own_largest_fraction(tuned):
    found = tuned(
        {
            ("symmetric", 0.1): [100, 100, NEVER], ("symmetric", 0.2): [100, 100, 100], ("symmetric", 0.3): [NEVER] * 3,
            ("random", 0.1): [200, NEVER, NEVER], ("random", 0.2): [NEVER] * 3, ("random", 0.3): [NEVER] * 3,
        }
    )  # fmt: skip
    assert chosen(found) == {"symmetric": 0.2, "random": 0.1}
    assert [choice.best.converged for choice in found] == [3, 1]
    assert [dict(choice.edges) for choice in found] == [{}, {"train.lr": "lowest"}]
    assert [len(choice.tried) for choice in found] == [3, 3]


def test_ties_go_to_the_shorter_time_then_to_the_first(tuned):
    found = tuned({("random", 0.1): [300, 300], ("random", 0.2): [100, 400], ("random", 0.3): [200, 300]})
    assert chosen(found) == {"random": 0.2}  # 500 steps in all, as 0.3 has, and before it
    assert found[0].tied == 1
    assert found[0].decided_by == -1
    assert found[0].best.restricted_mean == 250
    assert "1 more did equally well, and the first is taken" in words(found[0], "converged")
    assert not found[0].edges


def test_a_run_that_never_converges_counts_with_the_horizon(tuned):
    (found,) = tuned({("random", 0.1): [4600, 4600, NEVER], ("random", 0.2): [100, 4600, NEVER]})
    assert dict(found.best.levels) == {"train.lr": 0.2}
    assert found.best.restricted_mean == pytest.approx((100 + 4600 + 4600) / 3)


def test_what_broke_a_tie_is_said(tuned):
    (by_time,) = tuned({("random", 0.1): [300, NEVER], ("random", 0.2): [100, NEVER]})
    assert by_time.decided_by == 1
    (by_value,) = tuned({("random", 0.1): [DIVERGED, DIVERGED], ("random", 0.2): [NEVER, NEVER]})
    assert by_value.decided_by == 2
    assert words(by_value, "converged", "accuracy").startswith(
        "train.lr=0.2 (0 of 2 converged; a tie, decided by the median final accuracy, 0.75"
    )


def test_by_a_metric_the_median_decides_in_its_direction(tuned):
    times = {("random", 0.1): [100, 100, NEVER], ("random", 0.2): [100, NEVER, NEVER]}
    assert chosen(tuned(times, by="accuracy")) == {"random": 0.1}
    assert chosen(tuned(times, by="loss")) == {"random": 0.1}
    (found,) = tuned(times, by="loss")
    assert found.best.median == pytest.approx(0.01)
    assert found.best.score == pytest.approx((-0.01,))


def test_a_diverged_run_is_the_worst(tuned):
    times = {("random", 0.1): [DIVERGED, DIVERGED, 100], ("random", 0.2): [NEVER, NEVER, NEVER]}
    assert chosen(tuned(times, by="loss")) == {"random": 0.2}
    assert chosen(tuned(times, by="accuracy")) == {"random": 0.2}
    assert chosen(tuned(times)) == {"random": 0.1}


def test_every_combination_of_several_factors_chooses(tuned):
    times = {("symmetric", 0.1): [100], ("random", 0.1): [100], ("random", 0.2): [NEVER]}
    found = tuned(times, per=("feedback", "train.lr"))
    assert [label(choice) for choice in found] == [
        "symmetric, train.lr=0.1", "random, train.lr=0.1", "random, train.lr=0.2",
    ]  # fmt: skip


def test_the_words_say_what_was_chosen_and_why(tuned):
    found = tuned({("random", 0.1): [200, NEVER], ("random", 0.2): [NEVER, NEVER]})
    assert words(found[0], "converged") == (
        "train.lr=0.1 (1 of 2 converged, restricted mean 2400 steps; train.lr is the lowest that was tried)"
    )


@pytest.mark.parametrize(
    ("values", "end", "expected"),
    [
        ([0.01, 0.1, 1], "highest", 10), ([0.01, 0.1, 1], "lowest", 0.001), ([1, 2], "highest", 4), ([1.0, 2], "lowest", 0.5),
        ([0, 1, 2], "highest", 3), ([-1, 0], "lowest", -2), ([3.0, 1, 2], "highest", 4.5), ([3, 1, 2], "highest", 5),
        ([8, 16], "lowest", 4), ([1, 2], "lowest", 0),
    ],
)  # fmt: skip
def test_a_range_is_continued_by_its_ratio_or_its_difference(values, end, expected):
    assert beyond(values, end) == pytest.approx(expected)


def test_what_cannot_be_chosen_is_refused(settings):
    frames = simulate(settings, {"random": [100]}, factors={"random": {"feedback": "random"}})
    with pytest.raises(ConfigError, match="nothing to choose"):
        chosen_factors(frames.jobs, ["feedback"])
    with pytest.raises(ConfigError, match=r"tune.per has 'feedbak'.*did you mean feedback"):
        chosen_factors(frames.jobs, ["feedbak"])
    with pytest.raises(ConfigError, match=r"tune.by is 'acuracy'; did you mean accuracy"):
        check_by("acuracy", frames.jobs)


def test_tests_on_fresh_seeds_keep_their_level_and_those_on_the_tuning_seeds_do_not():
    """Both modes are equally fast at all settings. One has 30 of them to choose from, the other one has one."""
    sweeps = 60
    naive, honest = np.mean(list(errors(sweeps, candidates=30, seeds=20)), axis=0)
    assert naive >= 0.2
    assert honest <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / sweeps)
