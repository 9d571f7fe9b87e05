"""Divides the jobs of a sweep into shards: groups of jobs that one process trains together and that are kept in one file.

The jobs of a shard have the same structure (see `fa_sweep.settings.structure`), so their runs can be trained in lockstep.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fa_sweep.settings.schema import RunConfig
from fa_sweep.settings.structure import is_alike, structure
from fa_sweep.sweeping.jobs import Job
from fa_sweep.sweeping.needs import history_bytes
from fa_sweep.sweeping.timing import seconds

SHARD_RUNS = 1000  # enough runs to share the fixed cost of each NumPy call, few enough for the cache
SHARD_SECONDS = 60  # of training; about as much is lost if a process is killed
SHARD_BYTES = 2**28  # of histories, of which several copies are in memory while a shard is being written


@dataclass(frozen=True)
class Shard:
    """Jobs of one structure that one process trains as one piece of work and that are kept in one file.

    `number` is the shard's position in the plan, counted from 0. `seconds` is its estimated training time.
    """

    number: int
    jobs: tuple[Job, ...]
    seconds: float


def make_shards(jobs: Sequence[Job], processes: int = 1) -> list[Shard]:
    """Group jobs by structure and cut the groups into shards. See `cut` for their sizes."""
    return cut(by_structure(jobs), processes)


def by_structure(jobs: Sequence[Job]) -> list[list[Job]]:
    """Group jobs by structure: the runs of one group can be trained in one stack."""
    groups: dict[tuple[object, ...], list[Job]] = {}
    last: tuple[RunConfig, list[Job]] | None = None
    for job in jobs:
        if last is None or not is_alike(job.run, last[0]):
            last = job.run, groups.setdefault(structure(job.run), [])
        last[1].append(job)
    return list(groups.values())


def cut(groups: Sequence[Sequence[Job]], processes: int) -> list[Shard]:
    """Cut groups of jobs into shards.

    A shard has up to about SHARD_RUNS runs, SHARD_SECONDS of training and SHARD_BYTES of histories. Smaller shards are made if
    some processes would otherwise get none.

    Args:
        groups: the jobs. All jobs of a group have the same structure.
        processes: how many processes will train at once.
    """
    shards: list[Shard] = []
    for members in groups:
        runs = [job.run for job in members]
        at_once = math.ceil(processes / len(groups))
        kept = len(members) * history_bytes(runs[0])
        rounds = max(1, math.ceil(max(seconds(runs) / SHARD_SECONDS, len(runs) / SHARD_RUNS, kept / SHARD_BYTES) / at_once))
        shares = rounds * at_once  # a multiple of `at_once`: otherwise processes would be idle in the last round
        size = max(1, math.ceil(len(members) / shares))
        for start in range(0, len(members), size):
            part = slice(start, start + size)
            shards.append(Shard(len(shards), tuple(members[part]), seconds(runs[part])))
    return shards
