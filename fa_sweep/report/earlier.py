"""Find earlier looks at the same question: sweeps in the ledger that ran some of a sweep's groups with different seeds.

Earlier sweeps whose results chose settings, or the number of seeds, are found with the same seeds, too.

Intervals and p values are valid if the number of runs was decided beforehand. Looking at the results, adding seeds and looking
again gives "significant" results too often. The report cannot correct for this, but it can tell the reader about earlier looks.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fa_sweep.decisions.taken import is_first_stage, is_sequential
from fa_sweep.errors import ConfigError, Unreadable
from fa_sweep.report.trainings import trajectory_of
from fa_sweep.sweeping.folder import OUTPUTS, Sweep, catalogued
from fa_sweep.sweeping.jobs import Job

MOST_LOOKED_AT = 50  # only the newest of the earlier sweeps are searched


@dataclass(frozen=True)
class EarlierLook:
    """An earlier sweep that ran some groups of the present sweep with a different set of seeds.

    Attributes:
        id: The id of the earlier sweep.
        groups: The number of groups that both sweeps have.
        runs: The number of runs that the earlier sweep has in these groups.
        shared: The number of runs in these groups that both sweeps have.
        here: The number of runs that the present sweep has in these groups.
        decided: What the shared runs decided in the earlier sweep: "settings", or "seeds" (how many there are); empty for
            nothing.
    """

    id: str
    groups: int
    runs: int
    shared: int
    here: int
    decided: str = ""

    def __str__(self) -> str:
        groups = "1 of these groups" if self.groups == 1 else f"{self.groups} of these groups"
        if self.shared == self.runs:
            return f"{self.id} had {self.runs} of the {self.here} runs of {groups}, and this sweep adds the others"
        return f"{self.id} had {self.runs} runs of {groups}, of which this sweep contains {self.shared}"


def earlier_looks(sweep: Sweep, jobs: Sequence[Job], outputs: Path = OUTPUTS) -> list[EarlierLook]:
    """Return the earlier sweeps that ran some of this sweep's groups with a different set of seeds, oldest first.

    Args:
        sweep: The present sweep.
        jobs: Its jobs.
        outputs: The folder of the ledger. Only its newest `MOST_LOOKED_AT` earlier sweeps are searched.
    """
    mine, created = _seeds_by_group(jobs), sweep.record.created_at_ms
    before = [
        other
        for other, entry in catalogued(outputs)
        if not entry.single and entry.created_at_ms < created and other.folder.resolve() != sweep.folder.resolve()
    ]
    found = []
    for other in before[-MOST_LOOKED_AT:]:
        with contextlib.suppress(Unreadable, ConfigError, OSError):  # other code reports unreadable sweeps
            design = other.record.design
            decided = "settings" if is_first_stage(design) else "seeds" if is_sequential(design) else ""
            theirs = {group: seeds for group, seeds in _seeds_by_group(other.jobs).items() if group in mine}
            shared = sum(len(theirs[group] & mine[group]) for group in theirs)
            # Seeds that chose settings are a look at the groups only if the present sweep has them, too.
            looked = decided != "settings" and any(seeds != mine[group] for group, seeds in theirs.items())
            if looked or (decided and shared):
                runs, here = (sum(len(part[group]) for group in theirs) for part in (theirs, mine))
                found.append(EarlierLook(other.id, len(theirs), runs, shared, here, decided if shared else ""))
    return found


def _seeds_by_group(jobs: Sequence[Job]) -> dict[str, set[int]]:
    """Return each group's seeds, keyed by a hash of what decides its training, not by its name or success criterion."""
    names: dict[str, str] = {}
    seeds: dict[str, set[int]] = {}
    for job in jobs:
        if job.group not in names:
            names[job.group] = trajectory_of(replace(job.run, seed=0))
        seeds.setdefault(names[job.group], set()).add(job.run.seed)
    return seeds
