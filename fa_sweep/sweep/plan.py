"""Which runs have to be trained, in which stacks, and about how long it will take."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass

from fa_sweep.settings.schema import RunConfig
from fa_sweep.settings.structure import is_alike, structure
from fa_sweep.sweep.jobs import Job
from fa_sweep.sweep.needs import history_bytes
from fa_sweep.sweep.timing import seconds

SHARD_RUNS = 1000  # wide enough to spread the cost of a call over the runs, few enough to stay in the cache
SHARD_SECONDS = 60  # about what a killed process may lose
SHARD_BYTES = 2**28  # of histories, which are in memory several times while a shard is finished
# Work that a further process has to find before it pays to start it, and on SLURM to let it wait in the queue.
SECONDS_PER_PROCESS = {"local": 0.4, "dask": 5.0, "slurm": 600.0}


@dataclass(frozen=True)
class Shard:
    """Jobs of one structure that are trained as one stack and kept in one file; `seconds` is an estimate."""

    number: int
    jobs: tuple[Job, ...]
    seconds: float


def make_shards(jobs: Sequence[Job], processes: int = 1) -> list[Shard]:
    """Group jobs by structure and cut the groups into shards: at least one for each process where that can be."""
    return cut(by_structure(jobs), processes)


def by_structure(jobs: Sequence[Job]) -> list[list[Job]]:
    """Return jobs in groups, each of one structure, which may be trained in one stack."""
    groups: dict[tuple[object, ...], list[Job]] = {}
    last: tuple[RunConfig, list[Job]] | None = None
    for job in jobs:
        if last is None or not is_alike(job.run, last[0]):
            last = job.run, groups.setdefault(structure(job.run), [])
        last[1].append(job)
    return list(groups.values())


def cut(groups: Sequence[Sequence[Job]], processes: int) -> list[Shard]:
    """Cut groups of jobs of one structure into shards: at least one for each process where that can be."""
    shards: list[Shard] = []
    for members in groups:
        runs = [job.run for job in members]
        at_once = math.ceil(processes / len(groups))
        kept = len(members) * history_bytes(runs[0])
        rounds = max(1, math.ceil(max(seconds(runs) / SHARD_SECONDS, len(runs) / SHARD_RUNS, kept / SHARD_BYTES) / at_once))
        shares = rounds * at_once  # whole rounds: the last one leaves no process idle
        size = max(1, math.ceil(len(members) / shares))
        for start in range(0, len(members), size):
            part = slice(start, start + size)
            shards.append(Shard(len(shards), tuple(members[part]), seconds(runs[part])))
    return shards


def choose_processes(n_jobs: str, estimated_s: float, executor: str = "local") -> int:
    """Return how many processes train: as told, or under "auto" as many as pay, on one machine one for each core at most."""
    if n_jobs != "auto":
        return int(n_jobs)
    paying = max(1, int(estimated_s / SECONDS_PER_PROCESS[executor]))
    return paying if executor == "slurm" else min(paying, _cores())


def _cores() -> int:
    """Return how many cores this process may use, as far as the system tells: macOS does not."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
