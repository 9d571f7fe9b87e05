"""Jobs of a sweep: what each run is called, which factors set it apart, and the table that lists them all."""

import json
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fa_sweep.checks import ConfigError
from fa_sweep.config import build
from fa_sweep.identity import RUN_SETTINGS, identify, nested_settings
from fa_sweep.schema import RunConfig
from fa_sweep.secrets import redact
from fa_sweep.stack import widths_of
from fa_sweep.sweep.storage import Unreadable, digest, lists, numbers, read_bytes, table_bytes, table_of, texts
from fa_sweep.tasks import make_task

TABLE = "jobs.parquet"


@dataclass(frozen=True, slots=True)
class Job:
    """One run of a sweep, the `number`-th; `id` tells it from the same run judged in another way.

    `factors`: the swept settings that set its group apart, seed aside; `overrides`: its command line, application
    settings aside; `widths` n_0 ... n_L of the network and `targets`, what kind they are, as the task had them; `flags`:
    Hydra's flags that say where configurations lie; `reused`: an earlier sweep had trained it, the one whose id is `source`.
    Two jobs may share a run: judged by another criterion or hold.
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
        """The name of the job's group: its factors, the feedback mode by its bare name."""
        rest = [f"{key}={_text(value)}" for key, value in self.factors.items() if key != "feedback"]
        first = [_text(self.factors["feedback"])] if "feedback" in self.factors else []
        return ", ".join(first + rest) or self.run.feedback.mode

    @property
    def reproduce(self) -> str:
        """A command that runs this one run."""
        preset = any(override.lstrip("+").startswith("experiment=") for override in self.overrides)
        arguments = [*self.flags, *self.overrides, *(["hydra.mode=RUN"] if preset else [])]
        return shlex.join(["python", "-m", "fa_sweep", *arguments])


def make_jobs(runs: Sequence[tuple[RunConfig, dict[str, Any], Sequence[str]]], flags: Sequence[str] = ()) -> list[Job]:
    """Name the runs of a sweep, each given with what its overrides set and with the overrides; merge equal ones.

    A setting is a factor where its value varies over the sweep.
    """
    values: dict[str, set[str]] = {}
    for _, chosen, _ in runs:
        for key, value in chosen.items():
            values.setdefault(key, set()).add(_text(value))
    varying = {key for key, seen in values.items() if len(seen) > 1 and key != "seed"}
    jobs: dict[str, Job] = {}
    for settings, chosen, overrides in runs:
        run = RunConfig(**{name: getattr(settings, name) for name in RUN_SETTINGS})  # a tracking URI goes to no worker
        factors = {key: value for key, value in chosen.items() if key in varying}
        widths, targets, (run_id, job_id) = tuple(widths_of(run)), make_task(run.task).targets, identify(run)
        name, given = _name(run, factors), tuple(map(redact, overrides))
        jobs.setdefault(job_id, Job(len(jobs), run_id, job_id, name, run, factors, given, widths, targets, tuple(flags)))
    return list(jobs.values())


def _name(run: RunConfig, factors: dict[str, Any]) -> str:
    mode = run.feedback.mode
    between = [f"{k}={_text(v)}" for k, v in factors.items() if k not in ("feedback", "feedback.mode") or v != mode]
    return "-".join([mode, *between, f"s{run.seed:03d}"])


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def jobs_bytes(jobs: Iterable[Job]) -> bytes:
    """Return the content of the job table, resolved settings included."""
    listed = list(jobs)
    columns = {
        "run_id": texts([job.run_id for job in listed]),
        "id": texts([job.id for job in listed]),
        "name": texts([job.name for job in listed]),
        "group": texts([job.group for job in listed]),
        "reused": numbers(np.array([job.reused for job in listed], np.uint8)),
        "source": texts([job.source for job in listed]),
        "factors": texts([json.dumps(job.factors) for job in listed]),
        "overrides": _lists_of_texts([job.overrides for job in listed]),
        "widths": lists(
            [len(job.widths) for job in listed], numbers(np.array([w for job in listed for w in job.widths], np.int64))
        ),
        "targets": texts([job.targets for job in listed]),
        "flags": _lists_of_texts([job.flags for job in listed]),
        "settings": texts([json.dumps(nested_settings(job.run)) for job in listed]),
    }
    return table_bytes(columns)


def _lists_of_texts(values: Sequence[Sequence[str]]) -> Any:
    return lists([len(value) for value in values], texts([text for value in values for text in value]))


def read_jobs(folder: Path, sha256: str = "") -> list[Job]:
    """Return the jobs of a sweep's table; `sha256` is what its record says of the file, empty where it says nothing.

    Raises Unreadable for a table that is damaged, and ConfigError for settings that this installation does not have.
    """
    path = folder / TABLE
    content = read_bytes(path)
    if sha256 and digest(content) != sha256:
        raise Unreadable(f"{path} is damaged: its content is not what was written")
    table = table_of(content, path)
    shared: dict[Any, Any] = {}
    try:
        return [_job(number, row, shared) for number, row in enumerate(table.to_pylist())]
    except ConfigError:
        raise
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise Unreadable(f"{path} is damaged, or is no table of jobs: {type(error).__name__}: {error}") from error


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
