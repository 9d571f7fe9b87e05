"""Find earlier looks at the same question: sweeps in the ledger that make the numbers of a sweep say less than they seem to.

Intervals and p values are valid if settings, rule and number of runs were decided beforehand. Looking at the results, adding
seeds and looking again gives "significant" results too often. So does testing on the runs that chose what is tested. The report
cannot correct for this, but it can tell the reader about earlier looks.
"""

import contextlib
import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from fa_sweep.decisions.designs import chosen_on_other_seeds, is_first_stage, is_sequential
from fa_sweep.errors import ConfigError, Unreadable
from fa_sweep.report.trainings import trajectory_of
from fa_sweep.roles import Role, roles_of
from fa_sweep.settings.identity import run_settings
from fa_sweep.settings.schema import RunConfig
from fa_sweep.sweeping.folder import OUTPUTS, Sweep, catalogued
from fa_sweep.sweeping.jobs import Job

MOST_LOOKED_AT = 50  # only the newest of the earlier sweeps are searched
_RULE = ("rule", "outcome", "margin", "width", "reference")


class Kind(StrEnum):
    """What an earlier sweep means for the present one."""

    OTHER_SEEDS = "other seeds"
    """It ran some of the groups with a different set of seeds."""
    CHOSE_SETTINGS = "chose settings"
    """It is a tuning stage, and its runs are among the present ones."""
    CHOSE_SEEDS = "chose seeds"
    """It is sequential, and its runs are among the present ones, so its results decided how many there are."""
    MORE_GROUPS = "more groups"
    """It has all groups and seeds of the present sweep, and further groups."""
    SAME_SEEDS = "same seeds"
    """It ran the groups of a tuned sweep with other values of what was tuned, on the seeds that should be fresh."""
    SECOND_TRY = "second try"
    """The present sweep is sequential, and the earlier one looked at other seeds of its groups."""
    OTHER_RULE = "other rule"
    """The present sweep is sequential, and the earlier one looked at its runs with another rule, or with none."""


@dataclass(frozen=True)
class EarlierLook:
    """An earlier sweep that ran some groups of the present sweep.

    Attributes:
        id: The id of the earlier sweep.
        groups: The number of groups that both sweeps have.
        runs: The number of runs that the earlier sweep has in these groups.
        shared: The number of runs in these groups that both sweeps have.
        here: The number of runs that the present sweep has in these groups.
        kind: What it means for the present sweep.
    """

    id: str
    groups: int
    runs: int
    shared: int
    here: int
    kind: Kind = Kind.OTHER_SEEDS

    def __str__(self) -> str:
        groups = "1 of these groups" if self.groups == 1 else f"{self.groups} of these groups"
        if self.shared == self.runs:
            return f"{self.id} had {self.runs} of the {self.here} runs of {groups}, and this sweep adds the others"
        return f"{self.id} had {self.runs} runs of {groups}, of which this sweep contains {self.shared}"


def earlier_looks(sweep: Sweep, jobs: Sequence[Job], outputs: Path = OUTPUTS) -> list[EarlierLook]:
    """Return the earlier sweeps that matter for the present one, oldest first.

    Args:
        sweep: The present sweep.
        jobs: Its jobs.
        outputs: The folder of the ledger. Only its newest `MOST_LOOKED_AT` earlier sweeps are searched.
    """
    present = _Present(sweep, jobs)
    before = [
        other
        for other, entry in catalogued(outputs)
        if not entry.single
        and entry.created_at_ms < sweep.record.created_at_ms
        and other.folder.resolve() != sweep.folder.resolve()
    ]
    found = []
    for other in before[-MOST_LOOKED_AT:]:
        with contextlib.suppress(Unreadable, ConfigError, OSError):  # other code reports unreadable sweeps
            if (look := present.look(other)) is not None:
                found.append(look)
    return found


class _Present:
    """The present sweep, as earlier ones are compared with it."""

    def __init__(self, sweep: Sweep, jobs: Sequence[Job]) -> None:
        self._design = sweep.record.design
        self._tuned = chosen_on_other_seeds(self._design)
        self._groups = _seeds_by_group(jobs)
        self._bases = _seeds_by_group(jobs, self._tuned) if self._tuned else {}

    def look(self, other: Sweep) -> EarlierLook | None:
        """Return what an earlier sweep means for this one; None for nothing."""
        design, whole = other.record.design, _seeds_by_group(other.jobs)
        theirs = {group: seeds for group, seeds in whole.items() if group in self._groups}
        runs, here = (sum(len(part[group]) for group in theirs) for part in (theirs, self._groups))
        shared = sum(len(theirs[group] & self._groups[group]) for group in theirs)
        kind = self._kind(design, whole, theirs, (runs, shared))
        if kind is not None:
            return EarlierLook(other.id, len(theirs), runs, shared, here, kind)
        if self._tuned and other.id != self._design.get("tuning") and not theirs and not is_first_stage(design):
            bases = _seeds_by_group(other.jobs, self._tuned)
            seen = sum(len(seeds & self._bases.get(base, set())) for base, seeds in bases.items())
            return EarlierLook(other.id, 0, seen, seen, seen, Kind.SAME_SEEDS) if seen else None
        return None

    def _kind(
        self,
        design: Mapping[str, Any],
        whole: Mapping[str, set[int]],
        theirs: Mapping[str, set[int]],
        counts: tuple[int, int],
    ) -> Kind | None:
        runs, shared = counts
        if is_first_stage(design):  # its seeds are a look at the groups only if the present sweep has them, too
            return Kind.CHOSE_SETTINGS if shared else None
        if not theirs:
            return None
        if is_sequential(self._design):
            if runs > shared:
                return Kind.SECOND_TRY
            same = is_sequential(design) and all(design.get(name) == self._design.get(name) for name in _RULE)
            return None if same else Kind.OTHER_RULE
        if is_sequential(design) and shared:
            return Kind.CHOSE_SEEDS
        if any(seeds != self._groups[group] for group, seeds in theirs.items()):
            return Kind.OTHER_SEEDS
        return Kind.MORE_GROUPS if len(theirs) == len(self._groups) < len(whole) else None


def _seeds_by_group(jobs: Sequence[Job], besides: Collection[str] = ()) -> dict[str, set[int]]:
    """Return each group's seeds, keyed by a hash of what decides its training, not by its name or success criterion.

    Args:
        jobs: The jobs of a sweep.
        besides: Factors that do not count.
    """
    names: dict[str, str] = {}
    seeds: dict[str, set[int]] = {}
    for job in jobs:
        if job.group not in names:
            run = replace(job.run, seed=0)
            names[job.group] = _base_of(run, besides) if besides else trajectory_of(run)
        seeds.setdefault(names[job.group], set()).add(job.run.seed)
    return seeds


def _base_of(run: RunConfig, besides: Collection[str]) -> str:
    """Return a hash of the settings that decide a run's training, without some factors, and whatever it is evaluated on."""
    roles = roles_of(run)
    apart = (*besides, "task.evaluate_on")
    settings = {
        name: value
        for name, value in run_settings(run).items()
        if roles[name] in (Role.SCIENTIFIC, Role.FREE) and not name.startswith(tuple(f"{each}." for each in apart))
    }
    return hashlib.sha256(repr(sorted((n, v) for n, v in settings.items() if n not in apart)).encode()).hexdigest()[:16]
