"""The SLURM executor gives the same numbers as training in this process, and copes with lost tasks and a lost launcher.

The tests use a real SLURM with one node.
"""

import os
import re
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from support.commands import short
from support.processes import finished, line, started
from support.services import slurm
from support.waiting import PATIENCE, until

from fa_sweep.engine.training import train
from fa_sweep.sweeping.executors import slurm as executor
from fa_sweep.sweeping.folder import all_sweeps
from fa_sweep.sweeping.jobs import make_jobs
from fa_sweep.sweeping.shards import shards_with_tokens
from fa_sweep.sweeping.work import work_of

STEPS = tuple(short()[1:4])
needs_slurm = pytest.mark.service("slurm")


@pytest.fixture(scope="module")
def node():
    """The environment variables of a running SLURM with one node."""
    with slurm() as environment:
        yield environment


@pytest.fixture
def cluster(node, gate):
    """The environment variables of a sweep on SLURM whose tasks wait at the gate."""
    return {**node, **gate.environment}


def command(*arguments, **constants):
    tasks = () if any("n_jobs" in a for a in arguments) else ("n_jobs=2",)
    return line(*short("hydra.launcher.executor=slurm", *tasks, "feedback=gated", *arguments), **constants)


def states(environment):
    ask = ["squeue", "--array", "--noheader", "--states", "all", "--format", "%F_%K %T"]
    said = subprocess.run(ask, env=environment, capture_output=True, text=True, check=True).stdout
    return dict(row.split() for row in said.splitlines())


def running(sweep, gate):
    """Wait until both tasks of an array are at the gate; return their process ids by SLURM task id."""
    return {task_of(pid): pid for pid in gate.wait_for(2, sweep)}


def task_of(pid):
    own = dict(entry.split("=", 1) for entry in Path(f"/proc/{pid}/environ").read_text().split("\0") if entry)
    return f"{own['SLURM_ARRAY_JOB_ID']}_{own['SLURM_ARRAY_TASK_ID']}"


def assert_complete(settings, folder, seeds):
    sweep = all_sweeps(folder / "outputs")[-1]
    records = sweep.records(folder / "outputs")
    assert len(records) == len(sweep.jobs)
    assert sweep.failures == {}
    alone = train([settings("feedback=random", f"seed={seed}", *STEPS) for seed in seeds])
    for number, seed in enumerate(seeds):
        (job,) = [j for j in sweep.jobs if j.run.seed == seed]
        for name, values in alone.metrics.items():
            assert np.array_equal(records[job.run_id].metrics[name], values[:, number], equal_nan=True), name


@needs_slurm
def test_a_cancelled_task_loses_itself_alone(settings, with_database, gate, cluster):
    arguments = command("seed=range(40)")
    with started(arguments, with_database, cluster) as sweep:
        (kept, (cancelled, _)) = sorted(running(sweep, gate).items())
        subprocess.run(["scancel", cancelled], env=cluster, check=True)
        gate.admit(kept[1])
        out, _ = sweep.communicate(timeout=PATIENCE)
    assert sweep.returncode == 1, out
    assert re.search(r"shard \d of 2 is missing \(20 runs, gated-s\d+ to gated-s\d+\): SLURM's task \d+_\d ended", out)
    assert "20 of 40 runs are missing; the same command trains them" in out
    gate.open()
    again = finished(arguments, with_database, cluster)
    assert again.returncode == 0, again.stderr
    assert "40 jobs, 20 reused, 20 runs to train" in again.stdout
    assert_complete(settings, with_database, (0, 39))


@pytest.fixture
def asked(tmp_path, cluster):
    """A function that counts the calls of squeue; a wrapper on the PATH in `cluster` records each call."""
    folder, notes = tmp_path / "bin", tmp_path / "asked"
    folder.mkdir()
    real = next(f"{place}/squeue" for place in os.get_exec_path() if Path(place, "squeue").exists())
    (folder / "squeue").write_text(f'#!/bin/sh\necho >> {notes}\nexec {real} "$@"\n')
    (folder / "squeue").chmod(0o755)
    cluster["PATH"] = f"{folder}:{os.environ['PATH']}"
    return lambda: len(notes.read_text()) if notes.exists() else 0


@needs_slurm
def test_a_single_task_is_waited_for_in_the_queue_and_at_work(with_database, gate, cluster, asked):
    """The launcher waits for a single task while it is queued and while it runs; squeue names it differently from an array."""
    subprocess.run(["scontrol", "update", "PartitionName=p", "State=DOWN"], env=cluster, check=True)
    with started(command("seed=range(40)", "n_jobs=1", SETTLE_S=0), with_database, cluster) as sweep:
        until(lambda: asked() > 2 or sweep.poll() is not None, "its patience in the queue")
        subprocess.run(["scontrol", "update", "PartitionName=p", "State=UP"], env=cluster, check=True)
        gate.wait_for(1, sweep)
        before = asked()
        until(lambda: asked() > before + 2 or sweep.poll() is not None, "its patience at work")
        gate.open()
        out, _ = sweep.communicate(timeout=PATIENCE)
    assert sweep.returncode == 0, out
    assert len(all_sweeps(with_database / "outputs")[-1].records(with_database / "outputs")) == 40


@needs_slurm
def test_tasks_out_of_time(with_database, gate, cluster):
    """Tasks end when SLURM's signal warns them of the time limit. Their runs count as missing, not as failed."""
    limit = "hydra.launcher.slurm={timeout_min: 1, slurm_signal_delay_s: 59}"
    with started(command("seed=range(40)", limit), with_database, cluster) as sweep:
        running(sweep, gate)
        out, _ = sweep.communicate(timeout=PATIENCE)
    assert sweep.returncode == 1, out
    assert len(re.findall(r"is missing \(20 runs, ", out)) == 2
    assert "40 of 40 runs are missing" in out
    (folder,) = all_sweeps(with_database / "outputs")
    assert folder.failures == {}


@needs_slurm
def test_a_launcher_that_dies_loses_nothing(settings, with_database, gate, cluster):
    with started(command("seed=range(40)"), with_database, cluster) as sweep:
        tasks = running(sweep, gate)
        os.kill(sweep.pid, signal.SIGKILL)
        sweep.wait(PATIENCE)
    gate.open()
    until(lambda: all(states(cluster).get(task) == "COMPLETED" for task in tasks), "the end of the array")
    again = finished(command("seed=range(40)"), with_database, cluster)
    assert again.returncode == 0, again.stderr
    assert "40 jobs, 40 reused, nothing to train" in again.stdout
    assert_complete(settings, with_database, (0, 39))


@needs_slurm
def test_an_interrupt_takes_the_array_along(tmp_path, gate, cluster):
    with started(command("seed=range(40)"), tmp_path, cluster) as sweep:
        tasks = running(sweep, gate)
        sweep.send_signal(signal.SIGINT)
        out, _ = sweep.communicate(timeout=PATIENCE)
    assert sweep.returncode == 130, out
    until(lambda: all(states(cluster).get(task) == "CANCELLED" for task in tasks), "the end of the array")


@needs_slurm
@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("{colour: red}", "{'colour': 'red'}; submitit does not accept it"),
        (
            "{slurm_partition: none}",
            "{'slurm_partition': 'none'}; sbatch does not accept it: Batch job submission failed: Invalid partition",
        ),
    ],
)
def test_what_nobody_can_give_is_refused(tmp_path, cluster, asked, words):
    arguments = command("seed=0,1", f"hydra.launcher.slurm={asked}")
    done = finished(arguments, tmp_path, cluster)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert words in line
    assert list((tmp_path / "outputs/sweeps").iterdir()) == []


def test_a_shard_that_fails_costs_its_own_runs_alone(settings, tmp_path, monkeypatch):
    """A task returns an error for the shard that fails, and keeps the other shard. It runs in this process here."""
    runs = [settings("train.steps=21"), settings("train.steps=21", "seed=1")]
    tokens = ["a" * 12, "b" * 12]
    shards = [(work_of(make_jobs([(run, {}, ())])), token) for run, token in zip(runs, tokens, strict=True)]
    original = executor.train_runs
    monkeypatch.setattr(executor, "train_runs", lambda work: original(work) if work.runs[0].seed else 1 / 0)
    failed, kept = executor.train_and_keep(tmp_path, shards)
    assert failed.message == "ZeroDivisionError: division by zero"
    assert kept is None
    assert shards_with_tokens(tmp_path) == {tokens[1]}


def test_without_slurm_it_is_said(fa_sweep, capfd, monkeypatch, tmp_path):
    monkeypatch.setattr("fa_sweep.sweeping.executors.shutil.which", lambda name: None)
    assert fa_sweep("-m", "seed=0,1", "hydra.launcher.executor=slurm") == 2
    assert "there is no sbatch on this machine" in capfd.readouterr().err
    monkeypatch.setattr("fa_sweep.sweeping.executors.find_spec", lambda name: None)
    assert fa_sweep("-m", "seed=0,1", "hydra.launcher.executor=slurm") == 2
    assert "pip install 'fa-sweep[slurm]'" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []
