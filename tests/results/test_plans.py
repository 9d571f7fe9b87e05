"""Plans in words, as frames and as figures: for assumed fractions, and for simulated pilots."""

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from support.simulated import NEVER, simulate

import fa_sweep as fa
from fa_sweep.decisions import planning, signed_ranks
from fa_sweep.decisions.equivalence import seeds_for_equivalence
from fa_sweep.decisions.planning import seeds_for_width, seeds_to_tell, sequential_seeds
from fa_sweep.errors import ConfigError
from fa_sweep.report import hypotheses, intervals
from fa_sweep.report.names import names_of
from fa_sweep.results.result import Result

PILOT = {
    "symmetric": [100, 200, 300, 100, 200, 400, 100, 300, 200, 100, 100, NEVER],
    "random": [100, NEVER, 900, NEVER, 1200, NEVER, 700, NEVER, 2000, 1500, NEVER, NEVER],
    "rerandom": [100, 200, 300, 100, 200, 400, 100, 300, 200, 100, NEVER, 100],
}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Resample pilots, and simulate sweeps, less often than a plan does."""
    monkeypatch.setattr(signed_ranks, "RESAMPLES", 200)
    monkeypatch.setattr(signed_ranks, "MOST_PAIRS", 400)
    monkeypatch.setattr(intervals, "RESAMPLES", 199)
    monkeypatch.setattr(hypotheses, "RESAMPLES", 199)


def result_of(frames):
    """Return the result whose frames are given."""
    result = Result.__new__(Result)
    result.__dict__["frames"] = frames
    return result


def by_question(plan, group="random"):
    return {need.question: need for need in plan.needs if need.group == group}


def test_a_plan_for_fractions():
    plan = fa.plan(fractions=(0.9, 0.7), discordance=0.2, power=0.9, tests=2)
    planned = seeds_to_tell(0.9, 0.7, 0.9, 0.2, 0.025)
    (need,) = plan.needs
    assert plan.seeds == need.seeds == planned.seeds
    assert need.sequential == sequential_seeds(0.9, 0.7, 0.9, 0.2, 0.025)
    assert plan.curve["seeds"].tolist() == list(range(2 * planned.seeds + 1))
    np.testing.assert_array_equal(plan.curve["power"], planned.curve[: 2 * planned.seeds + 1])
    text = repr(plan)
    assert text.startswith(f"      {planned.seeds} seeds  to tell the fractions 0.9 and 0.7 apart, with 20 % of the pairs")
    assert "5 % / 2 (Bonferroni's correction" in text
    assert "as if independent" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_plan_for_equivalence_and_a_width():
    plan = fa.plan(margin=0.2, fraction=0.8, half_width=0.1)
    equivalence, width = plan.needs
    assert equivalence.seeds == seeds_for_equivalence(0.8, 0.8, 0.2).seeds
    assert width.seeds == seeds_for_width(0.1, 0.8).seeds
    assert plan.seeds == max(equivalence.seeds, width.seeds)
    assert plan.curve.groupby("question")["power"].count().to_dict()["width"] == 0
    worst = fa.plan(margin=0.2, half_width=0.1)
    assert worst.seeds > plan.seeds
    assert fa.plan(fractions=(0.8, 0.85), margin=0.2).needs[0].assumed["reference_fraction"] == 0.85


def test_a_plan_for_more_seeds_than_any_sweep_has(monkeypatch):
    monkeypatch.setattr(planning, "MOST_SEEDS", 500)  # but for the text, it would be 20,000
    plan = fa.plan(fractions=(0.5, 0.501))
    assert plan.seeds is None
    assert "   over 20,000  to tell" in repr(plan)


def test_a_pilot_gives_fractions_times_and_final_values(settings):
    plan = fa.plan(pilot=result_of(simulate(settings, PILOT)))
    needs = by_question(plan)
    assert set(needs) == {"difference", "time", "final"}
    assumed = needs["difference"].assumed
    assert assumed == pytest.approx({"fraction": 0.5, "reference_fraction": 11 / 12, "discordance": 5 / 12})
    assert plan.tests == 4
    assert needs["difference"].seeds == seeds_to_tell(0.5, 11 / 12, 0.8, 5 / 12, 0.05 / 4).seeds
    assert needs["time"].assumed["pairs"] == 12
    assert needs["time"].seeds < 30
    assert needs["final"].metric == "accuracy"
    equal = by_question(plan, "rerandom")
    assert equal["difference"].problem == "the pilot shows no difference"
    assert plan.seeds is None
    assert "no plan" in repr(plan)
    assert max(map(len, repr(plan).splitlines())) <= 80


def test_a_pilot_for_equivalence_and_widths(settings):
    plan = fa.plan(pilot=result_of(simulate(settings, PILOT)), margin=0.25, half_width=0.15, tests=1)
    assert by_question(plan)["equivalence"].problem == "the pilot's difference is not within the margin"
    assert (
        by_question(plan, "rerandom")["equivalence"].seeds == seeds_for_equivalence(11 / 12, 11 / 12, 0.25, 0.8, 2 / 12).seeds
    )
    assert by_question(plan, "symmetric")["width"].seeds == seeds_for_width(0.15, 11 / 12).seeds


def test_pilots_with_few_or_no_common_seeds(settings):
    times = {"symmetric": [100, 200, 300], "random": [NEVER, 400, NEVER]}
    few = fa.plan(pilot=result_of(simulate(settings, times)))
    assert by_question(few)["time"].problem == "the pilot has only 3 pairs of runs"
    apart = simulate(settings, times, seeds={"symmetric": [0, 1, 2], "random": [3, 4, 5]})
    plan = fa.plan(pilot=result_of(apart))
    assert by_question(plan)["difference"].problem == "the two groups share no seed"
    assert "share no seed" in repr(plan)


def test_the_reference_of_a_pilot(settings):
    frames = simulate(settings, PILOT)
    plan = fa.plan(pilot=result_of(frames), reference=frames.groups[1])
    assert {need.reference for need in plan.needs} == {names_of(frames).labels[frames.groups[1]]}
    with pytest.raises(ConfigError, match="the reference is 'randm'; did you mean"):
        fa.plan(pilot=result_of(frames), reference="randm")


def test_the_figure_and_its_table(settings, tmp_path):
    plan = fa.plan(pilot=result_of(simulate(settings, PILOT)), half_width=0.2)
    paths = plan.write(tmp_path)
    assert [path.name for path in paths] == ["power.png", "power.pdf", "power.svg", "power.csv"]
    table = pd.read_csv(tmp_path / "power.csv")
    assert set(table["question"]) == {"difference", "time", "final", "width"}
    assert matplotlib.image.imread(tmp_path / "power.png").std() > 0.05


@pytest.mark.slow
def test_many_groups_get_pages(settings, tmp_path):
    groups = {"symmetric": PILOT["symmetric"], **{f"mode{number}": PILOT["random"] for number in range(8)}}
    plan = fa.plan(pilot=result_of(simulate(settings, groups)), tests=1)
    names = [path.name for path in plan.write(tmp_path)]
    assert "power_2.png" in names


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "there is no question to plan for; give fractions, a half-width, a margin or a pilot"),
        ({"fractions": [0.9]}, "fractions is [0.9]; give two, such as 0.9 and 0.7"),
        ({"fractions": 0.9}, "fractions is 0.9; give two, such as 0.9 and 0.7"),
        ({"pilot": 3}, "pilot is 3; give a sweep as a text, a path or a result"),
        ({"fractions": [0.9, 0.7], "tests": 1.5}, "tests is 1.5; it must be a whole number"),
        ({"fractions": [0.9, 0.7], "fraction": 0.5}, "fraction is 0.5; it is for a half-width or a margin without fractions"),
        ({"fraction": 0.5}, "there is no question to plan for"),
        ({"half_width": 0.1, "discordance": 0.5}, "discordance is 0.5; it is for fractions or a margin; leave it out"),
        ({"half_width": 0.1, "reference": "a"}, "reference is 'a', but there is no pilot"),
        ({"pilot": "a", "fractions": [0.9, 0.7]}, "fractions is [0.9, 0.7], but the pilot says what to assume"),
        ({"fractions": [0.9, 0.7], "power": 1.0}, "power is 1.0; it must lie between 0 and 1, and be neither"),
        ({"fractions": [0.9, 0.7], "alpha": 0.0}, "alpha is 0.0; it must lie between 0 and 1, and be neither"),
        ({"fractions": [0.9, 0.7], "tests": 0}, "tests is 0; it must be at least 1"),
        ({"fractions": [0.9, "x"]}, "fractions is 'x'; it must be a number"),
        ({"half_width": "wide"}, "half_width is 'wide'; it must be a number"),
    ],
    ids=str,
)
def test_plans_that_are_refused(asked, message):
    with pytest.raises(ConfigError) as caught:
        fa.plan(**asked)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
