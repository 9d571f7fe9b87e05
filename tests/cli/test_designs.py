"""Designs of sweeps: unions of grids, zipped settings, exclusions, presets that are swept over, log-spaced values."""

import math

import numpy as np
import pytest
from support.commands import refused

import fa_sweep as fa
from fa_sweep.cli.designs import Design, excluded, grids_of
from fa_sweep.cli.grammar import logspace
from fa_sweep.cli.lines import parse_jobs
from fa_sweep.errors import ConfigError
from fa_sweep.results.query import parse
from fa_sweep.sweeping.folder import all_sweeps
from fa_sweep.sweeping.jobs import make_jobs
from fa_sweep.sweeping.union import united


@pytest.fixture
def grids(hydra_master):
    """A function that returns the lines of each grid: grids({"grids": [...]}, "seed=0,1")."""

    def made(design, *arguments, presets=None):
        return grids_of(arguments, Design.of(design), hydra_master[0], lambda word: Design.of((presets or {})[word]))

    return made


def lines(found):
    return [[" ".join(line) for line in grid.lines] for grid in found]


DESIGNS = {
    "a cross product": ({}, ["feedback=a,b", "seed=0,1"], [["a 0", "a 1", "b 0", "b 1"]]),
    "the sweep of a preset": ({"params": {"feedback": "a,b", "seed": "0,1"}}, ["seed=5"], [["a 5", "b 5"]]),
    "a union": (
        {"grids": [{"feedback": "a", "train.lr": 0.1}, {"feedback": "b", "train.lr": "0.01,0.03"}]}, ["seed=0,1"],
        [["a 0.1 0", "a 0.1 1"], ["b 0.01 0", "b 0.01 1", "b 0.03 0", "b 0.03 1"]],
    ),
    "a list of values": ({"grids": [{"train.lr": [0.01, 0.03]}]}, [], [["0.01", "0.03"]]),
    "a list as one value": ({"grids": [{"model.hidden": [10, 10]}]}, [], [["[10,10]"]]),
    "lists as values": ({"grids": [{"model.hidden": [[3], [5, 5]]}]}, [], [["[3]", "[5,5]"]]),
    "a range": ({"grids": [{"seed": "range(2,4)"}]}, [], [["2", "3"]]),
    "null and truth": ({"grids": [{"train.epochs": None, "model.bias": True}]}, [], [["null True"]]),
    "a grid overrides a preset's sweep": (
        {"params": {"feedback": "a,b"}, "grids": [{"feedback": "c"}, {"seed": 3}]}, [], [["c"], ["a 3", "b 3"]],
    ),
    "zipped settings": ({"zip": {"feedback": "a,b", "train.lr": "1,2"}}, ["seed=0"], [["a 1 0"], ["b 2 0"]]),
    "a zipped list": ({"zip": {"feedback": ["a", "b"], "model.hidden": [[3], [4, 4]]}}, [], [["a [3]"], ["b [4,4]"]]),
    "grids and zipped settings": (
        {"grids": [{"seed": 0}, {"seed": 1}], "zip": {"feedback": "a,b", "train.lr": "1,2"}}, [],
        [["0 a 1"], ["0 b 2"], ["1 a 1"], ["1 b 2"]],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("design", "arguments", "expected"), DESIGNS.values(), ids=DESIGNS)
def test_the_jobs_of_a_design(grids, design, arguments, expected):
    values = [[" ".join(text.partition("=")[2] for text in line) for line in grid.lines] for grid in grids(design, *arguments)]
    assert values == expected


def test_a_union_has_the_jobs_of_its_grids_each_once(composer, grids, hydra_master):
    design = {"grids": [{"feedback": "symmetric,random"}, {"feedback": "random", "train.lr": "0.01,0.02"}]}
    found = united([make_jobs(map(composer.candidate, grid.lines)) for grid in grids(design, "seed=range(3)")])
    apart = [
        ["feedback=symmetric,random", "seed=range(3)"],
        ["feedback=random", "train.lr=0.01,0.02", "seed=range(3)"],
    ]
    separate = [make_jobs(map(composer.candidate, parse_jobs(words, hydra_master[0]))) for words in apart]
    assert [job.id for job in found] == list(dict.fromkeys(job.id for jobs in separate for job in jobs))
    assert len(found) == 9  # random at the learning rate 0.01, the default, is in both grids
    assert list(dict.fromkeys(job.group for job in found)) == [
        "symmetric, train.lr=0.01", "random, train.lr=0.01", "random, train.lr=0.02",
    ]  # fmt: skip


def test_presets_that_are_swept_over_bring_their_own_sweeps(grids):
    presets = {
        "+experiment=a": {"params": {"seed": "0,1"}},
        "+experiment=b": {"grids": [{"train.lr": 1}, {"train.lr": 2}], "exclude": "seed == 1"},
    }
    found = grids({}, "+experiment=a,b", "model.bias=True", presets=presets)
    assert lines(found) == [
        ["seed=0 +experiment=a model.bias=True", "seed=1 +experiment=a model.bias=True"],
        ["train.lr=1 +experiment=b model.bias=True"],
        ["train.lr=2 +experiment=b model.bias=True"],
    ]
    assert [len(grid.exclude) for grid in found] == [0, 1, 1]


def test_a_command_sweeps_over_presets_and_names_the_groups_after_settings(fa_sweep, capfd):
    assert fa_sweep("-m", "+experiment=seed_post,lillicrap_linear", "dry_run=true") == 0
    out = capfd.readouterr().out
    assert "jobs       1200" in out  # 4 modes x 200 seeds, and 4 x 100
    assert "symmetric, task=xor; random, task=xor" in out
    assert "seed_post" not in out


def test_a_preset_can_hold_grids(fa_sweep, capfd, tmp_path):
    folder = tmp_path / "mine" / "experiment"
    folder.mkdir(parents=True)
    (folder / "rates.yaml").write_text(
        "# @package _global_\nhydra:\n  mode: MULTIRUN\n  sweeper:\n    params: {seed: range(4)}\n    grids:\n"
        "      - {feedback: symmetric, train.lr: 0.1}\n      - {feedback: random, train.lr: '0.01,0.03'}\n"
        "    exclude: train.lr == 0.03 and seed > 1\n"
    )
    assert fa_sweep("--config-dir", str(tmp_path / "mine"), "+experiment=rates", "dry_run=true") == 0
    out = capfd.readouterr().out
    assert "2 of 12 jobs are left out by hydra.sweeper.exclude." in out
    assert "jobs       10" in out


CONDITIONS = {
    "feedback == 'random'": lambda run: run.feedback.mode == "random",
    "train.lr > 0.015": lambda run: run.train.lr > 0.015,
    "seed >= 1 and feedback.mode != 'random'": lambda run: run.seed >= 1 and run.feedback.mode != "random",
    "init == 'normal'": lambda run: run.init.distribution == "normal",
    "seed < 0": lambda run: False,
}


@pytest.mark.parametrize(("condition", "expected"), CONDITIONS.items())
def test_an_exclusion_leaves_out_what_its_condition_says(composer, hydra_master, condition, expected):
    words = ["feedback=symmetric,random", "train.lr=0.01,0.02", "seed=range(3)"]
    candidates = [composer.candidate(line, 2) for line in parse_jobs(words, hydra_master[0])]
    assert excluded(candidates, [parse(condition)]) == [expected(candidate.run) for candidate in candidates]


def test_what_is_refused_is_skipped_on_request_and_said(fa_sweep, capfd):
    sweep = ("-m", "feedback=random,target_projection", "task=linear_teacher", "seed=range(3)", "dry_run=true")
    assert fa_sweep(*sweep) == 2
    assert "one-hot" in capfd.readouterr().err
    assert fa_sweep(*sweep, "skip_refused=true") == 0
    out, err = capfd.readouterr()
    assert "jobs       3" in out
    (line,) = (line for line in err.splitlines() if line.startswith("left out"))
    assert line.startswith("left out (3 jobs): feedback=target_projection task=linear_teacher: feedback.mode is")


def test_a_refused_seed_does_not_skip_the_others(fa_sweep, capfd):
    assert fa_sweep("-m", "seed=-1,0,1", "dry_run=true", "skip_refused=true") == 0
    out, err = capfd.readouterr()
    assert "jobs       2" in out
    assert "left out (1 job)" in err


def test_nothing_left_is_an_error(fa_sweep, capfd):
    line = refused(fa_sweep, capfd, ["-m", "train.lr=-1,-2", "skip_refused=true"])
    assert "no job is left" in line
    assert "train.lr is -1.0" in line


UNUSABLE = {
    "hydra.sweeper.grids=3": ["hydra.sweeper.grids is 3", "list of mappings"],
    "hydra.sweeper.grids=[3]": ["hydra.sweeper.grids is [3]", "list of mappings"],
    "hydra.sweeper.grids=[{}]": ["list of mappings"],
    "hydra.sweeper.grids={feedback:random}": ["list of mappings"],
    "hydra.sweeper.grids=[{feedback:choice(random,direct)}]": ["quotes"],
    "hydra.sweeper.grids=[{train.lr:[]}]": ["train.lr", "empty"],
    "hydra.sweeper.grids=[{train:{lr:1}}]": ["train", "one by one"],
    "hydra.sweeper.grids=[{train.lrr:1}]": ["train.lrr", "did you mean lr"],
    "hydra.sweeper.grids=[{hydra.launcher.executor:dask}]": ["hydra.launcher.executor", "on the command line"],
    "hydra.sweeper.grids=[{feedback:null}]": ["feedback to null", "one of its options"],
    "hydra.sweeper.zip=[1]": ["hydra.sweeper.zip is [1]", "mapping"],
    "hydra.sweeper.zip={feedback:'random,direct',train.lr:'1,2,3'}": ["feedback has 2", "train.lr has 3", "equally many"],
    "hydra.sweeper.exclude=[1]": ["hydra.sweeper.exclude is [1]", "condition"],
    "hydra.sweeper.exclude='feedbak == 1'": ["feedbak", "did you mean feedback"],
    "hydra.sweeper.exclude='seed <'": ["seed <"],
    "hydra.sweeper.exclude='seed == 0'": ["no job is left", "exclude"],
    "train.lr=logspace(0,1,3)": ["logspace(0,1,3)", "positive"],
    "train.lr=logspace(1,2,1)": ["logspace(1,2,1)", "number of values"],
    "train.lr=logspace(1,2)": ["count"],
}


@pytest.mark.parametrize(("argument", "words"), UNUSABLE.items(), ids=str)
def test_an_unusable_design_is_refused_in_one_line(fa_sweep, capfd, argument, words):
    line = refused(fa_sweep, capfd, ["-m", argument])
    assert all(word in line for word in words), line


@pytest.mark.parametrize("name", ["grids=[{seed:0}]", "zip={seed:0}", "exclude='seed==0'"])
def test_a_single_run_has_no_design(fa_sweep, capfd, name):
    assert "add -m" in refused(fa_sweep, capfd, [f"hydra.sweeper.{name}"])


def test_a_setting_is_given_in_one_place(grids):
    with pytest.raises(ConfigError, match=r"train.lr is given by a grid and on the command line"):
        grids({"grids": [{"train.lr": 1}]}, "train.lr=2")
    with pytest.raises(ConfigError, match=r"train.lr is given by hydra.sweeper.grids and by hydra.sweeper.zip"):
        grids({"grids": [{"train.lr": 1}], "zip": {"train.lr": "1,2"}})
    with pytest.raises(ConfigError, match="preset a has grids of its own"):
        grids({"zip": {"seed": "1,2"}}, "+experiment=a,b", presets={"+experiment=a": {"grids": [{"seed": 1}]}})


def test_a_union_with_too_many_jobs_is_refused_at_once(fa_sweep, capfd):
    grids = ",".join(f"{{train.lr:{n},seed:'range(300000)'}}" for n in (1, 2, 3, 4))
    assert "1,200,000 jobs" in refused(fa_sweep, capfd, ["-m", f"hydra.sweeper.grids=[{grids}]"])


@pytest.mark.parametrize(("low", "high", "count"), [(1e-3, 1, 7), (1, 2, 2), (1, 1.001, 50), (10, 0.01, 4), (1, 1000, 4)])
def test_log_spaced_values(low, high, count):
    values = logspace(low, high, count).list
    assert values[0] == low
    assert values[-1] == high
    assert len(set(values)) == count
    np.testing.assert_allclose(values, np.geomspace(low, high, count), rtol=5e-4)
    ratios = np.diff(np.log(values))
    assert np.sign(ratios).tolist() == [math.copysign(1, high - low)] * (count - 1)


def test_log_spaced_values_on_the_command_line(fa_sweep, capfd):
    assert fa_sweep("-m", "train.lr=logspace(0.001,1,4)", "dry_run=true") == 0
    assert "train.lr=0.001; train.lr=0.01; train.lr=0.1; train.lr=1.0" in capfd.readouterr().out


@pytest.mark.parametrize("exclude", [5, [1], len])
def test_an_exclusion_from_python_is_a_condition(fa_sweep, exclude):
    with pytest.raises(ConfigError, match=r"exclude is .*; it must be a condition"):
        fa.sweep(exclude=exclude, seed=range(2))


def test_a_design_from_python_is_that_of_the_command_line(fa_sweep):
    result = fa.sweep(
        grids=[{"feedback": "symmetric"}, {"feedback": ["random", "direct"], "train.lr": [0.02, 0.1]}],
        exclude="feedback == 'direct' and train.lr > 0.05",
        seed=range(2),
        **{"train.steps": 101},
    )
    grids = "hydra.sweeper.grids=[{feedback:symmetric},{feedback:'random,direct',train.lr:[0.02,0.1]}]"
    exclude = "hydra.sweeper.exclude=\"feedback == 'direct' and train.lr > 0.05\""
    assert fa_sweep("-m", grids, exclude, "seed=range(2)", "train.steps=101", "report=false") == 0
    first, second = all_sweeps()
    assert [job.id for job in first.jobs] == [job.id for job in second.jobs]
    assert [job.group for job in first.jobs] == [job.group for job in second.jobs]
    assert all(job.reused for job in second.jobs)
    assert list(dict.fromkeys(result.runs["group"])) == [
        "symmetric, train.lr=0.01", "random, train.lr=0.02", "random, train.lr=0.1", "direct, train.lr=0.02",
    ]  # fmt: skip
