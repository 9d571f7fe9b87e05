"""The Dask executor gives the same numbers as training in this process, and copes with lost workers and schedulers."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from support.commands import short
from support.gate import Gate
from support.processes import finished, line, started
from support.services import closed_port, end, free_port
from support.waiting import PATIENCE, until

from fa_sweep.engine.training import train
from fa_sweep.sweeping.folder import all_sweeps

STEPS = tuple(short()[1:4])
with_dask = pytest.mark.service("dask")


@dataclass
class Cluster:
    """A Dask scheduler and its workers as subprocesses, in whose environment `feedback=gated` finds the gate."""

    gate: Gate
    address: str
    processes: list[subprocess.Popen] = field(default_factory=list)

    def start(self, *arguments):
        """Start a process of the cluster and return it."""
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
        command = [sys.executable, "-m", *arguments, "--host", "127.0.0.1", "--no-dashboard"]
        self.processes.append(subprocess.Popen(command, env={**os.environ, **self.gate.environment}, **quiet))
        return self.processes[-1]

    def add_worker(self):
        """Start a worker, together with the nanny process that restarts it."""
        return self.start("distributed.cli.dask_worker", self.address, "--nthreads", "1", "--death-timeout", str(PATIENCE))


@contextlib.contextmanager
def cluster(gate, workers, port=None):
    """Run a cluster with `workers` workers; yield it and a client."""
    from distributed import Client

    port = port or free_port()
    own = Cluster(gate, f"tcp://127.0.0.1:{port}")
    own.start("distributed.cli.dask_scheduler", "--port", str(port))
    for _ in range(workers):
        own.add_worker()
    try:
        with Client(own.address, timeout=PATIENCE) as client:
            if workers:
                client.wait_for_workers(workers, timeout=PATIENCE)
            yield own, client
    finally:
        for process in own.processes:
            if process.poll() is None:
                end(process, signal.SIGKILL)


def command(address, *arguments, **constants):
    """Return the command of a sweep on the scheduler at an address, or on a new local cluster if the address is None."""
    at = [] if address is None else [f"hydra.launcher.address={address}"]
    return line(*short("hydra.launcher.executor=dask", *at, *arguments), CONNECT_S=PATIENCE, **constants)


def assert_numbers_of_this_process(settings, folder, seeds):
    """Assert that the runs of these seeds equal runs trained here; modes `gated` and `random` draw the same numbers."""
    sweep = all_sweeps(folder / "outputs")[-1]
    records = sweep.records(folder / "outputs")
    assert len(records) == len(sweep.jobs)
    assert sweep.failures == {}
    for seed in seeds:
        (job,) = [j for j in sweep.jobs if j.run.seed == seed and j.run.feedback.mode in ("random", "gated")]
        alone = train([settings("feedback=random", f"seed={seed}", *STEPS)])
        for name, values in alone.metrics.items():
            assert np.array_equal(records[job.run_id].metrics[name], values[:, 0], equal_nan=True), name


@with_dask
def test_a_cluster_of_its_own(settings, with_database):
    arguments = command(None, "feedback=symmetric,random", "seed=range(6)", "n_jobs=2")
    done = finished(arguments, with_database)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert_numbers_of_this_process(settings, with_database, range(6))


@with_dask
def test_a_killed_worker_s_shard_goes_to_another(settings, with_database, gate):
    with cluster(gate, 2) as (dask, client):
        pids = set(client.run(os.getpid).values())
        arguments = command(dask.address, "feedback=symmetric,gated", "seed=range(80)")
        with started(arguments, with_database, gate.environment) as sweep:
            (killed, *_) = gate.wait_for(1, sweep)
            assert killed in pids
            os.kill(killed, signal.SIGKILL)
            gate.open()
            out, _ = sweep.communicate(timeout=PATIENCE)
        assert sweep.returncode == 0, out
        assert killed not in client.run(os.getpid).values()
    assert "160 jobs" in out
    assert_numbers_of_this_process(settings, with_database, (0, 41, 79))


@with_dask
def test_a_scheduler_without_workers_is_said(with_database, gate):
    with cluster(gate, 0) as (dask, _):
        arguments = command(dask.address, "seed=0,1")
        with started(arguments, with_database, stderr=subprocess.PIPE) as sweep:
            assert "has no workers yet; waiting for one" in sweep.stderr.readline()
            dask.add_worker()
            out, err = sweep.communicate(timeout=PATIENCE)
    assert sweep.returncode == 0, err
    assert "2/2 runs" in out


@with_dask
def test_workers_that_are_all_gone_are_said(with_database, gate):
    with cluster(gate, 1) as (dask, _):
        arguments = command(dask.address, "feedback=gated", "seed=range(80)", WORKERLESS_S=0)
        with started(arguments, with_database, gate.environment) as sweep:
            gate.wait_for(1, sweep)
            end(dask.processes[-1], signal.SIGKILL)
            out, _ = sweep.communicate(timeout=PATIENCE)
    assert sweep.returncode == 1, out
    assert "the Dask scheduler has no workers left" in out
    assert re.search(r"80 of 80 runs are missing; the same command trains them", out)


def test_a_scheduler_that_does_not_answer_is_said(fa_sweep, capfd, monkeypatch):
    monkeypatch.setattr("fa_sweep.sweeping.executors.dask.CONNECT_S", 0.5)
    with closed_port() as port:
        address = f"hydra.launcher.address=tcp://127.0.0.1:{port}"
        arguments = ("-m", "seed=0,1", "report=false", "hydra.launcher.executor=dask", address)
        assert fa_sweep(*arguments, "hydra.sweep.dir=far/mine") == 2
        assert list(Path("outputs/sweeps").iterdir()) == []
        assert not Path("far/mine").exists()
        assert "no scheduler answers" in capfd.readouterr().err
        assert fa_sweep(*arguments) == 2
    err = capfd.readouterr().err.strip().splitlines()
    assert len(err) == 1
    assert f"hydra.launcher.address is tcp://127.0.0.1:{port}; no scheduler answers there" in err[0]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("hydra.launcher.executor=dsk", ("hydra.launcher.executor", "did you mean dask", "local")),
        ("hydra.launcher.address=tcp://127.0.0.1:9", ("hydra.launcher.address", "executor local")),
    ],
)
def test_refused_before_anything_is_made(fa_sweep, capfd, tmp_path, setting, words):
    assert fa_sweep("-m", "seed=0,1", setting) == 2
    err = capfd.readouterr().err.strip()
    assert len(err.splitlines()) == 1
    for word in words:
        assert word in err
    assert list(tmp_path.iterdir()) == []


def test_without_the_extra_it_is_named(fa_sweep, capfd, monkeypatch):
    monkeypatch.setattr("fa_sweep.sweeping.executors.find_spec", lambda name: None)
    assert fa_sweep("-m", "seed=0,1", "hydra.launcher.executor=dask") == 2
    assert "pip install 'fa-sweep[dask]'" in capfd.readouterr().err


@with_dask
def test_a_scheduler_that_dies_costs_what_it_had_not_handed_back(with_database, gate):
    port = free_port()
    arguments = command(f"tcp://127.0.0.1:{port}", "feedback=gated", "seed=range(80)", "n_jobs=4")
    with cluster(gate, 1, port) as (dask, _), started(arguments, with_database, gate.environment) as sweep:
        gate.wait_for(1, sweep)
        end(dask.processes[0], signal.SIGKILL)
        out, _ = sweep.communicate(timeout=PATIENCE)
    assert sweep.returncode == 1, out
    assert "80 of 80 runs are missing; the same command trains them" in out
    assert "the Dask scheduler is gone or was restarted" in out
    gate.open()
    with cluster(gate, 1, port):
        again = finished(arguments, with_database, gate.environment)
    assert again.returncode == 0, again.stderr
    assert "80 jobs, 0 reused, 80 runs to train" in again.stdout
    last = all_sweeps(with_database / "outputs")[-1]
    assert len(last.records(with_database / "outputs")) == 80


@with_dask
def test_a_scheduler_that_is_restarted(with_database, gate):
    """If the scheduler restarts, the shard in training is lost, and the shard that had already come back is kept."""
    with cluster(gate, 2) as (dask, client):
        arguments = command(dask.address, "feedback=gated", "seed=range(80)")
        with started(arguments, with_database, gate.environment) as sweep:
            quick, _ = gate.wait_for(2, sweep)
            gate.admit(quick)
            until(lambda: list(with_database.glob("outputs/sweeps/*/shards/*.parquet")), "the first shard")
            client.restart(timeout=PATIENCE)
            out, _ = sweep.communicate(timeout=PATIENCE)
        assert sweep.returncode == 1, out
        missing = int(re.search(r"(\d+) of 80 runs are missing; the same command trains them", out)[1])
        assert 0 < missing < 80
        gate.open()
        again = finished(arguments, with_database, gate.environment)
    assert again.returncode == 0, again.stderr
    assert f"80 jobs, {80 - missing} reused, {missing} runs to train" in again.stdout
