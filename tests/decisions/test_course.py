"""The course of a sequential sweep: order of seeds, looks, outcomes of runs, and what does not fit is refused."""

import math
from dataclasses import asdict

import numpy as np
import pytest
from support.simulated import DIVERGED, NEVER, record, simulate

from fa_sweep.decisions.course import Course, looks_of
from fa_sweep.errors import ConfigError
from fa_sweep.settings.designs import DecideConfig

USUAL = {"rule": "difference", "outcome": "converged", "margin": None, "width": None, "round": 2, "reference": None}


@pytest.fixture
def sweep(settings):
    """A function that returns the jobs and records of simulated runs: sweep({"random": times of convergence})."""

    def made(times, **keywords):
        frames = simulate(settings, times, **keywords)
        of = {
            group: dict(zip((keywords.get("seeds") or {}).get(group, range(len(t))), t, strict=True))
            for group, t in times.items()
        }
        records = {job.run_id: record(job.run_id, of[job.group][job.run.seed], 45.0) for job in frames.jobs}
        return frames.jobs, records

    return made


def decide(**changes):
    return DecideConfig(**{**USUAL, **changes})


def test_looks_are_taken_round_by_round_and_after_the_last_seed(sweep):
    jobs, _ = sweep({"symmetric": [100] * 7, "random": [NEVER] * 7})
    course = Course.of(jobs, decide(round=3))
    assert course.sizes() == [3, 6, 7]
    assert course.comparisons == (("random", "symmetric"),)
    assert [job.run.seed for job in course.jobs(jobs, 3)] == [0, 1, 2, 0, 1, 2]
    assert Course.of(jobs, decide(round=100)).sizes() == [7]


def test_the_order_of_the_seeds_is_that_of_the_sweep(sweep):
    seeds = [5, 1, 9, 3]
    jobs, records = sweep(
        {"symmetric": [100, 100, 100, 100], "random": [NEVER, 100, NEVER, 100]},
        seeds={"symmetric": seeds, "random": seeds},
    )
    course = Course.of(jobs, decide())
    assert course.seeds == (5, 1, 9, 3)
    assert course.data(jobs, records)["random"].tolist() == [0, 1, 0, 1]
    assert {job.run.seed for job in course.jobs(jobs, 2)} == {5, 1}


@pytest.mark.parametrize(
    ("outcome", "rule", "expected"),
    [
        ("converged", "difference", [1, 0, 0, 1]),
        ("reached", "difference", [1, 0, 0, 1]),
        ("at_end", "difference", [1, 0, 0, 1]),
        ("time", "difference", [200 / 4600, 1, 1, 4600 / 4600]),
        ("loss", "difference", [0.01, 0.4, math.inf, 0.01]),
        ("accuracy", "difference", [1, 0.75, 0, 1]),
    ],
)
def test_what_a_run_contributes(sweep, outcome, rule, expected):
    jobs, records = sweep({"symmetric": [200, NEVER, DIVERGED, 4600], "random": [100] * 4})
    found = Course.of(jobs, decide(outcome=outcome, rule=rule)).data(jobs, records)["symmetric"]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_a_sweep_s_looks_are_repeated_from_its_ledger_up_to_the_last_whole_round(sweep):
    jobs, records = sweep({"symmetric": [100] * 6, "random": [NEVER] * 6})
    design = {"kind": "decide", **asdict(decide())}
    found = looks_of(design, jobs, records)
    assert [look.n for look in found] == [2, 4, 6]
    highs = [look.comparisons[0].high for look in found]
    assert highs == sorted(highs, reverse=True)
    (gone,) = [job.run_id for job in jobs if job.group == "random" and job.run.seed == 3]
    del records[gone]
    assert [look.n for look in looks_of(design, jobs, records)] == [2]
    assert looks_of(design, jobs, {}) == []


REFUSED = {
    "margin is missing": ({"rule": "decided"}, r"decide.margin is not set"),
    "margin is not used": ({"margin": 0.1}, r"decide.margin is 0.1, but the kind 'difference' does not use it"),
    "no bounds": ({"rule": "width", "width": 0.1, "outcome": "loss"}, r"decide.rule is 'width'; a final metric has no bounds"),
    "unknown metric": ({"outcome": "acuracy"}, r"decide.outcome is 'acuracy'; did you mean accuracy"),
    "metric of another task": ({"outcome": "normalised_squared_error"}, r"decide.outcome"),
    "unknown reference": ({"reference": "randm"}, r"decide.reference is 'randm'; did you mean random"),
}


@pytest.mark.parametrize(("changes", "message"), REFUSED.values(), ids=REFUSED)
def test_settings_that_do_not_fit_are_refused(sweep, changes, message):
    jobs, _ = sweep({"symmetric": [100], "random": [100]})
    with pytest.raises(ConfigError, match=message):
        Course.of(jobs, decide(**changes))


def test_groups_need_the_same_seeds_and_a_comparison(sweep):
    jobs, _ = sweep({"symmetric": [100] * 2, "random": [100] * 2}, seeds={"symmetric": [0, 1], "random": [1, 0]})
    with pytest.raises(ConfigError, match="have different seeds, or in another order"):
        Course.of(jobs, decide())
    jobs, _ = sweep({"random": [100] * 2})
    with pytest.raises(ConfigError, match="no group has another one to be compared with"):
        Course.of(jobs, decide())
    assert Course.of(jobs, decide(rule="width", width=0.1)).comparisons == ()
