"""Put the jobs of several sweeps together: each job once, with factors that tell all of them apart."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from fa_sweep.roles import Role, roles_of
from fa_sweep.settings.identity import run_settings
from fa_sweep.settings.schema import GROUPS
from fa_sweep.sweeping.jobs import Job, named_after
from fa_sweep.sweeping.shards import Record

# Which setting tells the chosen option of each group.
_OPTION = {"feedback": "feedback.mode", "task": "task.name", "init": "init.distribution"}
# Settings whose values a task proposes.
_PROPOSED = ("train.loss", "train.sampling", "train.threshold")
_NOT_COMPARED = ("seed", "engine")


def united(tables: Sequence[Sequence[Job]]) -> list[Job]:
    """Return the jobs of several sweeps, each once, numbered and named anew.

    The factors are all settings in which the jobs differ, apart from the seed. Left out are settings that follow from the
    feedback mode, the task or the distribution of the initial weights. An example is the scale of the feedback matrices, if it
    is the same in all runs that have one.

    Args:
        tables: The jobs of each sweep.
    """
    jobs = {job.id: job for job in reversed(list(chain.from_iterable(tables)))}  # the first sweep's job is kept
    listed = list(reversed(jobs.values()))
    kinds = _Kinds(listed, {name for table in tables for name in _following_the_seed(table)})
    factors = kinds.factors()
    found = []
    for number, job in enumerate(listed):
        levels = kinds.levels(job, factors)
        found.append(named_after(replace(job, number=number, factors=levels), levels))
    return found


def _following_the_seed(table: Sequence[Job]) -> set[str]:
    """Return the settings that differ within a group of a sweep, such as a split's seed that is the seed of the run."""
    seen: dict[tuple[Any, ...], None] = {}
    first: dict[str, dict[str, Any]] = {}
    found: set[str] = set()
    for job in table:
        key = (*(id(getattr(job.run, name)) for name in GROUPS), job.group)
        if key not in seen:
            seen[key] = None
            settings = run_settings(job.run)
            usual = first.setdefault(job.group, settings)
            found |= {name for name, value in settings.items() if value != usual.get(name)} - {"seed"}
    return found


class _Kinds:
    """The distinct settings of jobs, apart from the seed. Jobs share the objects that hold their settings, so this is quick."""

    def __init__(self, jobs: Sequence[Job], left_out: Collection[str]) -> None:
        self._jobs = jobs  # keeps the objects alive whose addresses are keys
        self._settings: dict[tuple[Any, ...], dict[str, Any]] = {}
        self._swept: dict[tuple[Any, ...], dict[str, Any]] = {}
        self._roles: dict[str, Role] = {}
        for job in jobs:
            key = self._key(job)
            if key not in self._settings:
                self._settings[key] = {
                    n: v for n, v in run_settings(job.run).items() if n not in _NOT_COMPARED and n not in left_out
                }
                self._swept[key] = job.factors
                self._roles |= roles_of(job.run)

    def _key(self, job: Job) -> tuple[Any, ...]:
        return (*(id(getattr(job.run, name)) for name in GROUPS), job.run.dtype, job.group)

    def _level(self, key: tuple[Any, ...], name: str) -> Any:
        if name in self._swept[key]:
            return self._swept[key][name]
        return self._settings[key].get(_OPTION.get(name, name))

    def levels(self, job: Job, names: Iterable[str]) -> dict[str, Any]:
        """Return a job's level of each factor. A factor that its settings do not have is left out."""
        key = self._key(job)
        return {name: level for name in names if (level := self._level(key, name)) is not None}

    def factors(self) -> list[str]:
        """Return the settings, or groups of settings, in which the jobs differ."""
        swept = dict.fromkeys(name for factors in self._swept.values() for name in factors)
        found = [name for name in (*_OPTION, *swept) if self._varies(name) and (name in _OPTION or name in self._roles)]
        found = [name for name in dict.fromkeys(found) if name in swept or not self._follows_one_of(("task",), name)]
        options = {_OPTION[name] for name in found if name in _OPTION}
        for name, role in self._roles.items():
            known = name in (*_NOT_COMPARED, *found, *options)
            if known or role is Role.PROPOSING or name.endswith(".content") or not self._varies(name):
                continue
            group = name.partition(".")[0]
            option = "task" if name in _PROPOSED else group if group in ("feedback", "task") else ""
            # Experiments on several tasks differ in many settings that need not be named.
            if not self._follows_one_of((option, *(kept for kept in ("task", "init") if kept in found)), name):
                found.append(name)
        # Jobs may differ only in a proposal, or in the content of a file that was replaced.
        alike: dict[str, list[dict[str, Any]]] = {}
        for key, settings in self._settings.items():
            alike.setdefault(_text([self._level(key, name) for name in found]), []).append(settings)
        rest = [name for name in self._roles if name not in (*_NOT_COMPARED, *found, *options)]
        return found + [
            name for name in rest if any(len({_text(s.get(name)) for s in members}) > 1 for members in alike.values())
        ]

    def _follows_one_of(self, options: Iterable[str], name: str) -> bool:
        return any(name != option and self._follows(name, option) for option in options)

    def _varies(self, name: str) -> bool:
        return len({_text(self._level(key, name)) for key in self._settings}) > 1

    def _follows(self, name: str, option: str) -> bool:
        """Whether a setting has one value for each option of a group of settings, or is no setting of that option."""
        if not option or not self._varies(option):
            return False
        pairs = {(_text(self._level(key, option)), _text(self._settings[key].get(name))) for key in self._settings}
        return len(pairs) == len({level for level, _ in pairs})


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
