"""Dask: any scheduler by its address, or a cluster of processes on this machine. Results come back to the one who writes.

A worker that dies loses what it was at, and the scheduler gives that to another one, RETRIES times; a scheduler that dies or
restarts loses what it had not handed back, which the same command makes good.
"""

import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from fa_sweep.checks import ConfigError
from fa_sweep.sweep.executors.base import Executor, Progress, Result, ShardLost
from fa_sweep.sweep.plan import Shard
from fa_sweep.sweep.work import train_runs

RETRIES = 3
CONNECT_S = 10


@contextmanager
def open_dask(address: str | None, processes: int) -> Iterator[Executor]:
    """Yield an executor on the scheduler at `address`, or on `processes` workers here. Raises ConfigError for no answer."""
    import dask
    from distributed import Client, LocalCluster

    # Losing a worker is no reason to give up the shard that it was at.
    with dask.config.set({"distributed.scheduler.allowed-failures": RETRIES, "logging.distributed": "critical"}):
        if address is None:
            cluster = LocalCluster(
                n_workers=processes, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, silence_logs="CRITICAL"
            )
            with cluster, Client(cluster) as client:
                yield _Dask(processes, client)
            return
        try:
            client = Client(address, timeout=CONNECT_S)
        except (OSError, TimeoutError, ValueError) as error:
            raise ConfigError(f"hydra.launcher.address is {address}; no scheduler answers there: {error}") from error
        with client:
            threads = sum(worker["nthreads"] for worker in client.scheduler_info(n_workers=-1)["workers"].values())
            if threads == 0:  # some clusters start them when there is work
                print(f"fa_sweep: the scheduler at {address} has no workers yet; waiting for one", file=sys.stderr)
            yield _Dask(max(1, threads), client)


@dataclass
class _Dask:
    processes: int
    client: Any

    def run(self, shards: Sequence[Shard], progress: Progress) -> Iterator[Result]:
        from distributed import KilledWorker, as_completed

        # The same runs may be trained again by another sweep: pure would hand out the first one's result by its hash.
        waiting = {self.client.submit(train_runs, [j.run for j in s.jobs], pure=False, retries=RETRIES): s for s in shards}
        for future in as_completed(waiting):
            shard = waiting[future]
            try:
                result = future.result()
            except CancelledError:
                yield shard, ShardLost("the Dask scheduler is gone or was restarted")
            except KilledWorker:
                yield shard, ShardLost(f"{RETRIES + 1} Dask workers died at it")
            except Exception as error:
                yield shard, error
            else:
                progress(shard.number, 1.0)
                yield shard, result
            future.release()  # its histories need not stay in the worker's memory
