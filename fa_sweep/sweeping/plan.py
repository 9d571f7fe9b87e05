"""Plans a whole sweep: its shards, processes, memory, disk space and time. Refuses a sweep that needs too much."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fa_sweep.checks import shown
from fa_sweep.errors import ConfigError
from fa_sweep.process.resources import SMALL, available_memory, free_disk, in_bytes, in_time
from fa_sweep.settings.schema import RunConfig
from fa_sweep.sweeping.conduct import plan_shards
from fa_sweep.sweeping.division import Shard
from fa_sweep.sweeping.folder import OUTPUTS
from fa_sweep.sweeping.jobs import Job
from fa_sweep.sweeping.needs import PROCESS_BYTES, Needs, needs_of

LONGEST_DAYS = 30  # longer training needs `confirm=true`
DISK_PER_JOB = 500  # bytes per job in the job table
SPARE_DISK = 2**22  # bytes; a plan that takes no more than this is not checked against the free space


@dataclass(frozen=True)
class Plan:
    """How a sweep will be trained, and what that needs.

    Attributes:
        shards: the jobs that are to be trained, divided into shards.
        processes: how many processes train at once.
        seconds: the estimated time from the start of the first shard to the end of the last one.
        memory: bytes of memory that are needed on this machine.
        disk: bytes of disk space that are needed.
        histories: bytes of histories. A report holds all of them in memory.
        needs: the needs of the shard that takes the most memory; None if nothing is to be trained.
    """

    shards: list[Shard]
    processes: int
    seconds: float
    memory: int
    disk: int
    histories: int
    needs: Needs | None


def plan_sweep(missing: Sequence[Job], jobs: int, n_jobs: str, executor: str) -> Plan:
    """Plan the training of a sweep, without starting anything.

    Args:
        missing: the jobs that are to be trained.
        jobs: the number of all jobs of the sweep, including those that are not trained.
        n_jobs: the number of processes, or "auto".
        executor: the name of the executor.
    """
    shards, processes = plan_shards(missing, n_jobs, executor)
    if not shards:
        return Plan([], processes, 0.0, 0, DISK_PER_JOB * jobs, 0, None)
    needs = [needs_of([job.run for job in shard.jobs]) for shard in shards]
    histories, largest = sum(need.kept for need in needs), max(needs, key=lambda need: need.total)
    memory = max(need.kept for need in needs)
    if executor == "local":  # the memory of other machines is not known here
        at_once = heapq.nlargest(processes, (need.total for need in needs))
        memory = max(memory, sum(at_once)) + (PROCESS_BYTES * len(at_once) if len(at_once) > 1 else 0)
    return Plan(shards, processes, _makespan(shards, processes), memory, histories + DISK_PER_JOB * jobs, histories, largest)


def _makespan(shards: Sequence[Shard], processes: int) -> float:
    """Return the seconds until all shards are trained, if each process takes the next shard as soon as it is free."""
    ends = [0.0] * max(1, min(processes, len(shards)))
    for shard in shards:
        heapq.heappush(ends, heapq.heappop(ends) + shard.seconds)
    return max(ends)


def require_room(plan: Plan, *, confirmed: bool) -> None:
    """Refuse a plan that needs more memory or disk space than is free, or too much time.

    Args:
        plan: the plan.
        confirmed: whether the user has confirmed that training may take more than LONGEST_DAYS.

    Raises:
        ConfigError: the plan needs too much. The message names the setting that is responsible, the amount and a remedy.
    """
    if plan.needs is None:
        return
    run, histories, largest = plan.shards[0].jobs[0].run, plan.needs.histories, plan.needs.largest
    if plan.memory > SMALL and plan.memory > (free := available_memory()):
        asked = f"{in_bytes(plan.memory)} of memory, of which {in_bytes(free)} are free"
        raise ConfigError(f"{_setting(run, largest)}: training takes {asked}, most of it by this setting; {_remedy(largest)}")
    if plan.disk > SPARE_DISK and plan.disk > (free := free_disk(OUTPUTS)):
        asked = f"{in_bytes(plan.disk)} on the disk, of which {in_bytes(free)} are free"
        raise ConfigError(f"{_setting(run, histories)}: the ledger takes {asked}; {_remedy(histories)}")
    if plan.seconds > LONGEST_DAYS * 86400 and not confirmed:
        processes = f" in {plan.processes} processes" if plan.processes > 1 else ""
        raise ConfigError(
            f"{_setting(run, 'train.steps')}: training takes about {in_time(plan.seconds)}{processes}; "
            f"take fewer steps, examples or runs, or give confirm=true: more than {LONGEST_DAYS} days need it"
        )


def _setting(run: RunConfig, field: str) -> str:
    """Return a setting with its value, in the form in which a user types it."""
    value: Any = run
    for name in field.split("."):
        value = getattr(value, name, None)
    return f"{field}={shown(value).replace(' ', '')}" if value is not None else field


def _remedy(field: str) -> str:
    if field in ("train.eval_every", "train.eval_at"):
        return "evaluate less often, or take fewer runs at a time"
    return "make it smaller, or take fewer processes with n_jobs=1"
