"""The local executor: trains on this machine, in several processes or, with one process or one shard, in this one."""

import multiprocessing
import os
import shutil
import signal
import sys
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
from types import ModuleType
from typing import Any

from fa_sweep.errors import ShardLost
from fa_sweep.process import signals
from fa_sweep.sweeping.division import Shard
from fa_sweep.sweeping.executors.base import Executor, Progress, Result
from fa_sweep.sweeping.failures import Failed, failure
from fa_sweep.sweeping.work import Trained, try_to_train, work_of

# A socket's path may have at most 107 bytes, and Python appends /pymp-xxxxxxxx/listener-xxxxxxxx to the temporary folder.
_LONGEST_TEMPORARY = 70
_KILLED = "a training process was killed, and all others ended with it"
_BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")


def start_server() -> None:
    """Start the server from which training processes are forked, unless it is running. It imports the engine in the background.

    Training processes are not forked from this process, because it has threads (BLAS, rich), and forking a process with threads
    can hang. For the same reason the server runs BLAS with one thread.
    """
    multiprocessing.get_context("forkserver").set_forkserver_preload(["fa_sweep.sweeping.work"])
    # The server needs the tracker. If the tracker were started inside the block below, that would unblock the signals that the
    # block has blocked.
    start_tracker()
    with _inherited(), _short_socket_path(), _without_main():
        forkserver.ensure_running()


@contextmanager
def no_server_left() -> Iterator[None]:
    """Stop the server at the end of the block if it was started in it, so that a user's own processes get one of their own."""
    server: Any = forkserver._forkserver
    before, preload = server._forkserver_pid, list(server._preload_modules)
    try:
        yield
    finally:
        if before is None and server._forkserver_pid is not None:
            server._stop()
        server._preload_modules = preload


def start_tracker() -> None:
    """Start Python's resource tracker, unless it is running. It removes the semaphores of killed processes."""
    _tidy_up_at_a_signal()
    with _inherited():
        resource_tracker.ensure_running()


@contextmanager
def _inherited() -> Iterator[None]:
    """Give processes that start in this block one BLAS thread, and mask SIGINT and SIGHUP in them.

    The terminal sends these signals to all of its processes. This process handles them and ends the others.
    """
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
def _without_main() -> Iterator[None]:
    """Keep processes that start in this block from importing the main module of this one.

    They do not need it. If it is a user's script without `if __name__ == "__main__"`, they would run it again.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def _short_socket_path() -> Iterator[None]:
    """Use /tmp for the server's socket if TMPDIR would make its path longer than the system allows."""
    before = tempfile.tempdir
    if len(os.fsencode(tempfile.gettempdir())) > _LONGEST_TEMPORARY:
        tempfile.tempdir = "/tmp"  # noqa: S108 (a folder of our own is made in it)
    try:
        yield
    finally:
        tempfile.tempdir = before


@cache
def _tidy_up_at_a_signal() -> None:
    """Make sure that semaphores and temporary files are also removed if a signal ends the command.

    If the command ends normally, Python removes them itself.
    """

    def tidy_up() -> None:
        tracker: Any = resource_tracker._resource_tracker
        # The tracker cleans up and ends when no process has its pipe open. All other processes that had it have been killed.
        os.close(tracker._fd)
        shutil.rmtree(multiprocessing.current_process()._config.get("tempdir", ""), ignore_errors=True)  # type: ignore[attr-defined]
        for _ in range(50):
            if os.waitpid(tracker._pid, os.WNOHANG)[0]:
                break
            time.sleep(0.01)

    signals.before_the_end(tidy_up)


def _end_with_parent() -> None:
    """End this training process when the conducting process ends for any reason, because nobody would take the results."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def open_local(processes: int) -> Iterator[Executor]:
    """Open a local executor. Its method `run` starts `processes` training processes and ends them."""
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
        with _without_main():
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
            # If a process was killed while it waited for work, the queue stays locked, and the others would wait for ever.
            for worker in set(multiprocessing.active_children()).difference(others):
                worker.terminate()


def _submit(pool: ProcessPoolExecutor, shards: Sequence[Shard]) -> tuple[dict[Future[Trained | Failed], Shard], list[Shard]]:
    """Submit shards to the pool. Return those that it accepted, and those that it refused because its processes were killed."""
    waiting: dict[Future[Trained | Failed], Shard] = {}
    for number, shard in enumerate(shards):
        try:
            waiting[pool.submit(try_to_train, work_of(shard.jobs))] = shard
        except (BrokenProcessPool, OSError, EOFError):  # OSError and EOFError: the server was killed
            return waiting, list(shards[number:])
    return waiting, []
