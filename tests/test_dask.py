"""The Dask executor: the numbers of this process, and a worker killed in the middle of a sweep."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from support.commands import short
from support.services import end, free_port

from fa_sweep.sweep.folder import all_sweeps
from fa_sweep.training import train

pytest.importorskip("distributed")
from distributed import Client, LocalCluster

OPTIONS = {"threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": "127.0.0.1:0", "silence_logs": "CRITICAL"}


def command(*arguments):
    return [sys.executable, "-m", "fa_sweep", "-m", "report=false", "hydra.launcher.executor=dask", *arguments]


def assert_numbers_of_this_process(settings, folder, overrides, seeds):
    (sweep,) = all_sweeps(folder / "outputs")
    records = sweep.records(folder / "outputs")
    assert len(records) == len(sweep.jobs)
    assert sweep.failures == {}
    for seed in seeds:
        (job,) = [j for j in sweep.jobs if j.run.seed == seed and j.run.feedback.mode == "random"]
        alone = train([settings("feedback=random", f"seed={seed}", *overrides)])
        for name, values in alone.metrics.items():
            assert np.array_equal(records[job.run_id].metrics[name], values[:, 0], equal_nan=True), name


def test_a_cluster_of_its_own(settings, tmp_path):
    steps = ("train.steps=301", "train.eval_every=50")
    arguments = command("feedback=symmetric,random", "seed=range(6)", "n_jobs=2", *steps)
    with socket.socket() as other:
        with contextlib.suppress(OSError):  # as good where it is another's already
            other.bind(("127.0.0.1", 8787))
            other.listen()
        done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert_numbers_of_this_process(settings, tmp_path, steps, range(6))


def test_a_killed_worker_s_shard_goes_to_another(settings, tmp_path):
    steps = ("train.steps=60001", "train.eval_every=3000")
    with LocalCluster(n_workers=2, **OPTIONS) as cluster, Client(cluster) as client:
        pids = client.run(os.getpid)
        arguments = command(
            "feedback=symmetric,random", "seed=range(80)", f"hydra.launcher.address={cluster.scheduler_address}", *steps
        )
        sweep = subprocess.Popen(arguments, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        busy = _first_busy(client)
        time.sleep(0.3)
        assert busy in _busy(client)  # in the middle of it
        os.kill(pids[busy], signal.SIGKILL)
        out, _ = sweep.communicate(timeout=180)
        assert sweep.returncode == 0, out
        assert pids[busy] not in client.run(os.getpid).values()
    assert "160 jobs" in out
    assert_numbers_of_this_process(settings, tmp_path, steps, (0, 41, 79))


def _busy(client):
    return [worker for worker, tasks in client.processing().items() if tasks]


def _first_busy(client):
    for _ in range(600):
        if busy := _busy(client):
            return busy[0]
        time.sleep(0.05)
    raise AssertionError("nothing was ever trained")


def test_a_scheduler_without_workers_is_said(fa_sweep, capfd):
    with LocalCluster(n_workers=0, **OPTIONS) as cluster:
        later = threading.Timer(3, cluster.scale, [1])
        later.start()
        arguments = ("hydra.launcher.executor=dask", f"hydra.launcher.address={cluster.scheduler_address}")
        assert fa_sweep(*short("seed=0,1", *arguments)) == 0
        later.join()
    said = capfd.readouterr()
    assert "has no workers yet; waiting for one" in said.err
    assert "2/2 runs" in said.out


def test_workers_that_are_all_gone_are_said(tmp_path):
    steps = ("train.steps=60001", "train.eval_every=3000")
    with LocalCluster(n_workers=1, **OPTIONS) as cluster, Client(cluster) as client:
        executor = "import fa_sweep.sweep.executors.dask as d; d.WORKERLESS_S = 1; import sys; from fa_sweep.entry import main"
        arguments = command("seed=range(80)", f"hydra.launcher.address={cluster.scheduler_address}", *steps)[3:]
        line = [sys.executable, "-c", f"{executor}; sys.argv[0] = 'fa_sweep'; sys.exit(main())", *arguments]
        sweep = subprocess.Popen(line, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        _first_busy(client)
        cluster.scale(0)
        out, _ = sweep.communicate(timeout=120)
    assert sweep.returncode == 1, out
    assert "the Dask scheduler has no workers left" in out
    assert re.search(r"\d+ of 80 runs are missing; the same command trains them", out)


def test_a_scheduler_that_does_not_answer_is_said(fa_sweep, capfd, monkeypatch):
    monkeypatch.setattr("fa_sweep.sweep.executors.dask.CONNECT_S", 0.5)
    arguments = ("-m", "seed=0,1", "report=false", "hydra.launcher.executor=dask", "hydra.launcher.address=tcp://127.0.0.1:9")
    assert fa_sweep(*arguments, "hydra.sweep.dir=far/mine") == 2
    assert list(Path("outputs/sweeps").iterdir()) == []
    assert not Path("far/mine").exists()
    assert "no scheduler answers" in capfd.readouterr().err
    assert fa_sweep(*arguments) == 2
    err = capfd.readouterr().err.strip().splitlines()
    assert len(err) == 1
    assert "hydra.launcher.address is tcp://127.0.0.1:9; no scheduler answers there" in err[0]


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
    monkeypatch.setattr("fa_sweep.sweep.executors.find_spec", lambda name: None)
    assert fa_sweep("-m", "seed=0,1", "hydra.launcher.executor=dask") == 2
    assert "pip install 'fa-sweep[dask]'" in capfd.readouterr().err


def test_a_scheduler_that_dies_costs_what_it_had_not_handed_back(settings, tmp_path):
    steps = ("train.steps=60001", "train.eval_every=3000")
    port = free_port()
    arguments = command(
        "feedback=random", "seed=range(80)", "n_jobs=4", f"hydra.launcher.address=tcp://127.0.0.1:{port}", *steps
    )
    with scheduler(port) as (process, client):
        sweep = subprocess.Popen(arguments, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        _first_busy(client)
        end(process, signal.SIGKILL)
        out, _ = sweep.communicate(timeout=120)
    assert sweep.returncode == 1, out
    missing = int(re.search(r"(\d+) of 80 runs are missing; the same command trains them", out)[1])
    assert "the Dask scheduler is gone or was restarted" in out
    with scheduler(port):
        again = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert again.returncode == 0, again.stderr
    assert f"80 jobs, {80 - missing} reused, {missing} runs to train" in again.stdout
    last = all_sweeps(tmp_path / "outputs")[-1]
    assert len(last.records(tmp_path / "outputs")) == 80


def test_a_scheduler_that_is_restarted(tmp_path):
    steps = ("train.steps=60001", "train.eval_every=3000")
    with LocalCluster(n_workers=2, **OPTIONS) as cluster, Client(cluster) as client:
        arguments = command("seed=range(80)", f"hydra.launcher.address={cluster.scheduler_address}", *steps)
        sweep = subprocess.Popen(arguments, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        _first_busy(client)
        client.restart(timeout=60)
        out, _ = sweep.communicate(timeout=120)
        assert sweep.returncode == 1, out
        missing = int(re.search(r"(\d+) of 80 runs are missing; the same command trains them", out)[1])
        again = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert again.returncode == 0, again.stderr
    assert f"80 jobs, {80 - missing} reused, {missing} runs to train" in again.stdout


@contextlib.contextmanager
def scheduler(port):
    """A scheduler and a worker of their own, at an address that outlives them."""
    dask = [
        sys.executable,
        "-m",
        "distributed.cli.dask_scheduler",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--no-dashboard",
    ]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", f"tcp://127.0.0.1:{port}", "--host", "127.0.0.1",
              "--nthreads", "1", "--no-dashboard", "--death-timeout", "5"]  # fmt: skip
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
    started = [subprocess.Popen(command, **quiet) for command in (dask, worker)]
    try:
        with Client(f"tcp://127.0.0.1:{port}", timeout=30) as client:
            client.wait_for_workers(1, timeout=60)
            yield started[0], client
    finally:
        for process in started:
            if process.poll() is None:
                end(process, signal.SIGKILL)
