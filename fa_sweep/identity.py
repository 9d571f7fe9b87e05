"""Who a run is: its id, a hash of everything that its numbers depend on and of nothing else."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from fa_sweep.schema import RunConfig
from fa_sweep.training import NUMERICS_VERSION

# Events are recomputed from histories: when a run counts as converged changes none of its numbers. task.loss only
# proposes a value for train.loss, which is the one that trains.
NOT_SCIENCE = frozenset(
    {
        "task.success.metric",
        "task.success.direction",
        "task.success.value",
        "task.loss",
        "train.threshold",
        "train.hold",
    }
)

RUN_SETTINGS = ("seed", "task", "model", "feedback", "init", "train")


def flatten(values: dict[str, Any], path: str = "") -> dict[str, Any]:
    """Return nested settings as one dictionary with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= flatten(value, f"{path}{key}.") if isinstance(value, dict) else {f"{path}{key}": value}
    return flat


def unflatten(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with dotted keys as nested ones."""
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        *groups, name = key.split(".")
        node = nested
        for group in groups:
            node = node.setdefault(group, {})
        node[name] = value
    return nested


def nested_settings(run: RunConfig) -> dict[str, Any]:
    """Return the settings of a run, group by group: none of the application's own, no tracking URI."""
    values = asdict(run)
    return {name: values[name] for name in RUN_SETTINGS}


def run_settings(run: RunConfig) -> dict[str, Any]:
    """Return the settings of a run with dotted keys."""
    return flatten(nested_settings(run))


def run_id(run: RunConfig) -> str:
    """Return the id, 16 hex digits: same id, same numbers."""
    science = {name: value for name, value in run_settings(run).items() if name not in NOT_SCIENCE}
    canonical = json.dumps({"numerics": NUMERICS_VERSION, **science}, sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def job_id(run: RunConfig) -> str:
    """Return the id of a run together with how its outcome is judged, 16 hex digits: one run may be judged in several ways."""
    judged = {name: value for name, value in run_settings(run).items() if name in NOT_SCIENCE}
    return hashlib.sha256(json.dumps([run_id(run), judged], sort_keys=True).encode()).hexdigest()[:16]


def sweep_hash(job_ids: Iterable[str]) -> str:
    """Return the hash of a set of jobs, 16 hex digits, whatever their order."""
    return hashlib.sha256("\n".join(sorted(set(job_ids))).encode()).hexdigest()[:16]
