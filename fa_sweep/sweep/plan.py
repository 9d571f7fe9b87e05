"""Which runs have to be trained, in which stacks, and about how long it will take."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from fa_sweep.feedback import MODES
from fa_sweep.schema import RunConfig
from fa_sweep.stack import layout_for, structure, widths_of
from fa_sweep.sweep.jobs import Job
from fa_sweep.tasks import make_task

SHARD_RUNS = 1000  # wide enough to spread the cost of a call over the runs, few enough to stay in the cache
SHARD_SECONDS = 60  # about what a killed process may lose
# Work that a further process has to find before it pays to start it, and on SLURM to let it wait in the queue.
SECONDS_PER_PROCESS = {"local": 0.4, "dask": 5.0, "slurm": 600.0}

# Measured on one 2020s server core, float64; good to a factor of two or so, which is all that an estimate is for.
_SECONDS_PER_STEP_AND_LAYER = 1.2e-5
_SECONDS_PER_DRAW = 2e-9
_COMPILED_IS_FASTER = 2.0


@dataclass(frozen=True)
class Shard:
    """Jobs of one structure that are trained as one stack and kept in one file; `seconds` is an estimate."""

    number: int
    jobs: tuple[Job, ...]
    seconds: float


def make_shards(jobs: Sequence[Job], processes: int = 1) -> list[Shard]:
    """Group jobs by structure and cut the groups into shards: at least one for each process where that can be."""
    groups: dict[tuple[object, ...], list[Job]] = {}
    for job in jobs:
        groups.setdefault(structure(job.run), []).append(job)
    shards: list[Shard] = []
    for members in groups.values():
        whole = seconds([job.run for job in members])
        at_once = math.ceil(processes / len(groups))
        rounds = max(1, math.ceil(max(whole / SHARD_SECONDS, len(members) / SHARD_RUNS) / at_once))
        shares = rounds * at_once  # whole rounds: the last one leaves no process idle
        size = max(1, math.ceil(len(members) / shares))
        for start in range(0, len(members), size):
            part = tuple(members[start : start + size])
            shards.append(Shard(len(shards), part, seconds([job.run for job in part])))
    return shards


def seconds(runs: Sequence[RunConfig]) -> float:
    """Return the estimated training time of runs of one structure in one stack."""
    run = runs[0]
    weights = sum(i * o for i, o in pairwise(widths_of(run)))
    layers = len(run.model.hidden) + 1
    evaluated = len(run.train.evaluation_steps()) * len(make_task(run.task).evaluation.inputs)
    of_modes = sum(MODES[r.feedback.mode].examples_per_step(r.feedback) for r in runs)
    # An evaluation carries the error down three times, a training step once; but it has many examples at a time.
    examples = run.train.steps * (run.train.batch_size * len(runs) + of_modes) + 2 * evaluated * len(runs)
    products = layout_for(run).seconds_per_product * weights * examples
    draws = weights * sum(MODES[r.feedback.mode].draws_per_step(r.feedback) for r in runs)
    drawing = _SECONDS_PER_DRAW * run.train.steps * draws
    if run.engine == "numba":
        return products / _COMPILED_IS_FASTER + drawing
    return _SECONDS_PER_STEP_AND_LAYER * layers * run.train.steps + drawing + products


def choose_processes(n_jobs: str, estimated_s: float, executor: str = "local") -> int:
    """Return how many processes train: as told, or under "auto" as many as pay, on one machine one for each core at most."""
    if n_jobs != "auto":
        return int(n_jobs)
    paying = max(1, int(estimated_s / SECONDS_PER_PROCESS[executor]))
    return paying if executor == "slurm" else min(paying, _cores())


def _cores() -> int:
    """Return how many cores this process may use, as far as the system tells: macOS does not."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
