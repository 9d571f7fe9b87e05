"""Read a sweep back from MLflow, and restore the jobs and records that it was imported from.

Searches are read page by page, so MLflow's limit on the length of an answer cuts nothing off.
"""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fa_sweep.checks import shown
from fa_sweep.engine.evaluation import metric_names
from fa_sweep.errors import ConfigError
from fa_sweep.settings.build import build
from fa_sweep.settings.identity import unflatten
from fa_sweep.settings.schema import RunConfig
from fa_sweep.sweeping.jobs import Job
from fa_sweep.sweeping.shards import Record
from fa_sweep.tracking import tagnames
from fa_sweep.tracking.content import ENVIRONMENT_TAGS, OVERLONG
from fa_sweep.tracking.database import require_whole, why_not
from fa_sweep.tracking.places import PLACES, experiment_name
from fa_sweep.tracking.stores.connection import connect, search
from fa_sweep.tracking.stores.schema import open_tables, table
from fa_sweep.tracking.uris import public, sqlite_file

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from sqlalchemy import Engine

RUNS_PER_QUERY = 200
TIMEOUT_S = 30.0
Points = dict[str, list[tuple[int, float]]]


@dataclass(frozen=True)
class TrackedSweep:
    """A sweep as MLflow holds it.

    Attributes:
        id: The sweep's id.
        source: The URI of the store, without a password.
        tags: The tags of the parent run.
        jobs: The jobs of the child runs, in the order of their numbers.
        records: The records of the finished runs, by run id. Values that MLflow did not get are NaN.
        failed: The errors of the failed runs, by the run's name.
    """

    id: str
    source: str
    tags: dict[str, str]
    jobs: list[Job]
    records: dict[str, Record]
    failed: dict[str, str]


def sweep_ids(uri: str, experiment: str, called: Sequence[str] = ()) -> list[str]:
    """Return the ids of sweeps of an MLflow experiment, oldest first. Sweeps that others supersede are left out.

    Args:
        uri: The store's URI.
        experiment: The experiment's name.
        called: For each sweep its id, or a part of it that no other id has; by default all sweeps.

    Raises:
        ConfigError: If the database or the experiment does not exist, or if a word fits no sweep, or several.
        TrackingError: If a SQLite file does not have the tables of the installed MLflow.
    """
    parents = _parents(uri, experiment, {})[1]
    ids = [run.data.tags[tagnames.SWEEP] for run in parents if tagnames.SUPERSEDED not in run.data.tags]
    if not parents:
        raise ConfigError(f"--experiment is {experiment!r}; it holds no sweep")
    every = [run.data.tags[tagnames.SWEEP] for run in parents]
    for word in called:
        hits = [each for each in every if each == word] or [each for each in every if word in each]
        if len(hits) != 1:
            what = f"{len(hits)} sweeps" if hits else "no sweep"
            listed = ", ".join((hits or every)[-5:])
            raise ConfigError(f"--experiment is {experiment!r}; {shown(word)} fits {what} there; there are {listed}")
    return [next(each for each in every if word in each) for word in called] or ids


def _parents(uri: str, experiment: str, tags: Mapping[str, str]) -> "tuple[MlflowClient, list[Any], list[str]]":
    """Return a client, the parents of the sweeps that have these tags, oldest first, and the experiments."""
    _require_database(uri)
    client = connect(uri)
    found = [client.get_experiment_by_name(experiment_name(experiment, place)) for place in PLACES]
    if found[0] is None:
        raise ConfigError(f"--experiment is {experiment!r}; {public(uri)} has no experiment of that name")
    ids = [one.experiment_id for one in found if one is not None]
    parents = _all(client, ids[:1], {tagnames.KIND: "sweep", **tags})
    return client, sorted(parents, key=lambda run: run.info.start_time), ids


def read_sweep(uri: str, experiment: str, sweep_id: str) -> TrackedSweep:
    """Read one sweep of an MLflow experiment.

    Args:
        uri: The store's URI.
        experiment: The experiment's name.
        sweep_id: The sweep's id.

    Raises:
        ConfigError: If the database, the experiment or the sweep does not exist, or if MLflow does not have the full
            histories of the sweep.
        TrackingError: If a SQLite file does not have the tables of the installed MLflow.
    """
    client, parents, ids = _parents(uri, experiment, {tagnames.SWEEP: sweep_id})
    if not parents:
        raise ConfigError(f"--experiment is {experiment!r}; it holds no sweep {sweep_id!r}")
    parent = parents[-1]
    if (history := parent.data.tags.get(tagnames.HISTORY, "full")) != "full":
        raise ConfigError(
            f"--uri is {public(uri)}; it has {history} histories of sweep {parent.data.tags['fa_sweep.sweep']}, too little for "
            "statistics: report from the ledger (without --experiment), or track with tracking.history=full"
        )
    children = [run for run in _all(client, ids, {tagnames.PARENT: parent.info.run_id}) if tagnames.KIND not in run.data.tags]
    children.sort(key=lambda run: int(run.data.tags[tagnames.NUMBER]))
    jobs = [_job(client, run) for run in children]
    finished = [(job, run) for job, run in zip(jobs, children, strict=True) if run.info.status == "FINISHED"]
    histories = _histories(client, uri, [run for _, run in finished])
    records = {job.run_id: _record(job, run, points) for (job, run), points in zip(finished, histories, strict=True)}
    failed = {run.info.run_name: run.data.tags.get(tagnames.ERROR, "") for run in children if run.info.status == "FAILED"}
    return TrackedSweep(parent.data.tags[tagnames.SWEEP], public(uri), dict(parent.data.tags), jobs, records, failed)


def _require_database(uri: str) -> None:
    """Raise an error if a SQLite database is missing or does not have its tables, because MLflow would create or migrate it."""
    file = sqlite_file(uri)
    if file is None:
        return
    if not file.exists():
        raise ConfigError(f"--uri is {public(uri)}; there is no such database")
    if (wrong := why_not(file)) is not None:
        raise ConfigError(f"--uri is {public(uri)}; {wrong}")
    engine = open_tables(uri, TIMEOUT_S)
    if engine is None:
        require_whole(file)
    else:
        engine.dispose()


def _all(client: "MlflowClient", experiment_ids: Sequence[str], tags: Mapping[str, str]) -> list[Any]:
    return [run for page in search(client, experiment_ids, tags) for run in page]


def _job(client: "MlflowClient", run: Any) -> Job:
    tags, params = dict(run.data.tags), dict(run.data.params)
    if tagnames.OVERLONG in tags:
        whole = json.loads(Path(client.download_artifacts(run.info.run_id, OVERLONG)).read_text(encoding="utf-8"))
        params |= {key: value for key, value in whole.items() if key in params}
        tags |= {key: value for key, value in whole.items() if key in tags}
    _, _, _, *arguments = shlex.split(tags[tagnames.REPRODUCE])
    return Job(
        number=int(tags[tagnames.NUMBER]),
        run_id=tags[tagnames.RUN_ID],
        id=tags[tagnames.JOB_ID],
        name=tags.get(tagnames.NAME, run.info.run_name),
        run=build(RunConfig, unflatten({key: _value(text) for key, text in params.items()})),
        factors=json.loads(tags[tagnames.FACTORS]),
        overrides=tuple(a for a in arguments if a != "hydra.mode=RUN" and not a.startswith("--")),
        widths=tuple(json.loads(tags[tagnames.WIDTHS])),
        targets=tags[tagnames.TARGETS],
        flags=tuple(a for a in arguments if a.startswith("--")),
        reused=tags.get(tagnames.REUSED) == "true",
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
    environment = json.loads(run.data.tags[tagnames.VERSIONS]) | {name: run.data.tags[name] for name in ENVIRONMENT_TAGS}
    diverged = run.data.metrics.get("diverged_at_step", -1)
    duration_s = (run.info.end_time - run.info.start_time) / 1000
    return Record(job.run_id, steps, metrics, int(diverged), int(run.info.end_time), duration_s, environment)


def _histories(client: "MlflowClient", uri: str, runs: Sequence[Any]) -> Iterator[Points]:
    """Yield, for each of the runs in turn, all points (step, value) that MLflow has, by metric."""
    engine = open_tables(uri, TIMEOUT_S)
    for start in range(0, len(runs), RUNS_PER_QUERY):
        some = runs[start : start + RUNS_PER_QUERY]
        if engine is not None:
            found = _from_tables(engine, [run.info.run_id for run in some])
            yield from (found.get(run.info.run_id, {}) for run in some)
        else:
            with ThreadPoolExecutor(8) as pool:
                yield from pool.map(lambda run: _from_client(client, run), some)


def _from_client(client: "MlflowClient", run: Any) -> Points:
    """Return a run's points by metric.

    Each metric takes its own request, because MLflow cuts the answer for several metrics at 25,000 points.
    """
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
