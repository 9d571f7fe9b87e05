"""The SLURM executor on a real SLURM of one node: the numbers of this process; tasks lost, and a launcher lost."""

import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from support.services import SLURM, slurm, wait_for

from fa_sweep.sweep.executors import slurm as executor
from fa_sweep.sweep.folder import all_sweeps
from fa_sweep.training import train

LONG = ("train.steps=300001", "train.eval_every=60000")
ENDLESS = ("train.steps=1000000001", "train.eval_every=500000000")  # no machine is that quick
needs_slurm = pytest.mark.skipif(not SLURM, reason="needs root and slurm-wlm, which .ci/run installs")


@pytest.fixture(scope="module")
def cluster():
    """The environment of a SLURM of one node."""
    with slurm() as environment:
        yield environment


def command(*arguments):
    launcher = (
        "hydra.launcher.executor=slurm",
        "report=false",
        *(() if any("n_jobs" in a for a in arguments) else ("n_jobs=2",)),
    )
    return [sys.executable, "-m", "fa_sweep", "-m", *launcher, "feedback=random", *arguments]


def start(folder, environment, *arguments):
    return subprocess.Popen(
        command(*arguments), cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def states(environment):
    ask = ["squeue", "--array", "--noheader", "--states", "all", "--format", "%F_%K %T"]
    said = subprocess.run(ask, env=environment, capture_output=True, text=True, check=True).stdout
    return dict(line.split() for line in said.splitlines())


def running(environment, known):
    """Wait until both tasks of a new array run; returns their ids."""

    def both():
        return [i for i, state in states(environment).items() if state == "RUNNING" and i not in known]

    wait_for(lambda: len(both()) == 2, "the array")
    return sorted(both())


def assert_complete(settings, folder, seeds):
    sweep = all_sweeps(folder / "outputs")[-1]
    records = sweep.records(folder / "outputs")
    assert len(records) == len(sweep.jobs)
    assert sweep.failures == {}
    alone = train([settings("feedback=random", f"seed={seed}", *LONG) for seed in seeds])
    for number, seed in enumerate(seeds):
        (job,) = [j for j in sweep.jobs if j.run.seed == seed]
        for name, values in alone.metrics.items():
            assert np.array_equal(records[job.run_id].metrics[name], values[:, number], equal_nan=True), name


def first_then_again(settings, folder, environment, arguments, lose):
    """Run a sweep of which a task is lost; what is missing is said, and the same command completes it."""
    known = states(environment)
    sweep = start(folder, environment, *arguments)
    lose(running(environment, known))
    out, _ = sweep.communicate(timeout=180)
    assert sweep.returncode == 1, out
    lost = re.findall(r"shard \d of 2 is missing \((\d+) runs, random-s\d+ to random-s\d+\): SLURM's task \d+_\d ended", out)
    missing = sum(map(int, lost))
    assert f"{missing} of 40 runs are missing; the same command trains them" in out
    again = subprocess.run(command(*arguments), cwd=folder, env=environment, capture_output=True, text=True, timeout=180)
    assert again.returncode == 0, again.stderr
    assert f"40 jobs, {40 - missing} reused, {missing} runs to train" in again.stdout
    assert_complete(settings, folder, (0, 39))
    return missing


@needs_slurm
def test_a_cancelled_task_loses_itself_alone(settings, tmp_path, cluster):
    def cancel(tasks):
        subprocess.run(["scancel", tasks[1]], env=cluster, check=True)

    assert first_then_again(settings, tmp_path, cluster, ("seed=range(40)", *LONG), cancel) == 20


@needs_slurm
def test_a_single_task_is_waited_for_in_the_queue_and_at_work(settings, tmp_path, cluster):
    """It is no array, and squeue names it in another way. Longer than a file may take, in the queue and at its work."""
    subprocess.run(["scontrol", "update", "PartitionName=p", "State=DOWN"], env=cluster, check=True)
    known = states(cluster)
    sweep = start(tmp_path, cluster, "seed=range(40)", "n_jobs=1", "train.steps=400001", "train.eval_every=200000")
    wait_for(lambda: len(states(cluster)) > len(known), "the job")
    time.sleep(executor.SETTLE_S + 3)
    assert sweep.poll() is None
    subprocess.run(["scontrol", "update", "PartitionName=p", "State=UP"], env=cluster, check=True)
    out, _ = sweep.communicate(timeout=180)
    assert sweep.returncode == 0, out
    assert len(all_sweeps(tmp_path / "outputs")[-1].records(tmp_path / "outputs")) == 40


@needs_slurm
def test_tasks_out_of_time(settings, tmp_path, cluster):
    """SLURM warns them 50 s or more before the end of their minute; they end there and then, which is no fault of the runs."""
    limit = "hydra.launcher.slurm={timeout_min: 1, slurm_signal_delay_s: 55}"
    sweep = start(tmp_path, cluster, "seed=range(40)", limit, *ENDLESS)
    out, _ = sweep.communicate(timeout=180)
    assert sweep.returncode == 1, out
    assert sorted(re.findall(r"is missing \(random-s(\d+)\)", out)) == [f"{seed:03}" for seed in range(40)]
    assert "40 of 40 runs are missing" in out
    (folder,) = all_sweeps(tmp_path / "outputs")
    assert folder.failures == {}


@needs_slurm
def test_a_launcher_that_dies_loses_nothing(settings, tmp_path, cluster):
    known = states(cluster)
    sweep = start(tmp_path, cluster, "seed=range(40)", *LONG)
    tasks = running(cluster, known)
    os.kill(sweep.pid, signal.SIGKILL)
    sweep.wait(20)
    wait_for(lambda: all(states(cluster).get(task) == "COMPLETED" for task in tasks), "the end of the array")
    again = subprocess.run(
        command("seed=range(40)", *LONG), cwd=tmp_path, env=cluster, capture_output=True, text=True, timeout=180
    )
    assert again.returncode == 0, again.stderr
    assert "40 jobs, 40 reused, nothing to train" in again.stdout
    assert_complete(settings, tmp_path, (0, 39))


@needs_slurm
def test_an_interrupt_takes_the_array_along(tmp_path, cluster):
    known = states(cluster)
    sweep = start(tmp_path, cluster, "seed=range(40)", *ENDLESS)
    tasks = running(cluster, known)
    sweep.send_signal(signal.SIGINT)
    out, _ = sweep.communicate(timeout=60)
    assert sweep.returncode == 130, out
    wait_for(lambda: all(states(cluster).get(task) == "CANCELLED" for task in tasks), "the end of the array")


@needs_slurm
@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("{colour: red}", "{'colour': 'red'}; submitit does not take it"),
        (
            "{slurm_partition: none}",
            "{'slurm_partition': 'none'}; sbatch does not take it: Batch job submission failed: Invalid partition",
        ),
    ],
)
def test_what_nobody_can_give_is_refused(tmp_path, cluster, asked, words):
    arguments = command("seed=0,1", f"hydra.launcher.slurm={asked}")
    done = subprocess.run(arguments, cwd=tmp_path, env=cluster, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert words in line
    assert list((tmp_path / "outputs/sweeps").iterdir()) == []


def test_a_shard_that_fails_costs_its_own_runs_alone(settings, tmp_path, monkeypatch):
    """What a task does, here: errors come back shard by shard."""
    runs = [settings("train.steps=21"), settings("train.steps=21", "seed=1")]
    work = [executor._Work([str(n)], [run], tmp_path / f"{n}.parquet") for n, run in enumerate(runs)]
    original = executor.train_runs
    monkeypatch.setattr(executor, "train_runs", lambda runs: original(runs) if runs[0].seed else 1 / 0)
    assert executor.train_and_keep(tmp_path, work) == ["ZeroDivisionError: division by zero", ""]
    assert not work[0].path.exists()
    assert work[1].path.exists()


def test_without_slurm_it_is_said(fa_sweep, capfd, monkeypatch, tmp_path):
    monkeypatch.setattr("fa_sweep.sweep.executors.shutil.which", lambda name: None)
    assert fa_sweep("-m", "seed=0,1", "hydra.launcher.executor=slurm") == 2
    assert "there is no sbatch on this machine" in capfd.readouterr().err
    monkeypatch.setattr("fa_sweep.sweep.executors.find_spec", lambda name: None)
    assert fa_sweep("-m", "seed=0,1", "hydra.launcher.executor=slurm") == 2
    assert "pip install 'fa-sweep[slurm]'" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []
