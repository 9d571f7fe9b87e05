"""Earlier looks at the same question: sweeps in the ledger that hold a sweep's groups with other seeds.

Intervals and p values hold for a number of runs that was decided beforehand. Whoever looks, adds seeds and looks again gets
"significant" results too often; the report can only say that there was such a look.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fa_sweep.errors import ConfigError, Unreadable
from fa_sweep.report.trainings import trajectory_of
from fa_sweep.sweep.folder import OUTPUTS, Sweep, catalogued
from fa_sweep.sweep.jobs import Job

MOST_LOOKED_AT = 50  # of the sweeps before this one, the newest


@dataclass(frozen=True)
class EarlierLook:
    """A sweep that was there before: its id, how many groups it shares, and how many runs of these are here as well.

    `runs` of those groups it had, `shared` of them are in this sweep, which has `here` runs of those groups.
    """

    id: str
    groups: int
    runs: int
    shared: int
    here: int

    def __str__(self) -> str:
        groups = "1 of these groups" if self.groups == 1 else f"{self.groups} of these groups"
        if self.shared == self.runs:
            return f"{self.id} had {self.runs} of the {self.here} runs of {groups}, which this sweep extends"
        return f"{self.id} had {self.runs} runs of {groups}, {self.shared} of them here too"


def earlier_looks(sweep: Sweep, jobs: Sequence[Job], outputs: Path = OUTPUTS) -> list[EarlierLook]:
    """Return the earlier sweeps that hold some of this one's groups with other seeds, oldest first."""
    mine, created = _seeds_by_group(jobs), sweep.record.created_at_ms
    before = [
        other
        for other, entry in catalogued(outputs)
        if not entry.single and entry.created_at_ms < created and other.folder.resolve() != sweep.folder.resolve()
    ]
    found = []
    for other in before[-MOST_LOOKED_AT:]:
        with contextlib.suppress(Unreadable, ConfigError, OSError):  # what cannot be read is said elsewhere
            theirs = {group: seeds for group, seeds in _seeds_by_group(other.jobs).items() if group in mine}
            if any(seeds != mine[group] for group, seeds in theirs.items()):
                runs, here = (sum(len(part[group]) for group in theirs) for part in (theirs, mine))
                shared = sum(len(theirs[group] & mine[group]) for group in theirs)
                found.append(EarlierLook(other.id, len(theirs), runs, shared, here))
    return found


def _seeds_by_group(jobs: Sequence[Job]) -> dict[str, set[int]]:
    """Return the seeds of each training that jobs ask for, whatever the group is called and however it is judged."""
    names: dict[str, str] = {}
    seeds: dict[str, set[int]] = {}
    for job in jobs:
        if job.group not in names:
            names[job.group] = trajectory_of(replace(job.run, seed=0))
        seeds.setdefault(names[job.group], set()).add(job.run.seed)
    return seeds
