"""A training process of this machine that is killed: its sweep says what is missing, and the same command makes it good."""

import contextlib
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from conftest import short
from test_signals import nobody_left

from fa_sweep.sweep.executors import expect_work
from fa_sweep.sweep.executors.local import open_local
from fa_sweep.sweep.jobs import make_jobs
from fa_sweep.sweep.plan import make_shards


def test_a_killed_process_is_said_and_made_good(tmp_path):
    steps = ("train.steps=400001", "train.eval_every=100000")
    arguments = [sys.executable, "-m", "fa_sweep", "-m", "report=false", "n_jobs=2", "seed=range(40)", *steps]
    sweep = subprocess.Popen(arguments, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    os.kill(busy_descendant(sweep.pid), signal.SIGKILL)
    out, _ = sweep.communicate(timeout=500)
    assert sweep.returncode == 1, out
    assert "is missing (20 runs, random-s" in out
    missing = int(re.search(r"(\d+) of 40 runs are missing; the same command trains them", out)[1])
    again = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, timeout=500)
    assert again.returncode == 0, again.stderr
    assert f"40 jobs, {40 - missing} reused, {missing} runs to train" in again.stdout


def test_a_killed_server_of_training_processes_is_said(tmp_path):
    with endless_sweep(tmp_path) as sweep:
        while not (servers := [child for child in children(sweep.pid) if children(child)]):
            assert sweep.poll() is None
            time.sleep(0.01)
        os.kill(servers[0], signal.SIGKILL)
        _, err = sweep.communicate(timeout=60)
        assert nobody_left(sweep.pid)
    assert sweep.returncode == 1
    *shards, end = err.splitlines()
    assert shards
    assert all("a training process was killed, and the pool with it" in line for line in shards)
    assert "400 of 400 runs are missing; the same command trains them" in end


def busy_descendant(pid):
    """Wait for a training process that has computed for a second; their server is a child, they are grandchildren."""
    for _ in range(2400):
        for other in [training for child in children(pid) for training in children(child)]:
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{other}/stat").read_text().rpartition(")")[2].split()
                if int(fields[11]) / os.sysconf("SC_CLK_TCK") > 1:
                    return other
        time.sleep(0.05)
    raise AssertionError("nothing was ever trained")


def children(pid):
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def descendants(pid):
    return [other for child in children(pid) for other in (child, *descendants(child))]


@contextlib.contextmanager
def endless_sweep(folder, **variables):
    """A sweep in two processes that no machine is quick enough for, in a session of its own; nothing of it is left."""
    steps = ("train.steps=1000000001", "train.eval_every=500000000", "train.hold=1")
    arguments = [sys.executable, "-m", "fa_sweep", "-m", "report=false", "n_jobs=2", "seed=range(400)", *steps]
    sweep = subprocess.Popen(
        arguments,
        cwd=folder,
        env={**os.environ, **variables},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield sweep
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(sweep.pid, signal.SIGKILL)
        sweep.wait(20)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_conducting_process_takes_its_training_processes_along(tmp_path, how):
    with endless_sweep(tmp_path) as sweep:
        busy_descendant(sweep.pid)
        started = descendants(sweep.pid)
        assert len(started) >= 3  # the server and two that train
        os.kill(sweep.pid, how)
        sweep.wait(20)
        for _ in range(200):
            if not any(Path(f"/proc/{child}/cmdline").exists() for child in started):
                return
            time.sleep(0.1)
    raise AssertionError("some are left")


@pytest.mark.parametrize(
    ("processes", "number"), [(1, signal.SIGINT), (2, signal.SIGTERM), (3, signal.SIGINT), (4, signal.SIGHUP)]
)
def test_a_signal_is_one_line_from_the_start_of_its_processes_on(tmp_path, processes, number):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with endless_sweep(tmp_path, TMPDIR=str(temporary)) as sweep:
        while len(descendants(sweep.pid)) < processes:
            assert sweep.poll() is None
            time.sleep(0.01)
        os.killpg(sweep.pid, number)  # as a terminal does: all processes get it
        _, err = sweep.communicate(timeout=60)
        assert nobody_left(sweep.pid)
    assert sweep.returncode == 128 + number, err
    assert err.splitlines() == ["fa_sweep: interrupted; finished shards are kept, the same command goes on from there"]
    assert list(temporary.iterdir()) == []


def test_training_processes_start_with_the_engine_one_blas_thread_and_no_ear_for_ctrl_c():
    before = dict(os.environ)
    expect_work("local", 2)
    assert dict(os.environ) == before
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("forkserver")) as pool:
        assert pool.submit(eval, "'fa_sweep.training' in __import__('sys').modules").result()
        assert pool.submit(os.getenv, "OPENBLAS_NUM_THREADS").result() == "1"
        assert signal.SIGINT in pool.submit(signal.pthread_sigmask, signal.SIG_BLOCK, ()).result()
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


@pytest.mark.parametrize("which", [0, 1])
def test_one_that_is_killed_when_it_has_no_more_work_holds_nobody_up(settings, which):
    jobs = make_jobs([(settings(f"seed={seed}", *short()[1:]), {}, ()) for seed in range(4)])
    others = set(multiprocessing.active_children())
    with open_local(2) as executor:
        results = executor.run(make_shards(jobs, 2), lambda shard, fraction: None)
        assert not any(isinstance(result, Exception) for _, result in (next(results), next(results)))
        workers = sorted(set(multiprocessing.active_children()) - others, key=lambda worker: worker.pid)
        assert len(workers) == 2
        time.sleep(0.3)  # for both to wait for work
        os.kill(workers[which].pid, signal.SIGKILL)
        assert list(results) == []
    for worker in workers:
        worker.join(20)
        assert not worker.is_alive()
