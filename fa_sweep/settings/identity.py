"""Who a run is: its id, a hash of everything that its numbers depend on and of nothing else."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import is_dataclass
from typing import Any

from fa_sweep.feedback import MODES
from fa_sweep.numerics.optimisers import numerics
from fa_sweep.roles import IN_JOB_ID, IN_RUN_ID, roles_of
from fa_sweep.settings.schema import RUN_FIELDS, RunConfig
from fa_sweep.settings.sources import COMPILED, unreleased
from fa_sweep.tasks import TASKS

# Part of every run's id; bumped by every change that alters any number of any run.
NUMERICS_VERSION = 2
REFERENCE_ENGINE = "numpy"


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
    return {name: _plain(getattr(run, name)) for name in RUN_FIELDS}


def _plain(value: Any) -> Any:
    """Return a dataclass as a dictionary: what `asdict` gives, in a fifth of its time, which ten thousand jobs feel."""
    if is_dataclass(value):
        return {name: _plain(member) for name, member in vars(value).items()}
    return list(value) if isinstance(value, list) else value


def run_settings(run: RunConfig) -> dict[str, Any]:
    """Return the settings of a run with dotted keys."""
    return flatten(nested_settings(run))


_ANY_SEED = "any seed"  # stands for the seed in what is hashed


def identify(run: RunConfig) -> tuple[str, str]:
    """Return a run's id and its job's, 16 hex digits each.

    Same run id, same numbers. A job is a run together with how its outcome is judged: one run may be judged in several ways.
    """
    return identify_seeds(run)(run.seed)


def identify_seeds(run: RunConfig) -> Callable[[int], tuple[str, str]]:
    """Return what gives the two ids of a run under any seed: of a million runs most differ in nothing else."""
    settings, roles = run_settings(run), roles_of(run)
    science = {name: value for name, value in settings.items() if roles[name] in IN_RUN_ID}
    # Ids have always held the engine. Both engines give the same bits, so each run has the id that NumPy's has.
    science["engine"] = REFERENCE_ENGINE
    # Events are recomputed from histories: how a run is judged changes none of its numbers.
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
    """Return the versions of the numbers of a run's feedback mode and optimiser, by piece; those of version 0 are left out.

    `NUMERICS_VERSION` counts what changes the numbers of every run; these count what changes those of one piece's runs, and are
    part of their ids alone.
    """
    # Without a hidden layer there is no feedback.
    versions = {
        "feedback": MODES[run.feedback.mode].numerics if run.model.hidden else 0,
        "optimiser": numerics(run.train.optimiser, run.train.batch_size),
    }
    return {piece: version for piece, version in versions.items() if version}


def sources_of(run: RunConfig) -> dict[str, str]:
    """Return the modules that decide a run's numbers and that no release has, with their SHA-256."""
    compiled = [COMPILED] if run.engine == "numba" else []
    return dict(unreleased(MODES.module(run.feedback.mode), TASKS.module(run.task.name), *compiled))


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def run_id(run: RunConfig) -> str:
    """Return a run's id."""
    return identify(run)[0]


def sweep_hash(job_ids: Iterable[str]) -> str:
    """Return the hash of a set of jobs, 16 hex digits, whatever their order."""
    return hashlib.sha256("\n".join(sorted(set(job_ids))).encode()).hexdigest()[:16]
