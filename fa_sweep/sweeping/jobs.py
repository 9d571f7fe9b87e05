"""The jobs of a sweep: their names and factors, and the table on disk that lists them all."""

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from fa_sweep.errors import ConfigError, Unreadable
from fa_sweep.process.secrets import redact
from fa_sweep.settings.build import build
from fa_sweep.settings.identity import identify_seeds, nested_settings
from fa_sweep.settings.schema import RunConfig, differ_in_seed_alone, run_alone
from fa_sweep.settings.structure import widths_of
from fa_sweep.sweeping.storage import digest, lists, numbers, read_bytes, table_bytes, table_of, texts
from fa_sweep.tasks import task_of

TABLE, NEXT_TABLE = "jobs.parquet", "jobs.next.parquet"
T = TypeVar("T")
# A job as the user asked for it: its settings, the values that its overrides set (by key), and the overrides themselves.
Asked = tuple[RunConfig, dict[str, Any], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Job:
    """One run of a sweep, together with the criterion that judges it.

    Two jobs that differ only in this criterion share a run: they have the same `run_id`, but different `id`s.

    Attributes:
        number: the job's position in the sweep, counted from 0.
        run_id: the id of the run, a hash of all settings and code that influence its results.
        id: the id of the job, a hash of the run's id and the criterion.
        name: a readable name that consists of feedback mode, factors and seed.
        run: the settings.
        factors: the settings that vary over the sweep, without the seed. All jobs of a group have the same factors.
        overrides: the overrides of its command line, without application settings.
        widths: the network's layer widths n_0 ... n_L. The task determined the first and the last.
        targets: the kind of the task's targets.
        flags: Hydra's flags that say where the configuration files are.
        reused: whether an earlier sweep had trained the run.
        source: the id of the earlier sweep; empty if there was none or if it is not known.
    """

    number: int
    run_id: str
    id: str
    name: str
    run: RunConfig
    factors: dict[str, Any]
    overrides: tuple[str, ...]
    widths: tuple[int, ...]
    targets: str
    flags: tuple[str, ...] = ()
    reused: bool = False
    source: str = ""

    @property
    def group(self) -> str:
        """The name of the job's group: its factors, the feedback mode first. Without factors it is the feedback mode."""
        rest = [f"{key}={_text(value)}" for key, value in self.factors.items() if key != "feedback"]
        first = [_text(self.factors["feedback"])] if "feedback" in self.factors else []
        return ", ".join(first + rest) or self.run.feedback.mode

    @property
    def reproduce(self) -> str:
        """The shell command that trains this run alone."""
        preset = any(override.lstrip("+").startswith("experiment=") for override in self.overrides)
        arguments = [*self.flags, *self.overrides, *(["hydra.mode=RUN"] if preset else [])]
        return redact(shlex.join(["python", "-m", "fa_sweep", *arguments]))


def make_jobs(runs: Iterable[Asked], flags: Sequence[str] = ()) -> list[Job]:
    """Name the runs of a sweep, merge equal jobs, and find the factors: the settings whose values vary over the sweep.

    Args:
        runs: for each job its settings, the values that its overrides set (by key), and the overrides. Jobs that have the same
            settings or values should share the objects that hold them, because results are cached per object.
        flags: Hydra's flags that say where the configuration files are.
    """
    listed = list(runs)
    varying = _varying({id(chosen): chosen for _, chosen, _ in listed}.values())
    makers: dict[int, _Maker] = {}
    jobs: dict[str, Job] = {}
    for settings, chosen, overrides in emptied(listed):
        maker = makers.get(id(chosen))
        if maker is None or not maker.makes(settings):
            factors = {name: value for name, value in chosen.items() if name in varying}
            maker = makers[id(chosen)] = _Maker(settings, factors, tuple(flags))
        job = maker.job(len(jobs), settings, tuple(overrides))
        jobs.setdefault(job.id, job)
    return list(jobs.values())


def emptied(items: list[T]) -> Iterator[T]:
    """Yield the items of a list in order and remove each from it, so that a million inputs do not stay in memory."""
    items.reverse()
    while items:
        yield items.pop()


def _varying(choices: Iterable[dict[str, Any]]) -> set[str]:
    values: dict[str, set[str]] = {}
    for chosen in choices:
        for key, value in chosen.items():
            values.setdefault(key, set()).add(_text(value))
    return {key for key, seen in values.items() if len(seen) > 1 and key != "seed"}


class _Maker:
    """Makes jobs that differ only in their seeds."""

    def __init__(self, run: RunConfig, factors: dict[str, Any], flags: tuple[str, ...]) -> None:
        self._run = run
        self._ids, self._factors, self._flags = identify_seeds(run), factors, flags
        self._widths, self._targets = tuple(widths_of(run)), task_of(run).targets
        self._name = _name(run, factors)

    def makes(self, run: RunConfig) -> bool:
        """Whether a run certainly differs from this object's run in nothing but the seed (see `differ_in_seed_alone`)."""
        return differ_in_seed_alone(run, self._run)

    def job(self, number: int, run: RunConfig, overrides: tuple[str, ...]) -> Job:
        run_id, job_id = self._ids(run.seed)
        name = f"{self._name}-s{run.seed:03d}"
        run = run if type(run) is RunConfig else run_alone(run)  # workers must not receive the tracking URI
        return Job(number, run_id, job_id, name, run, self._factors, overrides, self._widths, self._targets, self._flags)


def _name(run: RunConfig, settings: Mapping[str, Any]) -> str:
    """Return a run's name without its seed: the feedback mode and the settings, such as `random-train.lr=0.1`."""
    mode = run.feedback.mode
    listed = [f"{k}={_text(v)}" for k, v in settings.items() if k not in ("feedback", "feedback.mode") or v != mode]
    return "-".join([mode, *listed])


def named_after(job: Job, settings: Mapping[str, Any]) -> Job:
    """Return a copy of a job that is named after its feedback mode, these settings (by key) and its seed."""
    return replace(job, name=f"{_name(job.run, settings)}-s{job.run.seed:03d}")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def jobs_bytes(jobs: Iterable[Job]) -> bytes:
    """Return the content of the job table's file. It has the resolved settings of every job, and no secrets."""
    listed = list(jobs)
    columns = {
        "run_id": texts([job.run_id for job in listed]),
        "id": texts([job.id for job in listed]),
        "name": texts([job.name for job in listed]),
        "group": texts([job.group for job in listed]),
        "reused": numbers(np.array([job.reused for job in listed], np.uint8)),
        "source": texts([job.source for job in listed]),
        "factors": texts([json.dumps(job.factors) for job in listed]),
        "overrides": _lists_of_texts([list(map(redact, job.overrides)) for job in listed]),
        "widths": lists(
            [len(job.widths) for job in listed], numbers(np.array([w for job in listed for w in job.widths], np.int64))
        ),
        "targets": texts([job.targets for job in listed]),
        "flags": _lists_of_texts([list(map(redact, job.flags)) for job in listed]),
        "settings": texts([json.dumps(nested_settings(job.run)) for job in listed]),
    }
    return table_bytes(columns)


def _lists_of_texts(values: Sequence[Sequence[str]]) -> Any:
    return lists([len(value) for value in values], texts([text for value in values for text in value]))


def read_job_run_ids(folder: Path, sha256: str = "") -> set[str]:
    """Read the ids of the runs of a sweep, even if this installation does not know their settings.

    Args:
        folder: the sweep's folder.
        sha256: the SHA-256 that the sweep's record gives for the file; empty if it gives none.

    Raises:
        Unreadable: the table is damaged.
    """
    try:
        return set(map(str, _table(folder, sha256).column("run_id").to_pylist()))
    except KeyError as error:
        raise Unreadable(f"{folder / TABLE} is damaged, or is not a table of jobs: {error}") from error


def _table(folder: Path, sha256: str) -> Any:
    path = folder / TABLE
    content = read_bytes(path)
    if sha256 and digest(content) != sha256:
        content = _next_table(folder)  # if a process ended while it added jobs (see `Sweep.extend`)
        if digest(content) != sha256:
            raise Unreadable(f"{path} is damaged: its content is not what was written")
    return table_of(content, path)


def _next_table(folder: Path) -> bytes:
    try:
        return read_bytes(folder / NEXT_TABLE)
    except (OSError, Unreadable):
        return b""


def read_jobs(folder: Path, sha256: str = "") -> list[Job]:
    """Read the job table of a sweep.

    Args:
        folder: the sweep's folder.
        sha256: the SHA-256 that the sweep's record gives for the file; empty if it gives none.

    Raises:
        Unreadable: the table is damaged.
        ConfigError: a job has settings that this installation does not know.
    """
    path, table = folder / TABLE, _table(folder, sha256)
    shared: dict[Any, Any] = {}
    try:
        return [_job(number, row, shared) for number, row in enumerate(table.to_pylist())]
    except ConfigError as error:
        remedy = "install the package that it comes from, or the version of fa_sweep that wrote it"
        raise ConfigError(f"{folder.name} needs something that is not installed here: {error}; {remedy}") from error
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise Unreadable(f"{path} is damaged, or is not a table of jobs: {type(error).__name__}: {error}") from error


def _job(number: int, row: dict[str, Any], shared: dict[Any, Any]) -> Job:
    return Job(
        number=number,
        run_id=row["run_id"],
        id=row["id"],
        name=row["name"],
        run=build(RunConfig, json.loads(row["settings"]), shared=shared),
        factors=json.loads(row["factors"]),
        overrides=tuple(row["overrides"]),
        widths=tuple(row["widths"]),
        targets=row["targets"],
        flags=tuple(row["flags"]),
        reused=bool(row["reused"]),
        source=row.get("source", ""),
    )
