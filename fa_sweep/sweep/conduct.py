"""Train a list of jobs into a folder's ledger: each shard is on the disk before anything else is told."""

from collections.abc import Callable, Sequence
from pathlib import Path

from fa_sweep.errors import ShardLost
from fa_sweep.settings.schema import RunConfig
from fa_sweep.sweep.executors import Executor, Failed, Progress, Trained, expect_work
from fa_sweep.sweep.folder import Sweep
from fa_sweep.sweep.jobs import Job
from fa_sweep.sweep.plan import Shard, by_structure, choose_processes, cut
from fa_sweep.sweep.shards import write_shard
from fa_sweep.sweep.timing import seconds


def plan_shards(jobs: Sequence[Job], n_jobs: str, executor: str = "local") -> tuple[list[Shard], int]:
    """Return the shards of jobs and the number of processes to train them in."""
    groups = by_structure(jobs)
    processes = choose_processes(n_jobs, sum(seconds([job.run for job in group]) for group in groups), executor)
    return cut(groups, processes), processes


def expect_training(run: RunConfig, jobs: int, n_jobs: str, executor: str) -> None:
    """Start what training will need, as soon as the first of so many jobs is known: the others are composed meanwhile."""
    expect_work(executor, min(jobs, choose_processes(n_jobs, seconds([run] * jobs), executor)))


def train_shards(
    folder: Path, shards: Sequence[Shard], executor: Executor, progress: Progress, finished: Callable[[Shard], None]
) -> list[tuple[Shard, str]]:
    """Train shards into `folder`'s ledger, telling `progress` and `finished` how far each is.

    A shard that ends in an error costs its own runs alone: they are noted as the sweep's failures. Returns the shards that
    were lost on the way, with what is known of why.
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
