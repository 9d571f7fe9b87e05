"""Which groups are compared, and how their runs are paired: by seeds that both groups have.

The design of a comparison follows from the seeds: "paired" if the two groups have the same seeds, "unpaired" if they share
none, "partly paired" in between, and "one set of runs" if the two groups are the same trainings under different names.
"""

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from fa_sweep.checks import did_you_mean, one_of
from fa_sweep.decisions.designs import chosen_on_other_seeds
from fa_sweep.errors import ConfigError
from fa_sweep.report.frames import Frames
from fa_sweep.report.names import level_text
from fa_sweep.report.trainings import one_set, recorded
from fa_sweep.roles import IN_RUN_ID, Role, roles_of
from fa_sweep.settings.identity import run_settings
from fa_sweep.sweeping.jobs import Job
from fa_sweep.sweeping.references import fitting, references, without

PAIRED, PARTLY, UNPAIRED, ITSELF = "paired", "partly paired", "unpaired", "one set of runs"
WHO = ["group", "reference", "design", "n", "n_reference", "pairs", "also_differ"]


class Pair:
    """The runs of two groups, the seeds that both have, and the design of the comparison, which follows from the seeds.

    Args:
        ours: The rows of `Frames.runs` of the group.
        theirs: The rows of its reference.
        key: Seeds the resampling of this comparison.
    """

    def __init__(self, ours: pd.DataFrame, theirs: pd.DataFrame, key: tuple[str, ...]) -> None:
        self.ours, self.theirs, self.key = ours, theirs, key
        self.shared = sorted(set(ours["seed"]) & set(theirs["seed"]))
        whole = len(self.shared) == len(ours) == len(theirs)
        self.design = PAIRED if whole else PARTLY if self.shared else UNPAIRED

    def values(self, what: Any) -> tuple[np.ndarray, np.ndarray]:
        """Apply `what` to all runs of each group. In a paired design, both results are in the order of the seeds."""
        ours, theirs = (part.sort_values("seed") if self.design == PAIRED else part for part in (self.ours, self.theirs))
        return np.asarray(what(ours)), np.asarray(what(theirs))

    def parted(self, what: Any) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """Apply `what` to each group's runs without a partner, and to its runs at the shared seeds (sorted by seed)."""
        apart = [part[~part["seed"].isin(self.shared)] for part in (self.ours, self.theirs)]
        pairs = [part.set_index("seed").loc[self.shared].reset_index() for part in (self.ours, self.theirs)]
        return what(apart[0]), what(apart[1]), (what(pairs[0]), what(pairs[1]))


def pairs_of(
    frames: Frames, reference: str | None = None, *, all_pairs: bool = False, factor: str | None = None
) -> list[tuple[dict[str, Any], Pair]]:
    """Return the pairs of groups to compare, without those of which a group has no finished run.

    Each group is compared with its reference. Unless `reference` or `factor` is given, `sweeping.references` chooses it: mostly
    the group with symmetric feedback at the same levels of all other factors. If each group of the sweep has chosen some of its
    settings on other seeds, these need not be the same.

    A group that has no reference is not compared (see `without_reference`).

    Args:
        frames: The sweep.
        reference: The name of the group that all others are compared with; with `factor`, a level of that factor.
        all_pairs: Compare every pair of groups instead.
        factor: Compare only groups that differ in this factor alone, each with the group at the factor's first level.

    Returns:
        For each pair the columns `WHO` of a table of comparisons, and the runs. `also_differ` names settings in which the two
        groups differ although they are no factors.

    Raises:
        ConfigError: If there is no group called `reference`, no such factor, or no such level of it.
    """
    by_group = _present(frames)
    jobs = {job.group: job for job in frames.jobs}
    found, numbers = [], recorded(frames)
    for group, its in _chosen(frames, reference, all_pairs=all_pairs, factor=factor):
        if group not in by_group or its not in by_group:
            continue
        pair = Pair(by_group[group], by_group[its], (frames.about.hash, group, its))
        design = ITSELF if one_set(numbers[group], numbers[its]) else pair.design
        who = {"group": group, "reference": its, "design": design, "n": len(pair.ours), "n_reference": len(pair.theirs)}
        found.append((who | {"pairs": len(pair.shared), "also_differ": also_differ(jobs[group], jobs[its])}, pair))
    return found


def _chosen(frames: Frames, reference: str | None, *, all_pairs: bool, factor: str | None) -> list[tuple[str, str]]:
    """Return the names of the groups of each pair: the group and its reference."""
    if factor is not None:
        at_level = _at_a_level(frames, factor, reference)
        jobs = {job.group: job for job in frames.jobs}
        if all_pairs:
            every = combinations(frames.groups[::-1], 2)
            return [(a, b) for a, b in every if without(jobs[a], factor) == without(jobs[b], factor)]
        return [(group, its) for group, its in at_level.items() if group != its]
    if reference is not None and reference not in frames.groups:
        meant = did_you_mean(str(reference), frames.groups)
        raise ConfigError(f"the reference is {reference!r}; {meant}choose one of {'; '.join(frames.groups)}")
    if all_pairs:
        return list(combinations(frames.groups[::-1], 2))
    return [(group, its) for group, its in _references(frames, reference).items() if group != its]


def without_reference(frames: Frames, reference: str | None = None, *, factor: str | None = None) -> list[str]:
    """Return the groups that have finished runs but nothing to be compared with.

    Either the sweep has no reference for them (see `pairs_of`), or none of the reference's runs has finished.
    """
    present = _present(frames)
    found = _references(frames, reference) if factor is None else _at_a_level(frames, factor, reference)
    return [group for group in frames.groups if group in present and found.get(group) not in present]


def _present(frames: Frames) -> dict[str, pd.DataFrame]:
    return {str(group): runs for group, runs in frames.runs.groupby("group", observed=True)}


def _at_a_level(frames: Frames, factor: str, level: str | None) -> dict[str, str]:
    """Return each group's reference: the group at a level of a factor (by default its first) and equal levels of the others."""
    one_of("the factor to compare", factor, frames.factors)
    jobs = {job.group: job for job in frames.jobs if factor in job.factors}
    levels = list(dict.fromkeys(level_text(job.factors[factor]) for job in jobs.values()))
    if level is not None:
        one_of(f"the reference level of {factor}", level, levels)
    wanted = levels[0] if level is None else level
    return fitting({g: job for g, job in jobs.items() if level_text(job.factors[factor]) == wanted}, jobs, (factor,))


def _references(frames: Frames, reference: str | None) -> dict[str, str]:
    """Return each group's reference. Groups without a reference are left out."""
    reference = reference or frames.about.design.get("reference")  # of the rule of a sequential sweep
    if reference is not None:
        return dict.fromkeys(frames.groups, str(reference))
    return references(frames.jobs, chosen_on_other_seeds(frames.about.design))


def also_differ(ours: Job, theirs: Job) -> str:
    """Say in which settings two jobs differ that are no factors, such as "train.steps 500 against 200"; empty if in none.

    Settings that only one of the jobs has are left out, and so is a setting that only repeats the level of a factor.
    """
    roles = roles_of(ours.run)
    deciding = IN_RUN_ID | {Role.JUDGING}
    mine, other = run_settings(ours.run), run_settings(theirs.run)
    named = {name for job in (ours, theirs) for name in job.factors} | {"seed"}
    found = []
    for name, value in mine.items():
        if name in named or name not in other or value == other[name] or roles[name] not in deciding:
            continue
        choice = name.partition(".")[0]
        if choice in named and (str(value), str(other[name])) == (
            str(ours.factors.get(choice)),
            str(theirs.factors.get(choice)),
        ):
            continue
        found.append(f"{name} {level_text(value)} against {level_text(other[name])}")
    return "; ".join(found)
