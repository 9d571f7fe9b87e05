"""Sweeps that add seeds until a rule allows them to stop: the command, its ledger, interruption, and its report."""

import json
import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from support.commands import refused, short

import fa_sweep as fa
from fa_sweep.cli import deciding
from fa_sweep.decisions.course import looks_of
from fa_sweep.errors import CannotWrite, ConfigError
from fa_sweep.sweeping import folder
from fa_sweep.sweeping.folder import Sweep, all_sweeps
from fa_sweep.sweeping.jobs import NEXT_TABLE, TABLE, read_jobs
from fa_sweep.sweeping.record import RECORD

GROUPS = ("feedback=symmetric,shallow", "decide.round=4")


def decide(fa_sweep, *arguments):
    return fa_sweep(*short("design=decide", *GROUPS, *arguments))


def test_seeds_are_added_until_the_rule_is_met(fa_sweep, capfd):
    assert decide(fa_sweep, "seed=range(40)", "decide.rule=width", "decide.width=0.9") == 0
    out = capfd.readouterr().out
    (sweep,) = all_sweeps()
    looks = looks_of(sweep.record.design, sweep.jobs, sweep.records())
    assert looks[-1].stop
    assert not any(look.stop for look in looks[:-1])
    assert len(sweep.jobs) == 2 * looks[-1].n < 80
    assert sweep.record.planned == len(sweep.jobs) == len(sweep.records())
    assert [line for line in out.splitlines() if line.startswith("after ")] == [
        f"after {look.n} of at most 40 seeds (converged)" for look in looks
    ]
    assert f"decided after {looks[-1].n} seeds" in out
    assert "Intervals: valid although the results" in " ".join(out.split())
    assert not (sweep.folder / NEXT_TABLE).exists()


def test_without_a_decision_it_ends_with_the_last_seed(fa_sweep, capfd):
    assert decide(fa_sweep, "seed=range(6)", "decide.rule=equivalence", "decide.margin=0.01") == 0
    assert "not decided after 6 seeds, the most that were allowed" in capfd.readouterr().out
    (sweep,) = all_sweeps()
    assert [look.n for look in looks_of(sweep.record.design, sweep.jobs, sweep.records())] == [4, 6]


def test_its_runs_are_those_of_a_plain_sweep(fa_sweep):
    assert decide(fa_sweep, "seed=range(6)", "decide.rule=equivalence", "decide.margin=0.01") == 0
    assert fa_sweep(*short(GROUPS[0], "seed=range(6)")) == 0
    first, second = all_sweeps()
    assert sorted(job.id for job in first.jobs) == sorted(job.id for job in second.jobs)
    assert all(job.reused for job in second.jobs)


def test_the_same_command_goes_on_where_it_was_interrupted(fa_sweep, monkeypatch, capfd):
    look, taken = deciding.Course.look, []

    def interrupted(*arguments):
        taken.append(1)
        if len(taken) == 2:
            raise KeyboardInterrupt
        return look(*arguments)

    monkeypatch.setattr(deciding.Course, "look", interrupted)
    assert decide(fa_sweep, "seed=range(12)", "decide.rule=equivalence", "decide.margin=0.01") == 130
    monkeypatch.setattr(deciding.Course, "look", look)
    (broken,) = all_sweeps()
    assert len(broken.jobs) == len(broken.records()) == 16  # two rounds of two groups
    assert decide(fa_sweep, "seed=range(12)", "decide.rule=equivalence", "decide.margin=0.01") == 0
    whole = all_sweeps()[-1]
    assert sum(job.reused for job in whole.jobs) == 16
    assert [each.n for each in looks_of(whole.record.design, whole.jobs, whole.records())] == [4, 8, 12]


@pytest.mark.parametrize("fails", [TABLE, RECORD])
def test_a_folder_is_that_of_the_sweep_before_or_after_a_round(fa_sweep, monkeypatch, fails):
    """The process ends right before the record, or right before the job table, is replaced."""
    assert decide(fa_sweep, "seed=range(4)", "decide.rule=equivalence", "decide.margin=0.01") == 0
    (sweep,) = all_sweeps()
    jobs = sweep.jobs
    more = [*jobs, *(replace(job, run_id=f"{n:016x}", id=f"{n:016x}") for n, job in enumerate(jobs))]
    for name in ("write_and_hold", "write_bytes"):
        write = getattr(folder, name)

        def stopped(content, path, write=write):
            if path.name == fails:
                raise CannotWrite(28, "stopped")
            return write(content, path)

        monkeypatch.setattr(folder, name, stopped)
    with pytest.raises(CannotWrite):
        Sweep(sweep.folder).extend(more, {"kind": "decide"})
    again = Sweep(sweep.folder)
    expected = jobs if fails == RECORD else more
    assert [job.id for job in again.jobs] == [job.id for job in expected]
    assert again.record.planned == len(expected)
    assert [job.id for job in read_jobs(sweep.folder, again.record.jobs_sha256)] == [job.id for job in expected]


def test_a_dry_run_shows_the_rule_and_the_most_that_it_takes(fa_sweep, capfd):
    assert decide(fa_sweep, "seed=range(1000)", "decide.rule=decided", "decide.margin=0.1", "dry_run=true") == 0
    out = " ".join(capfd.readouterr().out.split())
    assert "Seeds are added, 4 at a time and at most 1,000, until the interval of every comparison excludes 0 or lies" in out
    assert "jobs 2000" in out
    assert not all_sweeps()


REFUSED = {
    "decide.margin=0.1": ["decide.margin is 0.1", "does not use it"],
    "decide.rule=equivalence": ["decide.margin is not set"],
    "decide.rule=equvalence": ["decide.rule", "did you mean equivalence"],
    "decide.outcome=acuracy": ["decide.outcome", "did you mean accuracy"],
    "decide.round=0": ["decide.round", "at least 1"],
    "decide.reference=randm": ["decide.reference is 'randm'", "choose one of"],
    "tune.by=loss": ["tune.by=loss is for the verb tune"],
    "hydra.sweeper.grids=[{seed:0},{seed:1,train.lr:3}]": ["have different seeds"],
}


@pytest.mark.parametrize(("argument", "words"), REFUSED.items(), ids=str)
def test_what_cannot_be_decided_is_refused_in_one_line(fa_sweep, capfd, argument, words):
    line = refused(fa_sweep, capfd, ["-m", "design=decide", "feedback=symmetric,random", argument])
    assert all(word in line for word in words), line


@pytest.mark.parametrize("outcome", ["converged", "time"])
def test_what_no_run_can_reach_is_refused_before_training(fa_sweep, capfd, outcome):
    words = ("design=decide", "feedback=symmetric,random", "train.steps=201", f"decide.outcome={outcome}")
    assert fa_sweep("-m", *words) == 2
    assert "no run can count as converged: 3 evaluations are fewer than train.hold, 5" in capfd.readouterr().err
    assert not all_sweeps()


def test_a_design_is_named_once(fa_sweep, capfd):
    with pytest.raises(ConfigError, match="design=decide is given to tune"):
        fa.tune("design=decide", feedback=["symmetric", "random"])
    status, _, err = run_verb(capfd, "decide", "feedback=symmetric,random", "design=tune")
    assert status == 2
    assert "design=tune is given to decide" in err


def test_the_rule_s_reference_is_that_of_the_report(fa_sweep):
    assert decide(fa_sweep, "seed=range(4)", "decide.rule=equivalence", "decide.margin=0.01", "decide.reference=shallow") == 0
    result = fa.load("newest")
    assert list(result.compare()["reference"]) == ["shallow"]
    with pytest.raises(ConfigError, match="the rule has a margin of its own"):
        result.report(margin=0.1)


def test_settings_of_a_design_are_refused_without_it(fa_sweep, capfd):
    line = refused(fa_sweep, capfd, ["-m", "feedback=symmetric,random", "decide.round=3"])
    assert "decide.round=3 is for the verb decide: python -m fa_sweep decide" in line


def test_a_report_has_no_p_value_that_a_fixed_number_of_seeds_would_need(fa_sweep, tmp_path):
    assert decide(fa_sweep, "seed=range(24)", "decide.rule=width", "decide.width=0.6") == 0
    result = fa.load("newest")
    out = result.report(tmp_path / "out").parent
    text = (out / "report.md").read_text()
    assert "Sequential design: seeds were added 4 at a time" in text
    assert "It stopped after" in text
    assert "McNemar exact, p" not in text
    assert "Wilcoxon" not in text
    assert "Wilson" not in text
    assert "99.999" not in text
    assert "Primary outcome: convergence (the fraction of runs and the time), about which the sweep's rule decides" in text
    assert not (out / "figures" / "final_differences.png").exists()
    assert "significant" not in text.partition("## Methods")[0]
    comparisons = result.compare("symmetric")
    assert comparisons[[name for name in comparisons if name.startswith("p_")]].isna().all(axis=None)
    groups = result.summary()
    assert groups["median_steps_low"].isna().all()
    assert (groups["converged_low"] <= groups["converged_fraction"]).all()
    looks = result.looks
    assert set(looks["seeds"]) == set(range(4, int(looks["seeds"].max()) + 1, 4))
    assert (out / "figures" / "looks.png").exists()


def test_a_later_sweep_of_the_same_runs_says_that_their_results_decided_how_many_there_are(fa_sweep, tmp_path):
    assert decide(fa_sweep, "seed=range(8)", "decide.rule=equivalence", "decide.margin=0.01") == 0
    assert fa_sweep(*short(GROUPS[0], "seed=range(8)")) == 0
    first, second = all_sweeps()
    text = fa.load(second.id).report(tmp_path / "out").with_name("findings.txt").read_text()
    assert f"The results of {first.id}, whose runs this sweep contains, decided how many seeds there are" in text
    text = fa.load(first.id, second.id).report(tmp_path / "both").with_name("findings.txt").read_text()
    assert "The results decided how many seeds there are, so no ordinary p values are shown" in text
    assert "McNemar" not in text


def findings(tmp_path, name, *ids):
    return fa.load(*ids).report(tmp_path / name).with_name("findings.txt").read_text()


def test_a_second_try_and_another_rule_are_named_and_a_continuation_is_not(fa_sweep, tmp_path):
    equivalence = ("decide.rule=equivalence", "decide.margin=0.01")
    assert decide(fa_sweep, "seed=range(8)", *equivalence) == 0
    assert decide(fa_sweep, "seed=range(12)", *equivalence) == 0
    first, second = (sweep.id for sweep in all_sweeps())
    assert first not in findings(tmp_path, "continued", second)
    assert decide(fa_sweep, "seed=range(8)", *equivalence, "decide.outcome=reached") == 0
    text = findings(tmp_path, "switched", "newest")
    assert "looked at" in text
    assert "with another rule, or with none" in text
    assert "Primary outcome: the fraction of runs that succeeded at some evaluation" in text
    assert decide(fa_sweep, "seed=range(100,108)", *equivalence) == 0
    assert "Every try on other seeds has its own probability of an error." in findings(tmp_path, "again", "newest")


def test_groups_that_may_have_been_picked_are_named(fa_sweep, tmp_path):
    assert fa_sweep(*short("feedback=symmetric,random,shallow", "seed=range(4)")) == 0
    assert fa_sweep(*short("feedback=symmetric,shallow", "seed=range(4)")) == 0
    first, second = (sweep.id for sweep in all_sweeps())
    assert f"These runs are part of {first}, with further groups" in findings(tmp_path, "picked", second)
    assert "These runs are part of" not in findings(tmp_path, "first", first)


@pytest.mark.parametrize("verb", ["show", "compare"])
def test_verbs_show_intervals_that_hold(fa_sweep, capfd, verb):
    assert decide(fa_sweep, "seed=range(8)", "decide.rule=equivalence", "decide.margin=0.01") == 0
    assert fa_sweep(*short(GROUPS[0], "seed=range(8)")) == 0
    first, second = (sweep.id for sweep in all_sweeps())
    capfd.readouterr()
    status, out, _ = run_verb(capfd, verb, *([first] if verb == "show" else [first, second]))
    assert status == 0
    assert "valid although the results decided" in " ".join(out.split())
    if verb == "show":
        assert "sequential: equivalence in converged, 4 seeds at a time, at most 8" in out


def run_verb(capfd, *words):
    from fa_sweep.cli.verbs.group import main

    status = main(words)
    return status, *capfd.readouterr()


@pytest.mark.parametrize("argument", ["outcomes=[loss:end]", "margin=0.1"])
def test_settings_of_reports_with_a_fixed_number_of_seeds_are_refused(fa_sweep, capfd, argument):
    line = refused(fa_sweep, capfd, ["-m", "design=decide", "feedback=symmetric,random", argument])
    assert "decide.outcome and decide.margin instead" in line


def test_a_call_from_python_is_the_command(fa_sweep):
    settings = {"decide.rule": "width", "decide.width": 0.9, "decide.round": 4, "train.steps": 201, "train.eval_every": 50}
    result = fa.decide(feedback=["symmetric", "shallow"], seed=range(40), **settings, **{"train.hold": 2})
    assert decide(fa_sweep, "seed=range(40)", "decide.rule=width", "decide.width=0.9") == 0
    first, second = all_sweeps()
    assert [job.id for job in first.jobs] == [job.id for job in second.jobs]
    assert result.looks.equals(fa.load(second.id).looks)


def test_lines_fit_into_a_terminal():
    from fa_sweep.decisions.course import Course
    from fa_sweep.decisions.looks import look
    from fa_sweep.decisions.rules import Rule

    rule = Rule("difference", "fraction")
    data = {"symmetric": np.ones(10), "random, train.lr=0.003162": np.zeros(10), "x" * 60: np.ones(10)}
    pairs = (("random, train.lr=0.003162", "symmetric"), ("x" * 60, "symmetric"))
    course = Course(rule, "converged", pairs, tuple(data), tuple(range(20)), 10)
    lines = deciding.look_lines(look(rule, data, pairs), course, 12)
    assert all(len(line) <= 80 for line in lines if "x" * 60 not in line)
    assert lines[-1] == "  not decided yet; 20 seeds may not be enough"
    assert json.loads(json.dumps(asdict(rule)))["kind"] == "difference"
    assert not math.isnan(look(rule, data, pairs).comparisons[0].p)
