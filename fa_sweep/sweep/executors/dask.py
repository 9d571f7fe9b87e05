"""Dask: any scheduler by its address, or a cluster of processes on this machine. Results come back to the one who writes.

A worker that dies loses what it was at, and the scheduler gives that to another one, DEATHS times at most. A scheduler that
dies or restarts, or whose workers are all gone, loses what it had not handed back, which the same command makes good.
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
from fa_sweep.sweep.executors.base import Executor, Progress, Result
from fa_sweep.sweep.executors.local import start_tracker
from fa_sweep.sweep.failures import Failed, failure
from fa_sweep.sweep.plan import Shard
from fa_sweep.sweep.work import Trained, try_to_train, work_of

DEATHS = 3
CONNECT_S = 10
POLL_S = 2.0
WORKERLESS_S = 30.0


@contextmanager
def open_dask(address: str | None, processes: int) -> Iterator[Executor]:
    """Yield an executor on the scheduler at `address`, or on `processes` workers here. Raises ConfigError for no answer."""
    import dask
    from distributed import Client, LocalCluster

    # Losing a worker is no reason to give up the shard that it was at.
    with dask.config.set({"distributed.scheduler.allowed-failures": DEATHS, "logging.distributed": "critical"}):
        if address is None:
            start_tracker()
            # Without an address of its own its page would go to port 8787, and two sweeps at once warn about that.
            with children_deaf_to_ctrl_c():  # those that replace dead ones too: a thread that starts here starts them
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
            if threads == 0:  # some clusters start them when there is work
                print(f"fa_sweep: the scheduler at {address} has no workers yet; waiting for one", file=sys.stderr)
            yield _Dask(max(1, threads), client, worked=threads > 0)


@dataclass
class _Dask:
    processes: int
    client: Any
    worked: bool  # whether there ever was a worker

    def run(self, shards: Sequence[Shard], progress: Progress) -> Iterator[Result]:
        from distributed import wait

        # The same runs may be trained again by another sweep: pure would hand out the first one's result by its hash.
        waiting = {self.client.submit(try_to_train, work_of(s.jobs), pure=False): s for s in shards}
        alone_since = math.inf
        while waiting:
            with suppress(TimeoutError, CancelledError):
                wait(list(waiting), timeout=POLL_S, return_when="FIRST_COMPLETED")
            done = [future for future in waiting if future.status != "pending"]
            if done or self._has_workers():  # a scheduler that has just died would be waited for: it is not asked
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
                future.release()  # its histories need not stay in the worker's memory

    def _has_workers(self) -> bool:
        return bool(self.client.scheduler_info(n_workers=-1)["workers"])


def _result(future: Any) -> Trained | Failed | ShardLost:
    from distributed import KilledWorker

    try:
        result: Trained | Failed = future.result()
    except CancelledError:
        return ShardLost("the Dask scheduler is gone or was restarted")
    except KilledWorker:
        return ShardLost(f"{DEATHS + 1} Dask workers died at it")
    except Exception as error:
        return failure(error)
    return result
