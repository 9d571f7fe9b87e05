"""Chooses how many processes train a sweep."""

import os

# Each process should have at least this much work. With less, starting it, or its wait in SLURM's queue, costs more than it
# saves.
SECONDS_PER_PROCESS = {"local": 0.4, "dask": 5.0, "slurm": 600.0}


def choose_processes(n_jobs: str, estimated_s: float, executor: str = "local") -> int:
    """Return how many processes are to train.

    Args:
        n_jobs: a number, or "auto" for one process per SECONDS_PER_PROCESS of work. Unless the executor is "slurm", "auto"
            starts at most one process per core.
        estimated_s: the estimated training time in seconds, if one process trained everything.
        executor: the name of the executor.
    """
    if n_jobs != "auto":
        return int(n_jobs)
    paying = max(1, int(estimated_s / SECONDS_PER_PROCESS[executor]))
    return paying if executor == "slurm" else min(paying, _cores())


def _cores() -> int:
    """Return how many cores this process may use; all cores of the machine if the system does not say (macOS)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
