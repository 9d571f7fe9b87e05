"""Sweeps that choose settings on tuning seeds and compare the choices on fresh seeds: command, ledger and report."""

import sys

import pytest
from support.commands import refused, short

import fa_sweep as fa
from fa_sweep.decisions.choice import choices_of
from fa_sweep.errors import ConfigError
from fa_sweep.sweeping.folder import all_sweeps

GROUPS = ("feedback=symmetric,shallow", "train.lr=0.003,0.01,0.03", "seed=range(6)", "tune.seeds=5")


def tune(fa_sweep, *arguments):
    return fa_sweep(*short("design=tune", *GROUPS, *arguments))


def stages():
    first, second = all_sweeps()[-2:]
    return (first, second) if first.record.design["stage"] == "tuning" else (second, first)


def test_both_stages_are_sweeps_on_disjoint_seeds(fa_sweep, capfd):
    assert tune(fa_sweep) == 0
    out = capfd.readouterr().out
    first, second = stages()
    assert {job.run.seed for job in first.jobs} == set(range(1000000, 1000005))
    assert {job.run.seed for job in second.jobs} == set(range(6))
    assert len(first.jobs) == 2 * 3 * 5
    assert len(second.jobs) == 2 * 6
    found = choices_of(first.record.design, first.jobs, first.records())
    chosen = {dict(one.best.key)["feedback"]: dict(one.best.levels)["train.lr"] for one in found}
    assert {job.run.feedback.mode: job.run.train.lr for job in second.jobs} == chosen
    assert second.record.design["tuning"] == first.id
    assert "tuning on 5 seeds (1000000 to 1000004): 6 combinations" in out


def test_the_same_command_trains_nothing_again(fa_sweep):
    assert tune(fa_sweep) == 0
    first, second = stages()
    assert tune(fa_sweep) == 0
    again = stages()
    assert [[job.id for job in sweep.jobs] for sweep in again] == [[job.id for job in sweep.jobs] for sweep in (first, second)]
    assert all(job.reused for sweep in again for job in sweep.jobs)


def test_an_interrupted_first_stage_is_reused(fa_sweep, monkeypatch):
    from fa_sweep.cli import tuning

    compare = tuning._compare
    monkeypatch.setattr(tuning, "_compare", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    assert tune(fa_sweep) == 130
    monkeypatch.setattr(tuning, "_compare", compare)
    assert tune(fa_sweep) == 0
    first, second = stages()
    assert all(job.reused for job in first.jobs)
    assert not any(job.reused for job in second.jobs)


def test_a_range_is_widened_for_all_groups_while_a_choice_lies_at_its_edge(fa_sweep, capfd):
    assert tune(fa_sweep, "tune.widen=2", "tune.by=loss") == 0
    first, _ = stages()
    rates = {
        mode: {job.run.train.lr for job in first.jobs if job.run.feedback.mode == mode} for mode in ("symmetric", "shallow")
    }
    assert rates["symmetric"] == rates["shallow"]
    widened = sorted(rates["symmetric"] - {0.003, 0.01, 0.03})
    said = [line for line in capfd.readouterr().out.splitlines() if line.startswith("widened: train.lr=")]
    assert len(said) == len(widened)
    assert 1 <= len(widened) <= 4


def test_a_range_of_whole_numbers_is_widened_by_them_and_a_refused_value_ends_it(fa_sweep, capfd):
    words = [word for word in short() if not word.startswith("train.steps")]
    grid = ("train.momentum=0.3,0.9", "train.optimiser=momentum", "train.steps=101", "seed=0,1", "tune.seeds=3", "tune.by=loss")
    assert fa_sweep(*words, "design=tune", *grid, "tune.widen=3") == 0
    assert (
        fa_sweep(*words, "design=tune", "train.steps=100,200", "seed=0,1", "tune.seeds=3", "tune.by=loss", "tune.widen=1") == 0
    )
    first, _ = stages()
    assert {job.run.train.steps for job in first.jobs} <= {50, 100, 200, 400}


def test_choices_use_validation_data_and_tests_the_test_data(fa_sweep, tmp_path, capfd):
    """Where the task has validation examples, only the fresh seeds are evaluated on the test examples."""
    rows = "\n".join(f"{n % 7},{n % 5},{'ab'[n % 2]}" for n in range(80))
    (tmp_path / "own.csv").write_text(f"x,y,label\n{rows}\n")
    own = ("task=csv", "task.path=own.csv", "task.target=label", "task.validation=20", "train.steps=50", "train.eval_every=10")
    words = [word for word in short() if not word.startswith(("train.steps", "train.eval"))]
    assert fa_sweep(*words, "design=tune", "train.lr=0.1,0.3", "seed=0,1", "tune.seeds=3", "tune.by=accuracy", *own) == 0
    first, second = stages()
    assert {job.run.task.evaluate_on for job in first.jobs} == {"validation"}
    assert {job.run.task.evaluate_on for job in second.jobs} == {"test"}
    assert first.record.design["data"] == "validation"
    assert "on validation data" in capfd.readouterr().out


def test_optuna_tries_as_many_combinations_for_every_group(fa_sweep):
    pytest.importorskip("optuna")
    arguments = ("tune.search=optuna", "tune.trials=5", "tune.batch=2", "init=normal,uniform")
    assert tune(fa_sweep, *arguments) == 0
    first, second = stages()
    for mode in ("symmetric", "shallow"):
        tried = {(job.run.train.lr, job.run.init.distribution) for job in first.jobs if job.run.feedback.mode == mode}
        assert len(tried) == 5
        assert all(0.003 <= rate <= 0.03 for rate, _ in tried)
    for choice in fa.load(second.id).frames.choices:
        rate = dict(choice.best.levels)["train.lr"]
        assert ("train.lr" in choice.edges) == (min(rate / 0.003, 0.03 / rate) <= 10**0.05)
    assert tune(fa_sweep, *arguments) == 0  # the search is seeded, so it finds its own runs again
    assert all(job.reused for sweep in stages() for job in sweep.jobs)
    assert {job.run.seed for job in second.jobs} == set(range(6))


def test_without_optuna_the_message_names_the_extra(fa_sweep, capfd, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    line = refused(fa_sweep, capfd, ["-m", "design=tune", "train.lr=0.1,0.2", "tune.search=optuna"])
    assert "pip install 'fa-sweep[optuna]'" in line


REFUSED = {
    "seed=1000003": ["seed=1000003 is one of the tuning seeds, 1000000 to 1000019", "tune.first_seed=1000020"],
    "tune.by=acuracy": ["tune.by", "did you mean accuracy"],
    "tune.per=[feedbak]": ["tune.per has 'feedbak'"],
    "tune.per=[]": ["tune.per is []"],
    "hydra.sweeper.exclude='seed > 3'": ["condition on the seed"],
    "tune.per=[feedback,train.lr]": ["nothing to choose"],
    "tune.seeds=0": ["tune.seeds", "at least 1"],
    "tune.search=bayes": ["tune.search", "grid, optuna"],
    "decide.round=3": ["decide.round=3 is for the verb decide"],
    "hydra.sweeper.grids=[{seed:0},{seed:1,init.scale:3}]": ["different seeds"],
}


@pytest.mark.parametrize(("argument", "words"), REFUSED.items(), ids=str)
def test_what_cannot_be_tuned_is_refused_in_one_line(fa_sweep, capfd, argument, words):
    line = refused(fa_sweep, capfd, ["-m", "design=tune", "feedback=symmetric,random", "train.lr=0.1,0.2", argument])
    assert all(word in line for word in words), line


def test_the_seed_of_the_settings_is_no_tuning_seed_either(fa_sweep, capfd):
    words = ["-m", "design=tune", "feedback=symmetric,random", "train.lr=0.1,0.2", "tune.first_seed=0"]
    assert "seed=0 is one of the tuning seeds, 0 to 19" in refused(fa_sweep, capfd, words)


def test_a_dry_run_shows_the_first_stage_and_what_follows(fa_sweep, capfd):
    assert tune(fa_sweep, "dry_run=true") == 0
    out = capfd.readouterr().out
    assert "jobs       30" in out
    assert "then       each group's choice on 6 fresh seeds" in out
    assert not all_sweeps()


def test_a_report_shows_both_stages_and_tests_on_fresh_seeds_alone(fa_sweep, tmp_path):
    assert tune(fa_sweep) == 0
    first, second = stages()
    result = fa.load(second.id)
    out = result.report(tmp_path / "out").parent
    text = (out / "report.md").read_text()
    assert "Each group chose its own train.lr by the fraction of runs that converged" in text
    assert "The choice saw the same evaluation examples as the tests" in text
    assert "Every group tried 3 combinations." in text
    assert "This is not the first look" not in text  # the tuning seeds are apart from the seeds of the tests
    assert (out / "figures" / "choices_train_lr.png").exists()
    choices = result.choices
    assert len(choices) == 6
    assert choices["chosen"].sum() == 2
    assert list(result.compare()["group"].str.startswith("shallow")) == [True]  # at another learning rate than its reference
    assert set(result.runs["seed"]) == set(range(6))
    for path in sorted(first.folder.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    first.folder.rmdir()
    again = fa.load(second.id).report(tmp_path / "again")
    assert "the tuning stage is no longer there" in again.with_name("report.md").read_text()


def test_runs_that_chose_settings_do_not_test_them_without_a_word(fa_sweep, tmp_path):
    assert tune(fa_sweep) == 0
    first, second = stages()
    with pytest.raises(ConfigError, match=f"{first.id} is the tuning stage of {second.id}"):
        _ = fa.load(first.id, second.id).runs
    text = fa.load(first.id).report(tmp_path / "first").with_name("findings.txt").read_text()
    assert "This is the tuning stage" in text
    assert fa_sweep(*short("feedback=symmetric,shallow", "train.lr=0.003", "seed=range(1000000,1000005)")) == 0
    text = fa.load("newest").report(tmp_path / "again").with_name("findings.txt").read_text()
    assert f"{first.id} chose settings on 10 of these runs" in text


def test_seeds_that_were_looked_at_with_other_settings_are_not_called_fresh_without_a_word(fa_sweep, tmp_path):
    assert fa_sweep(*short("feedback=symmetric,shallow", "train.lr=0.05", "seed=range(6)")) == 0
    (plain,) = all_sweeps()
    assert tune(fa_sweep) == 0
    assert tune(fa_sweep) == 0
    text = fa.load("newest").report(tmp_path / "out").with_name("findings.txt").read_text()
    assert f"{plain.id} looked at 12 runs with the same seeds and other values of what was tuned" in text
    assert text.count("what was tuned") == 1


def test_a_call_from_python_returns_the_fresh_seeds(fa_sweep):
    settings = {"train.lr": [0.003, 0.01, 0.03], "tune.seeds": 5, "train.steps": 201, "train.eval_every": 50, "train.hold": 2}
    result = fa.tune(feedback=["symmetric", "shallow"], seed=range(6), **settings)
    assert set(result.runs["seed"]) == set(range(6))
    assert tune(fa_sweep) == 0
    assert all(job.reused for sweep in stages() for job in sweep.jobs)
