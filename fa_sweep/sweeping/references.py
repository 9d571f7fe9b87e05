"""Which group of a sweep each other group is compared with, unless the user says otherwise."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from fa_sweep.sweeping.jobs import Job

MODE_FACTORS = ("feedback", "feedback.mode")


def references(jobs: Iterable[Job], besides: Collection[str] = ()) -> dict[str, str]:
    """Return the reference of each group. Groups without one are left out.

    - It is the group with symmetric feedback at the same levels of all other factors.
    - If no group has symmetric feedback, the first group's feedback mode is used instead.
    - If, in addition, no two groups differ only in the feedback mode, the reference of all groups is the first group.
    - If no group has a reference at its levels, and a single group has the feedback mode of the references, as in a union of
      grids, it is the reference of all groups, whatever else differs.

    Args:
        jobs: The jobs of the sweep, in its order.
        besides: Factors that do not count, because each group has chosen its own level.
    """
    of_group = {job.group: job for job in reversed(list(jobs))}
    groups = dict(reversed(of_group.items()))
    first = next(iter(groups))
    apart = (*MODE_FACTORS, *besides)
    at_levels = {group: job for group, job in groups.items() if job.run.feedback.mode == "symmetric"}
    if not at_levels:
        if len({without(job, *apart) for job in groups.values()}) == len(groups):  # no two groups differ only in their mode
            return dict.fromkeys(groups, first)
        mode = _mode(groups[first])
        at_levels = {group: job for group, job in groups.items() if _mode(job) == mode}
    found = fitting(at_levels, groups, apart)
    if len(at_levels) == 1 and found.keys() == at_levels.keys():
        return dict.fromkeys(groups, next(iter(at_levels)))
    return found


def fitting(candidates: Mapping[str, Job], groups: Mapping[str, Job], apart: Sequence[str]) -> dict[str, str]:
    """Find for each group the candidate with the same levels of all factors but some.

    Args:
        candidates: A job of each group that may be a reference, by the group.
        groups: A job of each group.
        apart: The factors that do not count.
    """
    by_levels = {without(job, *apart): group for group, job in reversed(list(candidates.items()))}
    found = {}
    for group, job in groups.items():
        # A reference may lack a setting, as symmetric feedback lacks a scale, if several sweeps are put together.
        levels = [levels for levels in by_levels if levels <= without(job, *apart)]
        if levels:
            found[group] = by_levels[max(levels, key=len)]
    return found


def without(job: Job, *factors: str) -> frozenset[tuple[str, str]]:
    """Return the levels of a job's factors, apart from some factors."""
    return frozenset((name, repr(value)) for name, value in job.factors.items() if name not in factors)


def _mode(job: Job) -> str:
    return repr([job.factors.get(name) for name in MODE_FACTORS])
