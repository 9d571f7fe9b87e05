"""Read a sweep back from MLflow: the jobs and records that its import was made from. Nothing is cut: every call is paged."""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fa_sweep.checks import ConfigError
from fa_sweep.config import build
from fa_sweep.evaluation import metric_names
from fa_sweep.identity import unflatten
from fa_sweep.schema import RunConfig
from fa_sweep.sweep.jobs import Job
from fa_sweep.sweep.ledger import Record
from fa_sweep.tracking.content import ENVIRONMENT_TAGS, HISTORY_TAG, OVERLONG
from fa_sweep.tracking.stores.client import connect, search
from fa_sweep.tracking.stores.tables import open_tables, table
from fa_sweep.tracking.uris import public, sqlite_file

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from sqlalchemy import Engine

RUNS_PER_QUERY = 200
Points = dict[str, list[tuple[int, float]]]


@dataclass(frozen=True)
class TrackedSweep:
    """A sweep as MLflow holds it: the parent's tags, the jobs of its children in order, records of the finished ones."""

    id: str
    source: str
    tags: dict[str, str]
    jobs: list[Job]
    records: dict[str, Record]
    failed: dict[str, str]


def read_sweep(uri: str, experiment: str, sweep_id: str | None = None) -> TrackedSweep:
    """Read a sweep of an experiment, the newest by default. Raises ConfigError where there is none."""
    database = sqlite_file(uri)
    if database and not database.exists():
        raise ConfigError(f"--uri is {uri}; there is no such database")
    client = connect(uri)
    found = client.get_experiment_by_name(experiment)
    if found is None:
        raise ConfigError(f"--experiment is {experiment!r}; {public(uri)} has no experiment of that name")
    condition = "tags.`fa_sweep.kind` = 'sweep'" + (f" and tags.`fa_sweep.sweep` = '{sweep_id}'" if sweep_id else "")
    parents = search(client, found.experiment_id, condition)
    if not parents:
        raise ConfigError(f"--experiment is {experiment!r}; it holds no sweep" + (f" {sweep_id!r}" if sweep_id else ""))
    parent = max(parents, key=lambda run: run.info.start_time)
    if (history := parent.data.tags.get(HISTORY_TAG, "full")) != "full":
        raise ConfigError(
            f"--uri is {public(uri)}; it has {history} histories of sweep {parent.data.tags['fa_sweep.sweep']}, too little for "
            "statistics: report from the ledger (without --uri), or track with tracking.history=full"
        )
    children = search(client, found.experiment_id, f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    children.sort(key=lambda run: int(run.data.tags["fa_sweep.number"]))
    jobs = [_job(client, run) for run in children]
    finished = [(job, run) for job, run in zip(jobs, children, strict=True) if run.info.status == "FINISHED"]
    histories = _histories(client, uri, [run for _, run in finished])
    records = {job.run_id: _record(job, run, points) for (job, run), points in zip(finished, histories, strict=True)}
    failed = {run.info.run_name: run.data.tags.get("error", "") for run in children if run.info.status == "FAILED"}
    return TrackedSweep(parent.data.tags["fa_sweep.sweep"], public(uri), dict(parent.data.tags), jobs, records, failed)


def _job(client: "MlflowClient", run: Any) -> Job:
    tags, params = run.data.tags, dict(run.data.params)
    if "fa_sweep.overlong" in tags:
        path = client.download_artifacts(run.info.run_id, OVERLONG)
        params |= {k: v for k, v in json.loads(Path(path).read_text(encoding="utf-8")).items() if k in params}
    _, _, _, *arguments = shlex.split(tags["reproduce"])
    return Job(
        number=int(tags["fa_sweep.number"]),
        run_id=tags["fa_sweep.run_id"],
        id=tags["fa_sweep.job_id"],
        name=run.info.run_name,
        run=build(RunConfig, unflatten({key: _value(text) for key, text in params.items()})),
        factors=json.loads(tags["fa_sweep.factors"]),
        overrides=tuple(a for a in arguments if a != "hydra.mode=RUN" and not a.startswith("--")),
        widths=tuple(json.loads(tags["fa_sweep.widths"])),
        targets=tags["fa_sweep.targets"],
        flags=tuple(a for a in arguments if a.startswith("--")),
        reused=tags.get("fa_sweep.reused") == "true",
    )


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _record(job: Job, run: Any, points: Points) -> Record:
    steps = np.array(job.run.train.evaluation_steps())
    place = {int(step): number for number, step in enumerate(steps)}
    metrics = {name: np.full(len(steps), np.nan) for name in metric_names(len(job.widths) - 1, job.targets)}
    for name, values in points.items():
        for step, value in values:
            if name in metrics:
                metrics[name][place[step]] = value
    environment = json.loads(run.data.tags["versions"]) | {name: run.data.tags[name] for name in ENVIRONMENT_TAGS}
    diverged = run.data.metrics.get("diverged_at_step", -1)
    duration_s = (run.info.end_time - run.info.start_time) / 1000
    return Record(job.run_id, steps, metrics, int(diverged), int(run.info.end_time), duration_s, environment)


def _histories(client: "MlflowClient", uri: str, runs: Sequence[Any]) -> Iterator[Points]:
    """Yield each run's points by metric: whole histories of the main ones, the last value of all others."""
    engine = open_tables(uri)
    for start in range(0, len(runs), RUNS_PER_QUERY):
        some = runs[start : start + RUNS_PER_QUERY]
        if engine is not None:
            found = _from_tables(engine, [run.info.run_id for run in some])
            yield from (found.get(run.info.run_id, {}) for run in some)
        else:
            with ThreadPoolExecutor(8) as pool:
                yield from pool.map(lambda run: _from_client(client, run), some)


def _from_client(client: "MlflowClient", run: Any) -> Points:
    """Ask for one metric at a time: the call for many is cut at 25,000 points."""
    names: Mapping[str, float] = run.data.metrics
    histories = {name: client.get_metric_history(run.info.run_id, name) for name in names}
    return {name: [(m.step, m.value) for m in history] for name, history in histories.items()}


def _from_tables(engine: "Engine", run_ids: Sequence[str]) -> dict[str, Points]:
    from sqlalchemy import select

    found: dict[str, Points] = {}
    metrics = table("metrics").c
    columns = (metrics.run_uuid, metrics.key, metrics.step, metrics.value)
    with engine.connect() as connection:
        rows: Any = connection.execute(select(*columns).where(metrics.run_uuid.in_(run_ids)))
        for row in rows:
            found.setdefault(row.run_uuid, {}).setdefault(row.key, []).append((row.step, row.value))
    return found
