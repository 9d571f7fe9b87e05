"""Find groups that are the same set of trainings, under different names or with different success criteria.

A test between such groups would compare runs with themselves.
"""

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from fa_sweep.roles import Role, roles_of
from fa_sweep.settings.identity import run_settings
from fa_sweep.settings.schema import RunConfig

if TYPE_CHECKING:
    from fa_sweep.report.frames import Frames

NOT_COMPARED = ("chance_deg", "accuracy_sampled")  # metrics that depend on random draws outside the training
Recorded = dict[int, tuple[np.ndarray, np.ndarray]]


def trajectory_of(run: RunConfig) -> str:
    """Return a hash of the settings that decide a run's weights at each step.

    Two runs with the same hash may still be trained for different numbers of steps, or be judged by different criteria.
    """
    roles = roles_of(run)
    deciding = (Role.SCIENTIFIC, Role.FREE)
    settings = {name: value for name, value in run_settings(run).items() if roles[name] in deciding}
    return hashlib.sha256(repr(sorted(settings.items())).encode()).hexdigest()[:16]


def recorded(frames: "Frames") -> dict[str, Recorded]:
    """Return each run's evaluated steps (E,) and its M metrics at these steps (E, M), by group and seed.

    Metrics that depend on random draws outside the training are left out.
    """
    histories = frames.histories
    metrics = [c for c in histories.columns[4:] if not c.startswith(NOT_COMPARED)]
    found: dict[str, Recorded] = {}
    for (group, seed), part in histories.groupby(["group", "seed"], observed=True, sort=False):
        found.setdefault(str(group), {})[int(seed)] = part["step"].to_numpy(), part[metrics].to_numpy(float)
    return found


def one_set(a: Recorded, b: Recorded) -> bool:
    """Whether the runs of two groups are the same set of trainings.

    This is so if the groups share at least one seed, and if all metrics are equal to the last bit at every seed and evaluated
    step that both have. At each shared seed, the two runs must have at least two evaluated steps in common.

    The metrics are compared and not the settings, because a mode may ignore a setting, and two modes may be the same rule in a
    small network. A single dead network may equal another one by chance, but not all networks of a group.
    """
    shared = a.keys() & b.keys()
    return bool(shared) and all(_agree(*a[seed], *b[seed]) for seed in shared)


def _agree(steps: np.ndarray, values: np.ndarray, other_steps: np.ndarray, other_values: np.ndarray) -> bool:
    common, ours, theirs = np.intersect1d(steps, other_steps, assume_unique=True, return_indices=True)
    return len(common) > 1 and np.array_equal(values[ours], other_values[theirs], equal_nan=True)


def sets_of_trainings(frames: "Frames") -> list[list[str]]:
    """Return the names of the groups that have runs, in the order of the sweep: one list per distinct set of trainings."""
    found = recorded(frames)
    sets: list[list[str]] = []
    for group in (name for name in frames.groups if name in found):
        home = next((names for names in sets if one_set(found[names[0]], found[group])), None)
        if home is None:
            sets.append([group])
        else:
            home.append(group)
    return sets


def distinct(frames: "Frames") -> int:
    """Return the number of distinct trainings among the finished runs."""
    return sum(frames.runs.loc[frames.runs["group"].isin(groups), "seed"].nunique() for groups in sets_of_trainings(frames))
