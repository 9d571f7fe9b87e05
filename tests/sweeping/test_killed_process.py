"""If a local training process is killed, its sweep reports the missing runs, and the same command trains them."""

import contextlib
import multiprocessing
import os
import signal
import subprocess
from concurrent.futures import ProcessPoolExecutor

import pytest
from support.commands import short
from support.processes import descendants, finished, is_gone, line, started, state
from support.waiting import PATIENCE, until

from fa_sweep.sweeping.division import make_shards
from fa_sweep.sweeping.executors import expect_work
from fa_sweep.sweeping.executors.local import open_local
from fa_sweep.sweeping.jobs import make_jobs

ENDLESS = ("train.steps=1000000001", "train.eval_every=500000000", "train.hold=1", "confirm=true")  # no machine finishes this


def test_a_killed_process_is_said_and_made_good(with_database, gate):
    arguments = line(*short("n_jobs=2", "feedback=gated", "seed=range(40)"))
    with started(arguments, with_database, gate.environment) as sweep:
        quick, killed = gate.wait_for(2, sweep)
        gate.admit(quick)
        until(lambda: list(with_database.glob("outputs/sweeps/*/shards/*.parquet")), "the first shard")
        os.kill(killed, signal.SIGKILL)
        out, _ = sweep.communicate(timeout=PATIENCE)
    assert sweep.returncode == 1, out
    assert "is missing (20 runs, gated-s" in out
    assert "20 of 40 runs are missing; the same command trains them" in out
    gate.open()
    again = finished(arguments, with_database, gate.environment)
    assert again.returncode == 0, again.stderr
    assert "40 jobs, 20 reused, 20 runs to train" in again.stdout


@pytest.mark.slow
def test_a_killed_server_of_training_processes_is_said(tmp_path, gate):
    with endless_sweep(tmp_path, gate) as sweep:
        training = gate.wait_for(2, sweep)
        (server,) = [child for child in descendants(sweep.pid) if set(training) & set(descendants(child))]
        os.kill(server, signal.SIGKILL)
        for process in training:  # their parent is dead, so the sweep cannot end them
            os.kill(process, signal.SIGKILL)
        _, err = sweep.communicate(timeout=PATIENCE)
    assert sweep.returncode == 1
    *shards, end = err.splitlines()
    assert shards
    assert all("a training process was killed, and all others ended with it" in line for line in shards)
    assert "400 of 400 runs are missing; the same command trains them" in end


@contextlib.contextmanager
def endless_sweep(folder, gate):
    """Run a sweep that never ends by itself, in two training processes, and yield its main process."""
    arguments = line("-m", "report=false", "n_jobs=2", "feedback=gated", "seed=range(400)", *ENDLESS)
    with started(arguments, folder, gate.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as sweep:
        yield sweep


@pytest.mark.slow
@pytest.mark.parametrize("at_work", [False, True], ids=["waiting", "computing"])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=lambda how: how.name)
def test_the_conducting_process_takes_its_training_processes_along(tmp_path, gate, how, at_work):
    if at_work:
        gate.open()
    with endless_sweep(tmp_path, gate) as sweep:
        training = gate.wait_for(2, sweep)
        children = descendants(sweep.pid)
        assert set(training) < set(children)  # the server process is a child too
        os.kill(sweep.pid, how)
        sweep.wait(PATIENCE)
        until(lambda: all(is_gone(child) for child in children), "the end of the training processes")


MOMENTS = {
    "it has a child": lambda sweep, gate: descendants(sweep.pid),
    "it has two": lambda sweep, gate: len(descendants(sweep.pid)) > 1,
    "it has three": lambda sweep, gate: len(descendants(sweep.pid)) > 2,
    "one trains": lambda sweep, gate: gate.arrived(),
    "both train": lambda sweep, gate: len(gate.arrived()) > 1,
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_interrupt_is_one_line_from_the_start_of_its_processes_on(tmp_path, gate, moment):
    gate.open()
    with endless_sweep(tmp_path, gate) as sweep:
        until(lambda: MOMENTS[moment](sweep, gate), moment)
        os.killpg(sweep.pid, signal.SIGINT)  # to all processes, as a terminal does
        _, err = sweep.communicate(timeout=PATIENCE)
    assert sweep.returncode == 130, err
    assert err.splitlines() == ["fa_sweep: interrupted; finished shards are kept, the same command goes on from there"]


def test_training_processes_start_with_the_engine_one_blas_thread_and_no_ear_for_ctrl_c():
    before = dict(os.environ)
    expect_work("local", 2)
    assert dict(os.environ) == before
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("forkserver")) as pool:
        assert pool.submit(eval, "'fa_sweep.engine.training' in __import__('sys').modules").result()
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
        until(lambda: {state(worker.pid) for worker in workers} == {"S"}, "both to wait for work")
        os.kill(workers[which].pid, signal.SIGKILL)
        assert list(results) == []
    for worker in workers:
        worker.join(PATIENCE)
        assert not worker.is_alive()
