"""The command line: refusals, single runs, sweeps, resume, launchers. Each test runs it in-process, in an empty folder."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from support.commands import short, verb
from support.places import ROOT
from support.store import experiments
from support.waiting import PATIENCE

from fa_sweep import __version__
from fa_sweep.settings.identity import run_id
from fa_sweep.sweeping.folder import Sweep, all_sweeps

REFUSED = {
    "foo=3": ["foo", "3", "seed"],
    "+unknown.key=3": ["unknown", "train"],
    "train.foo=3": ["train.foo", "3", "steps"],
    "trainn.lr=3": ["trainn", "did you mean train"],
    "train.threshold=2": ["train.threshold", "2.0", "between 0 and 1"],
    "train.lr=abc": ["train.lr", "abc", "number"],
    "train.lr=-1": ["train.lr", "-1.0", "positive"],
    "train.lr=nan": ["train.lr", "nan", "positive"],
    "train.steps=0": ["train.steps", "0", "at least 1"],
    "train.steps=1.5": ["train.steps", "1.5", "whole number"],
    "train.hold=0": ["train.hold", "0", "at least 1"],
    "train={nope:1}": ["a group takes the name of one of its options"],
    "train.loss=hinge": ["train.loss", "hinge", "absolute, squared"],
    "train.lr=${nope}": ["train.lr", "nope"],
    "feedback=nope": ["feedback", "nope", "random, rerandom, shallow, sign_direct, symmetric"],
    "feedback=rerandm": ["did you mean rerandom"],
    "feedback=3": ["feedback=3"],
    "feedback.every=2": ["feedback.every", "scale"],
    "feedback.mode=nope": ["feedback.mode", "nope", "rerandom"],
    "feedback.mode=rerandom": ["feedback.mode", "use feedback=rerandom"],
    "feedback=random,symmetric": ["feedback=random,symmetric", "add -m"],
    "model.hidden=[0]": ["model.hidden", "[0]", "at least 1"],
    "model.hidden=3": ["model.hidden", "3", "list"],
    "model.hidden=[a]": ["model.hidden[0]", "'a'", "whole number"],
    "model.activation=null": ["model.activation", "None", "text"],
    "model.bias=1": ["model.bias", "1", "true or false"],
    "init.scale=0": ["init.scale", "0.0", "positive"],
    "init=nope": ["init", "nope", "orthogonal"],
    "task=nope": ["task", "nope", "xor"],
    "task.success.metric=f1": ["task.success.metric", "f1", "accuracy"],
    "seed=": ["seed", "whole number"],
    "seed=-1": ["seed", "-1", "at least 0"],
    "seed=9223372036854775808": ["seed", "2^63"],
    "seed=[": ["seed=["],
    "seed": ["seed", "NAME=VALUE"],
    "~train": ["train", "missing"],
    "+experiment=nope": ["experiment", "nope", "seed_post"],
    "tracking.uri=": ["tracking.uri", "empty"],
    "n_jobs=0": ["n_jobs", "0", "auto"],
    "hydra/launcher=nope": ["hydra/launcher", "nope", "stack"],
}
REFUSED_SWEEPS = {
    "seed=range(0)": ["seed=range(0)", "empty"],
    "seed=0,-1": ["seed", "-1", "job 1", "at least 0"],
    "train.lr=interval(0,1)": ["train.lr", "list of values"],
    "feedback=random,nope": ["feedback", "nope", "shallow"],
    "tracking.experiment=a,b": ["tracking", "one value"],
    "n_jobs=1,2": ["n_jobs", "one value"],
}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [*(((a,), w) for a, w in REFUSED.items()), *((("-m", a), w) for a, w in REFUSED_SWEEPS.items())],
    ids=str,
)
def test_refused_in_one_line_before_anything_is_made(fa_sweep, capfd, arguments, words):
    assert fa_sweep(*arguments) == 2
    out, err = capfd.readouterr()
    lines = err.strip().splitlines()
    assert out == ""
    assert len(lines) <= 2, err
    assert "Traceback" not in err
    for word in words:
        assert word in err, (word, err)
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "words"),
    [(["--nope", "seed=1"], "--nope"), (["--cfg", "nope"], "'nope'"), (["-m", "seed=1,2", "--cfg"], "--cfg")],
)
def test_a_wrong_flag_is_one_line(fa_sweep, capfd, flags, words):
    assert fa_sweep(*flags) == 2
    (line,) = capfd.readouterr().err.strip().splitlines()
    assert words in line
    assert line.endswith("; --hydra-help lists the flags")
    assert list(Path().iterdir()) == []


def test_single_run_prints_its_evaluations_and_again_from_the_ledger(fa_sweep, capfd):
    arguments = ("feedback=random", "seed=3", "train.steps=301")
    assert fa_sweep(*arguments) == 0
    first = capfd.readouterr().out.splitlines()
    assert first[0].split() == ["step", "sampled", "accuracy", "loss", "angle"]
    assert [line.split()[0] for line in first[1:5]] == ["0", "100", "200", "300"]
    assert first[5].startswith("random-train.steps=301-s003: ")
    assert fa_sweep(*arguments) == 0
    second = capfd.readouterr().out.splitlines()
    assert second[:5] == first[:5]
    assert second[5] == first[5] + " (from the ledger)"
    assert len(list(Path("outputs/runs").glob("*/shards/*.parquet"))) == 1
    assert (next(iter(Path("outputs/runs").iterdir())) / "config.yaml").exists()


def test_sweep_folder(fa_sweep):
    assert fa_sweep(*short("feedback=symmetric,random", "seed=range(3)")) == 0
    (sweep,) = all_sweeps()
    assert sorted(p.name for p in sweep.folder.iterdir()) == [
        "jobs.parquet",
        "multirun.yaml",
        "shards",
        "sweep.json",
        "tracked.json",
    ]
    assert [job.name for job in sweep.jobs] == [f"{m}-s{s:03d}" for m in ("symmetric", "random") for s in range(3)]
    assert [job.group for job in sweep.jobs] == ["symmetric"] * 3 + ["random"] * 3
    assert len(sweep.records()) == 6
    assert not list(Path("outputs").rglob("*.tmp"))


def test_resume_extends_and_reuses(fa_sweep, capfd):
    assert fa_sweep(*short("feedback=symmetric,random", "seed=range(3)")) == 0
    assert fa_sweep(*short("feedback=symmetric,random", "seed=range(3)")) == 0
    assert "nothing to train" in capfd.readouterr().out
    assert fa_sweep(*short("feedback=symmetric,random", "seed=range(5)")) == 0
    assert "10 jobs, 6 reused, 4 runs to train" in capfd.readouterr().out
    first, again, extended = all_sweeps()
    assert len(list((again.folder).glob("shards/*"))) == 0
    assert sum(job.reused for job in extended.jobs) == 6
    assert len(extended.records()) == 10
    assert {job.run_id for job in first.jobs} < {job.run_id for job in extended.jobs}
    assert fa_sweep(*short("feedback=symmetric,random", "seed=range(3)", "resume=false")) == 0
    anew = list(all_sweeps())[-1]
    assert not any(job.reused for job in anew.jobs)
    assert sum(pq.read_metadata(p).num_rows for p in anew.folder.glob("shards/*")) == 6


def test_order_of_factors_changes_only_the_order_of_jobs(fa_sweep):
    assert fa_sweep(*short("feedback=symmetric,random", "seed=0,1", "init.scale=0.5,1")) == 0
    assert fa_sweep(*short("init.scale=0.5,1", "seed=0,1", "feedback=symmetric,random", "resume=false")) == 0
    one, other = all_sweeps()
    assert {j.name for j in one.jobs} == {
        f"{m}-init.scale={x}-s{s:03d}" for m in ("symmetric", "random") for x in (0.5, 1.0) for s in (0, 1)
    }
    assert {j.name.replace("init.scale=", ""): j.run_id for j in one.jobs} == {
        j.name.replace("init.scale=", ""): j.run_id for j in other.jobs
    }
    assert [j.run_id for j in one.jobs] != [j.run_id for j in other.jobs]
    assert one.hash == other.hash
    assert_same_numbers(one, other)


def test_repeated_jobs_are_merged(fa_sweep, capfd):
    assert fa_sweep(*short("seed=1,1,2")) == 0
    (sweep,) = all_sweeps()
    assert len(sweep.jobs) == 2
    assert "1 of 3 jobs are the same" in capfd.readouterr().out


@pytest.mark.parametrize(
    "launcher",
    [
        pytest.param("hydra/launcher=basic", marks=pytest.mark.slow),
        pytest.param("hydra/launcher=joblib", marks=pytest.mark.slow),
        "n_jobs=2",
    ],
)
def test_every_launcher_gives_the_same_numbers(fa_sweep, launcher):
    sweep = ("feedback=symmetric,rerandom", "seed=0,1")
    assert fa_sweep(*short(*sweep)) == 0
    assert fa_sweep(*short(*sweep, "resume=false", launcher, "tracking.experiment=other")) == 0
    ours, theirs = all_sweeps()
    assert [j.run_id for j in ours.jobs] == [j.run_id for j in theirs.jobs]
    assert len(list(theirs.folder.glob("shards/*"))) == (2 if launcher == "n_jobs=2" else 4)
    assert_same_numbers(ours, theirs)
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{Path('outputs/mlflow.db').absolute()}")
    runs = client.search_runs(experiments(client, "other"))
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert sum("fa_sweep.kind" not in run.data.tags for run in children) == 4


def assert_same_numbers(one: Sweep, other: Sweep) -> None:
    """Assert that two sweeps hold the same runs with the same numbers, each sweep in its own shards."""
    tables = []
    for sweep in (one, other):
        rows = [row for path in sweep.folder.glob("shards/*") for row in pq.read_table(path).to_pylist()]
        tables.append({row.pop("run_id"): row for row in rows})
    assert tables[0].keys() == tables[1].keys()
    for identity, row in tables[0].items():
        for name in set(row) - {"finished_at_ms", "duration_s"}:
            assert np.array_equal(row[name], tables[1][identity][name], equal_nan=name not in ("steps",)), name


def test_runs_judged_in_two_ways_are_trained_once_and_stay_apart(fa_sweep, capfd):
    assert fa_sweep(*short("seed=range(3)", "train.hold=1,4")) == 0
    assert "6 jobs, 0 reused, 3 runs to train" in capfd.readouterr().out
    (sweep,) = all_sweeps()
    assert [job.group for job in sweep.jobs] == ["train.hold=1"] * 3 + ["train.hold=4"] * 3
    assert len({job.run_id for job in sweep.jobs}) == 3
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{Path('outputs/mlflow.db').absolute()}")
    _, *of_runs = experiments(client)
    found = client.search_runs(of_runs, f"tags.`mlflow.parentRunId` = '{sweep.tracked['run_id']}'")
    assert sorted(run.info.experiment_id for run in found) == [of_runs[0]] * 3 + [of_runs[1]] * 3
    # With another train.hold, the same runs form a new sweep. The first sweep's record in MLflow stays unchanged.
    assert fa_sweep(*short("seed=range(3)", "train.hold=3")) == 0
    assert "nothing to train" in capfd.readouterr().out
    assert len(client.search_runs(experiments(client), "tags.`fa_sweep.kind` = 'sweep'")) == 2


@pytest.mark.parametrize("damage", ["truncated", "empty", "inside"])
def test_a_damaged_shard_counts_as_absent(fa_sweep, capfd, damage):
    assert fa_sweep(*short("seed=range(4)")) == 0
    (sweep,) = all_sweeps()
    (shard,) = sweep.folder.glob("shards/*")
    whole = shard.read_bytes()
    middle = len(whole) // 4
    spoiled = {"truncated": whole[:middle], "empty": b"", "inside": whole[:middle] + bytes(2 * middle) + whole[3 * middle :]}
    shard.write_bytes(spoiled[damage])
    capfd.readouterr()
    assert fa_sweep(*short("seed=range(4)")) == 0
    out, err = capfd.readouterr()
    assert "4 jobs, 0 reused, 4 runs to train" in out
    assert "its runs count as absent" in err
    assert len(all_sweeps()[-1].records()) == 4


def test_a_crashed_single_run_is_one_line_and_a_failed_run(fa_sweep, capfd, monkeypatch):
    from fa_sweep.cli import single

    def broken(runs, **_):
        raise MemoryError("no room")

    monkeypatch.setattr(single, "train", broken)
    assert fa_sweep("seed=3") == 1
    lines = capfd.readouterr().err.strip().splitlines()
    assert len(lines) <= 2  # Hydra may add a line
    assert (
        lines[-1].startswith("fa_sweep: random-s003 failed with MemoryError: no room (tests/")
        or "MemoryError: no room" in lines[-1]
    )


def test_dry_run_makes_nothing(fa_sweep, capfd):
    assert fa_sweep(*short("feedback=symmetric,random", "seed=range(7)", "dry_run=true")) == 0
    assert fa_sweep("dry_run=true") == 0
    out = capfd.readouterr().out
    assert "jobs       14" in out
    assert "estimated" in out
    assert list(Path().iterdir()) == []


def test_preset_is_complete(fa_sweep, capfd):
    assert fa_sweep("+experiment=seed_post", "dry_run=true") == 0
    out = capfd.readouterr().out
    assert "jobs       800" in out
    assert "symmetric; random; rerandom; shallow" in out


def test_the_blog_posts_preset_pins_the_defaults(settings):
    for mode in ("symmetric", "random", "rerandom", "shallow"):
        pinned = settings("+experiment=seed_post", f"feedback={mode}", "seed=5")
        assert run_id(pinned) == run_id(settings(f"feedback={mode}", "seed=5"))


def test_too_few_evaluations_warns_once(fa_sweep, capfd):
    assert fa_sweep("-m", "seed=0,1", "train.steps=201", "report=false") == 0
    err = capfd.readouterr().err
    assert err.count("fewer than train.hold") == 1


def test_other_sweepers_are_refused(fa_sweep, capfd):
    assert fa_sweep("-m", "seed=0,1", "hydra/sweeper=basic") == 2
    assert "hydra/sweeper" in capfd.readouterr().err


def test_help_and_cfg(fa_sweep, capfd):
    assert fa_sweep("--help") == 0
    assert "product, random, rerandom, shallow, sign_direct, symmetric" in capfd.readouterr().out
    assert fa_sweep("--cfg", "job") == 0
    assert "lr: 0.01" in capfd.readouterr().out


def test_an_error_in_training_fails_its_runs_alone(fa_sweep, capfd, monkeypatch):
    from fa_sweep.sweeping import work

    train = work.train

    def broken(runs, progress):
        if runs[0].model.hidden == [3]:
            raise MemoryError("no room for 3 units")
        return train(runs, progress)

    monkeypatch.setattr(work, "train", broken)
    assert fa_sweep(*short("model.hidden=[3],[4]", "seed=0,1")) == 1
    assert "2 of 4 runs failed, the first with MemoryError: no room for 3 units" in capfd.readouterr().err
    (sweep,) = all_sweeps()
    assert len(sweep.records()) == 2
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{Path('outputs/mlflow.db').absolute()}")
    runs = client.search_runs(experiments(client))
    status = {run.info.run_name: run.info.status for run in runs}
    assert status[sweep.id] == "FAILED"
    assert sorted(status.values()) == ["FAILED"] * 3 + ["FINISHED"] * 3  # two runs, and the one of their group
    monkeypatch.setattr(work, "train", train)
    assert fa_sweep(*short("model.hidden=[3],[4]", "seed=0,1")) == 0
    assert "4 jobs, 2 reused, 2 runs to train" in capfd.readouterr().out


def test_interrupted_sweep_keeps_its_shards_and_goes_on(fa_sweep, capfd, monkeypatch):
    from fa_sweep.sweeping import work

    train = work.train

    def interrupted(runs, progress):
        if runs[0].model.hidden == [4]:
            raise KeyboardInterrupt
        return train(runs, progress)

    monkeypatch.setattr(work, "train", interrupted)
    assert fa_sweep(*short("model.hidden=[3],[4]", "seed=0,1")) == 130
    assert "the same command goes on" in capfd.readouterr().err
    monkeypatch.setattr(work, "train", train)
    assert fa_sweep(*short("model.hidden=[3],[4]", "seed=0,1")) == 0
    assert "4 jobs, 2 reused, 2 runs to train" in capfd.readouterr().out


def test_a_sweep_over_tasks_says_every_criterion(fa_sweep, capfd):
    assert fa_sweep(*short("task=xor,linear_teacher", "seed=0")) == 0
    out = " ".join(capfd.readouterr().out.split())
    assert "Success: accuracy >= 1, held for 2 evaluations; or normalised_squared_error <= 0.01, held for 2 evaluations." in out


@pytest.mark.parametrize("flags", [[], ["-m"]], ids=["single run", "sweep"])
def test_a_warning_is_printed_once_per_command(fa_sweep, capfd, flags):
    for _ in range(2):
        assert (
            fa_sweep(*flags, "seed=1", "train.steps=41", "train.eval_every=20", "train.hold=5", "dry_run=false", "report=false")
            == 0
        )
        assert capfd.readouterr().err.count("no run can count as converged") == 1


@pytest.mark.parametrize(
    ("word", "said"), [("reprot", "did you mean report? "), ("help", "or begin with one of tune, decide, list, show")], ids=str
)
def test_a_misspelt_verb_gets_the_verbs(fa_sweep, capfd, word, said):
    assert fa_sweep(word) == 2
    assert said in capfd.readouterr().err


@pytest.mark.parametrize("words", [["--version"], ["--version", "seed=1"], ["seed=1", "--version"]], ids=str)
def test_the_version_is_this_program_s(words):
    command = [sys.executable, "-m", "fa_sweep", *words]  # in a process of its own: a command installs signal handlers
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE)
    assert done.stdout == f"fa_sweep {__version__}\n"


def test_the_doctor_has_a_help_text(capfd):
    assert verb("doctor", "--help") == 0
    assert "Usage: python -m fa_sweep doctor" in capfd.readouterr().out


def test_another_interpreter_is_named_where_packages_are_missing(tmp_path):
    """`python -S` has no site-packages, as a Python outside the environment has none of this project's packages."""
    command = [sys.executable, "-S", "-m", "fa_sweep", "seed=1"]
    env = os.environ | {"PYTHONPATH": str(ROOT), "VIRTUAL_ENV": sys.prefix}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "has no numpy, hydra, omegaconf, click, rich, pyarrow; use " in line
    assert line.endswith("python -m fa_sweep")
    assert list(tmp_path.iterdir()) == []
