"""Put the jobs of several sweeps together: each job once, with factors that tell all of them apart."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from fa_sweep.roles import Role, roles_of
from fa_sweep.settings.identity import run_settings
from fa_sweep.settings.schema import GROUPS
from fa_sweep.sweep.jobs import Job, named_after
from fa_sweep.sweep.shards import Record

# For a factor that is a group in one sweep, the setting that stands for the group's option in another sweep.
_OPTION = ("name", "mode", "distribution", "optimiser")
_NOT_COMPARED = ("seed", "engine")


def united(tables: Sequence[Sequence[Job]]) -> list[Job]:
    """Return the jobs of several sweeps, each once, numbered and named anew.

    The factors are those of the sweeps, and every other setting in which jobs with equal factors and seeds differ. A factor
    that has the same level in all jobs is left out.

    Args:
        tables: The jobs of each sweep.
    """
    jobs = {job.id: job for job in reversed(list(chain.from_iterable(tables)))}  # the first sweep's job is kept
    listed = list(reversed(jobs.values()))
    kinds = _Kinds(listed)
    swept = list(dict.fromkeys(name for job in listed for name in job.factors))
    factors = [name for name in (*swept, *kinds.other_differences(swept)) if kinds.varies(name)]
    found = []
    for number, job in enumerate(listed):
        levels = kinds.levels(job, factors)
        found.append(named_after(replace(job, number=number, factors=levels), levels))
    return found


class _Kinds:
    """The distinct settings of jobs, apart from the seed. Jobs share the objects that hold their settings, so this is quick."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._settings: dict[tuple[Any, ...], dict[str, Any]] = {}
        self._factors: dict[tuple[Any, ...], dict[str, Any]] = {}
        self._roles: dict[str, Role] = {}
        self._jobs = jobs  # keeps the objects alive, whose addresses are the keys
        for job in jobs:
            key = self._key(job)
            if key not in self._settings:
                self._settings[key] = {n: v for n, v in run_settings(job.run).items() if n not in _NOT_COMPARED}
                self._factors[key] = job.factors
                self._roles |= roles_of(job.run)

    def _key(self, job: Job) -> tuple[Any, ...]:
        return (*(id(getattr(job.run, name)) for name in GROUPS), job.run.dtype, job.group)

    def _level(self, key: tuple[Any, ...], name: str) -> Any:
        if name in self._factors[key]:
            return self._factors[key][name]
        settings = self._settings[key]
        return next((settings[each] for each in (name, *(f"{name}.{part}" for part in _OPTION)) if each in settings), None)

    def levels(self, job: Job, names: Iterable[str]) -> dict[str, Any]:
        """Return a job's level of each factor. A factor that its settings do not have is left out."""
        key = self._key(job)
        return {name: level for name in names if (level := self._level(key, name)) is not None}

    def varies(self, name: str) -> bool:
        """Whether two jobs have different levels of a factor."""
        return len({_text(self._level(key, name)) for key in self._settings}) > 1

    def other_differences(self, factors: Sequence[str]) -> list[str]:
        """Return the settings in which jobs differ that have the same levels of these factors.

        A setting that proposes another's value, and a hash of a file's content, are taken only if nothing else differs.
        """
        found: list[str] = []
        for all_settings in (False, True):
            alike: dict[str, list[dict[str, Any]]] = {}
            for key, settings in self._settings.items():
                levels = _text([self._level(key, name) for name in (*factors, *found)])
                alike.setdefault(levels, []).append(settings)
            for name in self._roles:
                proposes = self._roles[name] is Role.PROPOSING or name.endswith(".content")
                if name in _NOT_COMPARED or (proposes and not all_settings):
                    continue
                if any(len({_text(settings.get(name)) for settings in members}) > 1 for members in alike.values()):
                    found.append(name)
        return found


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


class UnitedRecords(Mapping[str, Record]):
    """The records of several sweeps, by run id. Iteration goes sweep by sweep, and in each as its own records go."""

    def __init__(self, parts: Sequence[Mapping[str, Record]]) -> None:
        self._parts = parts

    def __getitem__(self, run_id: str) -> Record:
        for part in self._parts:
            if run_id in part:
                return part[run_id]
        raise KeyError(run_id)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(chain.from_iterable(self._parts)))

    def __len__(self) -> int:
        return len(set(chain.from_iterable(self._parts)))

    def __contains__(self, run_id: object) -> bool:
        return any(run_id in part for part in self._parts)
