"""This machine: in this process, or in several where there are more shards than one."""

import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing import forkserver, resource_tracker
from typing import Any

from fa_sweep.errors import ShardLost
from fa_sweep.process import signals
from fa_sweep.sweep.executors.base import Executor, Progress, Result
from fa_sweep.sweep.failures import Failed, failure
from fa_sweep.sweep.plan import Shard
from fa_sweep.sweep.work import Trained, try_to_train, work_of

_LONGEST_TEMPORARY = 70  # of the 107 bytes that a socket's path may have; /pymp-xxxxxxxx/listener-xxxxxxxx is the rest
_KILLED = "a training process was killed, and the pool with it"
_BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")


def start_server() -> None:
    """Start the process that training processes are forked from, unless it runs: it imports the engine while others work.

    A server, because a fork of this process, which has threads (BLAS, rich), can hang; for that reason its BLAS has one thread.
    """
    multiprocessing.get_context("forkserver").set_forkserver_preload(["__main__", "fa_sweep.sweep.work"])
    start_tracker()  # the server needs it, and its start would unblock what is blocked for the server's
    with _inherited(), _short_socket_path():
        forkserver.ensure_running()


def start_tracker() -> None:
    """Start the process that removes the semaphores of those that are killed, unless it runs."""
    _tidy_up_at_a_signal()
    with _inherited():
        resource_tracker.ensure_running()


@contextmanager
def _inherited() -> Iterator[None]:
    """Have processes that are started now take one thread for BLAS; a terminal's signals are for this one, which ends them."""
    before = {name: os.environ.get(name) for name in _BLAS_THREADS}
    os.environ.update(dict.fromkeys(_BLAS_THREADS, "1"))
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _short_socket_path() -> Iterator[None]:
    """Have the server's socket lie where its path is no longer than the system allows, whatever TMPDIR is."""
    before = tempfile.tempdir
    if len(os.fsencode(tempfile.gettempdir())) > _LONGEST_TEMPORARY:
        tempfile.tempdir = "/tmp"  # noqa: S108 (a folder of our own is made in it)
    try:
        yield
    finally:
        tempfile.tempdir = before


@cache
def _tidy_up_at_a_signal() -> None:
    """Have a signal that ends the command remove what processes on this machine share, as Python does at an ordinary end."""

    def tidy_up() -> None:
        tracker: Any = resource_tracker._resource_tracker
        os.close(tracker._fd)  # all others that had it open have been killed: the tracker removes the semaphores and ends
        shutil.rmtree(multiprocessing.current_process()._config.get("tempdir", ""), ignore_errors=True)  # type: ignore[attr-defined]
        for _ in range(50):
            if os.waitpid(tracker._pid, os.WNOHANG)[0]:
                break
            time.sleep(0.01)

    signals.before_the_end(tidy_up)


def _end_with_parent() -> None:
    """Have a training process end when the conducting one does, however that ends: nobody would take its results."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def open_local(processes: int) -> Iterator[Executor]:
    """Yield an executor of that many processes; they live as long as there is work."""
    yield _Local(processes)


@dataclass
class _Local:
    processes: int

    def run(self, shards: Sequence[Shard], progress: Progress) -> Iterator[Result]:
        if self.processes == 1 or len(shards) == 1:
            yield from _in_process(shards, progress)
        else:
            yield from _in_processes(shards, self.processes, progress)


def _in_process(shards: Sequence[Shard], progress: Progress) -> Iterator[Result]:
    for shard in shards:
        yield shard, try_to_train(work_of(shard.jobs), partial(progress, shard.number))


def _in_processes(shards: Sequence[Shard], processes: int, progress: Progress) -> Iterator[Result]:
    start_server()
    context = multiprocessing.get_context("forkserver")
    others = multiprocessing.active_children()
    with ProcessPoolExecutor(min(processes, len(shards)), mp_context=context, initializer=_end_with_parent) as pool:
        waiting, lost = _submit(pool, shards)
        try:
            yield from ((shard, ShardLost(_KILLED)) for shard in lost)
            while waiting:
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    shard = waiting.pop(future)
                    error = future.exception()
                    if isinstance(error, BrokenProcessPool):
                        yield shard, ShardLost(_KILLED)
                    elif isinstance(error, Exception):
                        yield shard, failure(error)
                    else:
                        progress(shard.number, 1.0)
                        yield shard, future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            # One that was killed while it waited for work has left the queue locked: those behind it would wait for ever.
            for worker in set(multiprocessing.active_children()).difference(others):
                worker.terminate()


def _submit(pool: ProcessPoolExecutor, shards: Sequence[Shard]) -> tuple[dict[Future[Trained | Failed], Shard], list[Shard]]:
    """Submit shards; returns those that wait for a process, and those for which there is none, because some were killed."""
    waiting: dict[Future[Trained | Failed], Shard] = {}
    for number, shard in enumerate(shards):
        try:
            waiting[pool.submit(try_to_train, work_of(shard.jobs))] = shard
        except (BrokenProcessPool, OSError, EOFError):  # the latter where it was their server
            return waiting, list(shards[number:])
    return waiting, []
