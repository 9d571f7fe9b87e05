"""The id of a run: a hash of everything that its results depend on, and of nothing else."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import is_dataclass
from typing import Any

from fa_sweep.feedback import MODES
from fa_sweep.numerics.optimisers import numerics
from fa_sweep.roles import IN_JOB_ID, IN_RUN_ID, at_neutral, roles_of
from fa_sweep.settings.schema import RUN_FIELDS, RunConfig
from fa_sweep.settings.sources import COMPILED, unreleased
from fa_sweep.tasks import TASKS

# Part of every run's id. Increase it when a change of the code alters results. If only the runs of one mode or optimiser are
# affected, increase the version of that piece instead (see `numerics_of`).
NUMERICS_VERSION = 2
REFERENCE_ENGINE = "numpy"


def flatten(values: dict[str, Any], path: str = "") -> dict[str, Any]:
    """Turn nested settings into one flat dictionary with dotted keys. `path` is put before each key."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= flatten(value, f"{path}{key}.") if isinstance(value, dict) else {f"{path}{key}": value}
    return flat


def unflatten(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Turn settings with dotted keys into nested dictionaries: the inverse of `flatten`."""
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        *groups, name = key.split(".")
        node = nested
        for group in groups:
            node = node.setdefault(group, {})
        node[name] = value
    return nested


def nested_settings(run: RunConfig) -> dict[str, Any]:
    """Return the settings of a run as nested dictionaries. Those of the application, such as the tracking URI, are left out."""
    return {name: _plain(getattr(run, name)) for name in RUN_FIELDS}


def _plain(value: Any) -> Any:
    """Turn a dataclass into nested dictionaries. This takes a fifth of the time of `asdict`, which matters for 10,000 jobs."""
    if is_dataclass(value):
        return {name: _plain(member) for name, member in vars(value).items()}
    return list(value) if isinstance(value, list) else value


def run_settings(run: RunConfig) -> dict[str, Any]:
    """Return the settings of a run as one flat dictionary with dotted keys."""
    return flatten(nested_settings(run))


_ANY_SEED = "any seed"  # placeholder for the seed in the text that is hashed


def identify(run: RunConfig) -> tuple[str, str]:
    """Return the id of a run and the id of its job, 16 hex digits each.

    Runs with the same run id have the same results. A job is a run together with the settings by which its outcome is judged,
    because one run may be judged in several ways.
    """
    return identify_seeds(run)(run.seed)


def identify_seeds(run: RunConfig) -> Callable[[int], tuple[str, str]]:
    """Return a function that gives the run id and the job id of this run with any other seed.

    Everything but the seed is hashed once. This pays because most runs of a large sweep differ in their seed alone.
    """
    settings, roles = run_settings(run), roles_of(run)
    neutral = set(at_neutral(run))
    science = {name: value for name, value in settings.items() if roles[name] in IN_RUN_ID and name not in neutral}
    # Ids have always contained the engine. Both engines give the same bits, so the id always names the NumPy engine.
    science["engine"] = REFERENCE_ENGINE
    # Outcomes are computed from the histories after training. How a run is judged is therefore part of the job's id only.
    judged = {name: value for name, value in settings.items() if roles[name] in IN_JOB_ID}
    pieces = {"task": TASKS.version(run.task.name), "feedback": MODES.version(run.feedback.mode)}
    foreign: dict[str, Any] = {f"{kind} from": version for kind, version in pieces.items() if version is not None}
    foreign |= {f"numerics of {piece}": version for piece, version in numerics_of(run).items()}
    if edited := sources_of(run):
        foreign["sources"] = edited
    before, after = _text({"numerics": NUMERICS_VERSION, **foreign, **science, "seed": _ANY_SEED}).split(_text(_ANY_SEED))
    begun, judging = hashlib.sha256(before.encode()), f'", {_text(judged)}]'

    def ids(seed: int) -> tuple[str, str]:
        digest = begun.copy()
        digest.update(f"{seed}{after}".encode())
        run_id = digest.hexdigest()[:16]
        return run_id, hashlib.sha256(f'["{run_id}{judging}'.encode()).hexdigest()[:16]

    return ids


def numerics_of(run: RunConfig) -> dict[str, int]:
    """Return the numerics versions of a run's feedback mode and optimiser.

    `NUMERICS_VERSION` changes the ids of all runs. If only the results of the runs that use one mode or optimiser change, the
    version of that piece is increased instead, so that all other runs keep their ids.

    Returns:
        The version by piece, "feedback" or "optimiser". A piece whose version is 0 is left out.
    """
    # A network without hidden layers uses no feedback.
    versions = {
        "feedback": MODES[run.feedback.mode].numerics if run.model.hidden else 0,
        "optimiser": numerics(run.train.optimiser, run.train.batch_size),
    }
    return {piece: version for piece, version in versions.items() if version}


def sources_of(run: RunConfig) -> dict[str, str]:
    """Return the SHA-256, by name, of the modules that a run's results depend on and that differ from the released code."""
    compiled = [COMPILED] if run.engine == "numba" else []
    return dict(unreleased(MODES.module(run.feedback.mode), TASKS.module(run.task.name), *compiled))


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def run_id(run: RunConfig) -> str:
    """Return a run's id."""
    return identify(run)[0]


def sweep_hash(job_ids: Iterable[str]) -> str:
    """Return the hash of a set of jobs, 16 hex digits. Their order does not matter."""
    return hashlib.sha256("\n".join(sorted(set(job_ids))).encode()).hexdigest()[:16]
