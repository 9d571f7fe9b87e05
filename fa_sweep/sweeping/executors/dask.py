"""The Dask executor: trains on the cluster of a given Dask scheduler, or on a cluster of processes on this machine.

Workers send their results to the conducting process, which writes them. If a worker dies, the scheduler gives its shard to
another worker (up to DEATHS times on a cluster on this machine). If the scheduler dies or restarts, or if all its workers
disappear, the shards without a result are lost. The same command, run again, trains them.
"""

import math
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from fa_sweep.errors import ConfigError, ShardLost
from fa_sweep.process.signals import children_deaf_to_ctrl_c
from fa_sweep.sweeping.division import Shard
from fa_sweep.sweeping.executors.base import Executor, Progress, Result
from fa_sweep.sweeping.executors.local import start_tracker
from fa_sweep.sweeping.failures import Failed, failure
from fa_sweep.sweeping.work import Trained, try_to_train, work_of

DEATHS = 3  # how many workers may die while training one shard; if another dies, the shard is lost
CONNECT_S = 10
POLL_S = 2.0
WORKERLESS_S = 30.0  # how long to wait for a worker once all have disappeared


@contextmanager
def open_dask(address: str | None, processes: int) -> Iterator[Executor]:
    """Open a Dask executor.

    Args:
        address: the scheduler's address, or None for a cluster on this machine.
        processes: the number of workers of a cluster on this machine. Not used with an address.

    Raises:
        ConfigError: no scheduler answers at the address.
    """
    import dask
    from distributed import Client, LocalCluster

    # Do not give up a shard just because one worker died while training it.
    with dask.config.set({"distributed.scheduler.allowed-failures": DEATHS, "logging.distributed": "critical"}):
        if address is None:
            start_tracker()
            # Workers that later replace dead ones are deaf to Ctrl-C too, because a thread that is created in this block starts
            # them. By default the dashboard takes port 8787, and a second sweep on this machine would print a warning about it.
            with children_deaf_to_ctrl_c():
                cluster = LocalCluster(
                    n_workers=processes,
                    threads_per_worker=1,
                    host="127.0.0.1",
                    dashboard_address="127.0.0.1:0",
                    scheduler_kwargs={"dashboard": False},
                    silence_logs="CRITICAL",
                )
            with cluster, Client(cluster) as client:
                yield _Dask(processes, client, worked=True)
            return
        try:
            client = Client(address, timeout=CONNECT_S)
        except (OSError, TimeoutError, ValueError) as error:
            raise ConfigError(f"hydra.launcher.address is {address}; no scheduler answers there: {error}") from error
        with client:
            threads = sum(worker["nthreads"] for worker in client.scheduler_info(n_workers=-1)["workers"].values())
            if threads == 0:  # some clusters start workers only once there is work
                print(f"fa_sweep: the scheduler at {address} has no workers yet; waiting for one", file=sys.stderr)
            yield _Dask(max(1, threads), client, worked=threads > 0)


@dataclass
class _Dask:
    processes: int
    client: Any
    worked: bool  # whether the scheduler has ever had a worker

    def run(self, shards: Sequence[Shard], progress: Progress) -> Iterator[Result]:
        from distributed import wait

        # Another sweep may have trained the same runs. With pure=True, Dask would return its result instead of training them.
        waiting = {self.client.submit(try_to_train, work_of(s.jobs), pure=False): s for s in shards}
        alone_since = math.inf
        while waiting:
            with suppress(TimeoutError, CancelledError):
                wait(list(waiting), timeout=POLL_S, return_when="FIRST_COMPLETED")
            done = [future for future in waiting if future.status != "pending"]
            # Ask for the workers only if there is no result: if the scheduler has just died, the question would block.
            if done or self._has_workers():
                self.worked, alone_since = True, math.inf
            else:
                alone_since = min(alone_since, time.monotonic())
                if self.worked and time.monotonic() - alone_since > WORKERLESS_S:
                    yield from ((shard, ShardLost("the Dask scheduler has no workers left")) for shard in waiting.values())
                    self.client.cancel(list(waiting))
                    return
            for future in done:
                shard = waiting.pop(future)
                result = _result(future)
                progress(shard.number, 1.0 if isinstance(result, Trained) else 0.0)
                yield shard, result
                future.release()  # so that the histories do not stay in the worker's memory

    def _has_workers(self) -> bool:
        return bool(self.client.scheduler_info(n_workers=-1)["workers"])


def _result(future: Any) -> Trained | Failed | ShardLost:
    from distributed import KilledWorker

    try:
        result: Trained | Failed = future.result()
    except CancelledError:
        return ShardLost("the Dask scheduler is gone or was restarted")
    except KilledWorker:
        return ShardLost(f"{DEATHS + 1} Dask workers died while they trained it")
    except Exception as error:
        return failure(error)
    return result
