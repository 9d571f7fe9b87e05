"""Runs that the ledger holds: reused, trained again, computed on another machine, or lost."""

import dataclasses
import shutil
import subprocess
import sys

import pytest
from support.commands import report as analysis
from support.commands import short

from fa_sweep.sweeping import environment, work
from fa_sweep.sweeping.folder import all_sweeps

SWEEP = ("feedback=symmetric,random", "seed=range(3)")


@pytest.fixture
def elsewhere(monkeypatch):
    """A function that makes new runs record another kind of processor in their environment."""

    def enter(patch):
        here = environment.environment()
        there = {**here, "blas": "openblas 0.3.31 Haswell"}
        patch.setattr(work, "environment", lambda: there)

    return enter


def parents_by_sweep():
    from mlflow import MlflowClient

    client = MlflowClient("sqlite:///outputs/mlflow.db")
    number = client.get_experiment_by_name("fa_sweep").experiment_id
    found = client.search_runs([number], "tags.`fa_sweep.kind` = 'sweep'")
    return {run.data.tags["fa_sweep.sweep"]: run for run in found}


def test_runs_of_another_environment_are_reused_with_a_warning(fa_sweep, capfd, monkeypatch, elsewhere):
    with monkeypatch.context() as patch:
        elsewhere(patch)
        assert fa_sweep(*short(*SWEEP)) == 0
    capfd.readouterr()
    assert fa_sweep(*short("feedback=symmetric,random", "seed=range(4)")) == 0
    out, err = capfd.readouterr()
    assert "8 jobs, 6 reused, 2 runs to train" in out
    (line,) = err.splitlines()
    assert line.startswith(
        "warning: 6 of 6 reused runs were computed in another environment (blas was openblas 0.3.31 Haswell, is "
    )
    assert line.endswith("resume=same_environment trains them again")


def test_the_same_environment_mixes_nothing(fa_sweep, capfd, monkeypatch, elsewhere):
    with monkeypatch.context() as patch:
        elsewhere(patch)
        assert fa_sweep(*short(*SWEEP)) == 0
    assert fa_sweep(*short("feedback=symmetric,random", "seed=range(2)", "resume=same_environment")) == 0
    assert "4 jobs, 0 reused, 4 runs to train" in capfd.readouterr().out
    assert fa_sweep(*short(*SWEEP, "resume=same_environment")) == 0
    out, err = capfd.readouterr()
    assert "6 jobs, 4 reused, 2 runs to train" in out
    assert err == ""  # no warning, since the reused runs were computed here; no alarm, since retrained numbers are the same
    first, second, third = all_sweeps()
    assert {record.environment["blas"] for record in first.records().values()} == {"openblas 0.3.31 Haswell"}
    assert "openblas 0.3.31 Haswell" not in {record.environment["blas"] for record in third.records().values()}
    assert {job.source for job in third.jobs if job.reused} == {second.id}


def test_every_reused_job_says_whose_it_was(fa_sweep):
    assert fa_sweep(*short(*SWEEP)) == 0
    assert fa_sweep(*short("feedback=symmetric,random", "seed=range(4)")) == 0
    first, second = all_sweeps()
    assert [job.source for job in second.jobs] == [first.id if job.run.seed < 3 else "" for job in second.jobs]


def test_other_numbers_under_the_same_ids_are_an_alarm(fa_sweep, capfd, monkeypatch):
    assert fa_sweep(*short(*SWEEP)) == 0
    original = work.train

    def changed(runs, progress):
        histories = original(runs, progress)
        histories.metrics["loss"][-1, 0] += 1e-15
        return dataclasses.replace(histories)

    monkeypatch.setattr(work, "train", changed)
    capfd.readouterr()
    assert fa_sweep(*short(*SWEEP, "resume=false")) == 0
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("fa_sweep: ALARM: 1 of 6 runs that were trained again have other numbers under the same ids")
    assert "although the recorded environment is the same" in line
    first, second = all_sweeps()
    changed = [
        job
        for job in first.jobs
        if first.records()[job.run_id].metrics["loss"][-1] != second.records()[job.run_id].metrics["loss"][-1]
    ]
    assert len(changed) == 1  # each sweep keeps the numbers that it trained


def test_runs_trained_anew_stand_under_a_new_parent_and_the_old_one_is_superseded(fa_sweep, capfd):
    assert fa_sweep(*short(*SWEEP)) == 0
    assert fa_sweep(*short(*SWEEP, "resume=false")) == 0
    out, err = capfd.readouterr()
    assert "already holds" not in out
    assert "ALARM" not in err
    first, second = all_sweeps()
    parents = parents_by_sweep()
    assert parents[first.id].data.tags["fa_sweep.superseded"] == second.id
    assert "fa_sweep.superseded" not in parents[second.id].data.tags
    assert fa_sweep(*short(*SWEEP)) == 0
    assert f"already holds this sweep, complete: run {parents[second.id].info.run_id}" in capfd.readouterr().out


@pytest.mark.slow
@pytest.mark.usefixtures("few_figures")
def test_a_sweep_whose_shards_are_gone_says_whose_and_what_trains_them_again(fa_sweep, capfd):
    assert fa_sweep(*short(*SWEEP)) == 0
    assert fa_sweep(*short("feedback=symmetric,random", "seed=range(5)")) == 0
    first, second = all_sweeps()
    shutil.rmtree(first.folder)
    capfd.readouterr()
    assert analysis(["--sweep", second.id, "--format", "md", "--no-attach"]) == 1
    (line,) = [line for line in capfd.readouterr().err.splitlines() if "missing" in line]
    assert f"6 of 10 runs of {second.id} are missing: they are in no shard (looked for 6 in those of {first.id})" in line
    assert line.endswith(f"this trains them: {second.record.command}")
    assert fa_sweep(*short("feedback=symmetric,random", "seed=range(5)")) == 0
    assert "10 jobs, 4 reused, 6 runs to train" in capfd.readouterr().out
    assert analysis(["--sweep", second.id, "--format", "md", "--no-attach"]) == 0


@pytest.mark.slow
def test_the_environment_is_the_same_whatever_else_is_imported(tmp_path):
    """SciPy and scikit-learn load their own BLAS libraries, which must not change the recorded environment."""
    ask = "from fa_sweep.sweeping.environment import DECIDES_BITS, environment as e; print({n: e()[n] for n in DECIDES_BITS})"
    said = {
        subprocess.run([sys.executable, "-c", before + ask], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        for before in ("", "import scipy.linalg; import sklearn.datasets; ")
    }
    assert len(said) == 1
