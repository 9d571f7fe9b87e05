"""Which groups are one and the same set of trainings, under other names or judged in another way.

Such groups are no evidence about each other: a test between them would compare runs with themselves.
"""

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fa_sweep.identity import NOT_SCIENCE, run_settings
from fa_sweep.schema import RunConfig

if TYPE_CHECKING:
    from analysis.frames import Frames

# How long a training is followed and how often it is looked at change no weight of it.
LOOKING = NOT_SCIENCE | {"train.steps", "train.eval_every", "train.eval_at", "train.eval_samples"}


def trajectory_of(run: RunConfig) -> str:
    """Return a hash of the settings on which a training's weights depend, step by step."""
    settings = {name: value for name, value in run_settings(run).items() if name not in LOOKING}
    return hashlib.sha256(repr(sorted(settings.items())).encode()).hexdigest()[:16]


def digest_of(steps: np.ndarray, metrics: Mapping[str, np.ndarray]) -> str:
    """Return a hash of all that a training recorded, but of what it was compared with by chance."""
    digest = hashlib.sha256(np.asarray(steps).tobytes())
    for name in sorted(metrics):
        if not name.startswith("chance_deg"):
            digest.update(name.encode() + np.asarray(metrics[name]).tobytes())
    return digest.hexdigest()[:16]


def one_set(a: pd.DataFrame, b: pd.DataFrame) -> bool:
    """Whether two groups' runs are the same trainings at every seed that both have: by their settings, or to the last bit.

    Dead networks may agree at some seeds by chance; at all of two or more they do not.
    """
    both = a.set_index("seed").join(b.set_index("seed"), how="inner", rsuffix="_b")
    if both.empty:
        return False
    alike = (both["trajectory"] == both["trajectory_b"]) | (both["recorded"] == both["recorded_b"])
    return bool(alike.all())


def sets_of_trainings(frames: "Frames") -> list[list[str]]:
    """Return the groups, those that are one set of trainings together, in the order of the sweep."""
    by_group = {str(group): runs for group, runs in frames.runs.groupby("group", observed=True, sort=True)}
    sets: list[list[str]] = []
    for group, runs in by_group.items():
        home = next((found for found in sets if one_set(by_group[found[0]], runs)), None)
        if home is None:
            sets.append([group])
        else:
            home.append(group)
    return sets


def distinct(frames: "Frames") -> int:
    """Return how many distinct trainings the finished runs are."""
    return sum(frames.runs.loc[frames.runs["group"].isin(groups), "seed"].nunique() for groups in sets_of_trainings(frames))
