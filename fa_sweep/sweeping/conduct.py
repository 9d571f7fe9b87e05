"""Trains a list of jobs and keeps the results in a sweep's folder. A shard is reported as finished once it is on the disk."""

from collections.abc import Callable, Sequence
from pathlib import Path

from fa_sweep.errors import ShardLost
from fa_sweep.settings.schema import RunConfig
from fa_sweep.sweeping.division import Shard, by_structure, cut
from fa_sweep.sweeping.executors import Executor, Failed, Progress, Trained, expect_work
from fa_sweep.sweeping.folder import Sweep
from fa_sweep.sweeping.jobs import Job
from fa_sweep.sweeping.processes import choose_processes
from fa_sweep.sweeping.shards import write_shard
from fa_sweep.sweeping.timing import seconds


def plan_shards(jobs: Sequence[Job], n_jobs: str, executor: str = "local") -> tuple[list[Shard], int]:
    """Divide jobs into shards and choose the number of processes.

    Args:
        jobs: the jobs that are to be trained.
        n_jobs: the number of processes, or "auto".
        executor: the name of the executor.
    """
    groups = by_structure(jobs)
    processes = choose_processes(n_jobs, sum(seconds([job.run for job in group]) for group in groups), executor)
    return cut(groups, processes), processes


def expect_training(run: RunConfig, jobs: int, n_jobs: str, executor: str) -> None:
    """Prepare the executor for training once the first job is known, while the other jobs are still being composed.

    Args:
        run: the first job's settings.
        jobs: the number of jobs.
        n_jobs: the number of processes, or "auto".
        executor: the name of the executor.
    """
    expect_work(executor, min(jobs, choose_processes(n_jobs, seconds([run] * jobs), executor)))


def train_shards(
    folder: Path, shards: Sequence[Shard], executor: Executor, progress: Progress, finished: Callable[[Shard], None]
) -> list[tuple[Shard, str]]:
    """Train shards and keep each result in the sweep's folder.

    If the training of a shard fails, the error is recorded for its runs, and the other shards go on.

    Args:
        folder: the sweep's folder.
        shards: what to train.
        executor: an open executor.
        progress: called with a shard's number and the fraction of its training that is done.
        finished: called with each shard as soon as its histories are on the disk.

    Returns:
        The shards that were lost, each with the reason.

    Raises:
        CannotWrite: a shard or the file of failures could not be written.
    """
    lost: list[tuple[Shard, str]] = []
    for shard, result in executor.run(shards, progress):
        run_ids = [job.run_id for job in shard.jobs]
        if isinstance(result, ShardLost):
            lost.append((shard, str(result)))
        elif isinstance(result, Failed):
            Sweep(folder).add_failures(dict.fromkeys(run_ids, result))
        else:
            if isinstance(result, Trained):
                write_shard(folder, run_ids, result.histories, result.environment)
            finished(shard)
    return lost
