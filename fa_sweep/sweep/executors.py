"""Where stacks are trained: in this process or in several. Results come back as they finish."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from functools import partial

from fa_sweep.schema import RunConfig
from fa_sweep.sweep.plan import Shard
from fa_sweep.training import Histories, train

# Told the number of the shard and the fraction of it that is done.
Progress = Callable[[int, float], None]
Result = tuple[Shard, Histories | Exception]


def run_shards(shards: Sequence[Shard], processes: int, progress: Progress) -> Iterator[Result]:
    """Train shards; yield each with its histories, or with the error that ended it, as it finishes."""
    if processes == 1 or len(shards) == 1:
        yield from _in_process(shards, progress)
    else:
        yield from _in_processes(shards, processes, progress)


def _in_process(shards: Sequence[Shard], progress: Progress) -> Iterator[Result]:
    for shard in shards:
        try:
            result: Histories | Exception = train([job.run for job in shard.jobs], partial(progress, shard.number))
        except Exception as error:
            result = error
        yield shard, result


def _in_processes(shards: Sequence[Shard], processes: int, progress: Progress) -> Iterator[Result]:
    # forkserver: a fork of a process with threads (BLAS, rich) can hang
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(min(processes, len(shards)), mp_context=context) as pool:
        waiting: dict[Future[Histories], Shard] = {pool.submit(_train, [j.run for j in s.jobs]): s for s in shards}
        try:
            while waiting:
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    shard = waiting.pop(future)
                    error = future.exception()
                    if isinstance(error, Exception):
                        yield shard, error
                    else:
                        progress(shard.number, 1.0)
                        yield shard, future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _train(runs: list[RunConfig]) -> Histories:
    return train(runs)
