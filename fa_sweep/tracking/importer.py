"""Import a sweep's ledger into MLflow: one parent run a sweep, one child a run. Idempotent: what is there stays.

Called by the launching process alone, after the ledger has everything. mlflow is imported inside the functions that need
it: that takes seconds.
"""

import json
import logging
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from fa_sweep.checks import ConfigError
from fa_sweep.schema import TrackingConfig
from fa_sweep.sweep.folder import OUTPUTS, Sweep
from fa_sweep.sweep.jobs import Job
from fa_sweep.sweep.ledger import Record
from fa_sweep.tasks import make_task
from fa_sweep.tracking.bulk import insert_children, sql_engine
from fa_sweep.tracking.content import OVERLONG, RunContent, job_content, settings_csv, sweep_content

if TYPE_CHECKING:
    from mlflow import MlflowClient

T = TypeVar("T")

METRICS_PER_BATCH, PARAMS_PER_BATCH = 900, 100  # MLflow takes 1,000 values a call, 100 of them parameters


class TrackingError(Exception):
    """MLflow could not take what the ledger holds; the message is one line."""


@dataclass(frozen=True)
class Imported:
    """What an import did: the parent (or single) run, how many runs it made, and whether all had been there before."""

    run_id: str
    created: int
    found_complete: bool


def import_sweep(sweep: Sweep, outputs: Path = OUTPUTS, records: Mapping[str, Record] | None = None) -> Imported:
    """Bring a sweep into the store that its record names. Raises TrackingError; calling again goes on from there.

    `records`: its finished runs, where the caller has read them already.
    """
    tracking = TrackingConfig(**sweep.record["tracking"])
    with reported():
        known = sweep.records(outputs) if records is None else records
        result = _Import(connect(tracking.uri), sweep, known, absolute(tracking.uri), tracking, outputs).run()
    sweep.mark_tracked(asdict(result))
    return result


def attach_report(sweep: Sweep, folder: Path, curves: Sequence[tuple[str, float, int]]) -> None:
    """Log a report's folder and curves of groups, (name, value, step) each, on the run that MLflow has of a sweep.

    Raises TrackingError.
    """
    with reported():
        from mlflow.entities import Metric

        client, run_id = connect(sweep.record["tracking"]["uri"]), sweep.tracked["run_id"]
        for document in folder.glob("report.*"):
            client.log_artifact(run_id, str(document), "report")
        for part in ("figures", "tables"):
            client.log_artifacts(run_id, str(folder / part), f"report/{part}")
        # The parent's own time, so that logging them again gives the same rows.
        moment = client.get_run(run_id).info.start_time
        points = [Metric(name, value, moment, step) for name, value, step in curves]
        for some in _chunks(points, METRICS_PER_BATCH):
            client.log_batch(run_id, metrics=some)


def connect(uri: str) -> "MlflowClient":
    """Return MLflow's client for a tracking URI, quiet and without telemetry."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")  # the ledger can wait, a person should not
    from mlflow import MlflowClient

    for name in ("alembic", "mlflow"):  # after the import, which sets them
        logging.getLogger(name).setLevel(logging.WARNING)
    database = sqlite_file(uri)
    if database is None or database.exists():
        return MlflowClient(tracking_uri=absolute(uri))
    database.parent.mkdir(parents=True, exist_ok=True)
    # Two processes that make one database at once: one of them finds it half-made, and has to look again.
    for _ in range(2):
        try:
            return MlflowClient(tracking_uri=absolute(uri))
        except Exception:
            time.sleep(4)
    return MlflowClient(tracking_uri=absolute(uri))


@contextmanager
def reported() -> Iterator[None]:
    """Turn whatever a store, a driver or a network can raise into a TrackingError of one line: the ledger has it all."""
    try:
        yield
    except (TrackingError, ConfigError):
        raise
    except Exception as error:
        raise TrackingError(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}") from error


def absolute(uri: str) -> str:
    """Return a tracking URI that means the same from any folder: MLflow keeps stores by URI, whatever the folder was."""
    database = sqlite_file(uri)
    return uri.replace(uri.removeprefix("sqlite:///").split("?")[0], str(database), 1) if database else uri


def sqlite_file(uri: str) -> Path | None:
    """Return the absolute path of a SQLite tracking URI's file, None for any other URI."""
    if not uri.startswith("sqlite:///"):
        return None
    return Path(uri.removeprefix("sqlite:///").split("?")[0]).absolute()


class _Import:
    """One sweep on its way into one experiment."""

    def __init__(
        self,
        client: "MlflowClient",
        sweep: Sweep,
        records: Mapping[str, Record],
        uri: str,
        tracking: TrackingConfig,
        outputs: Path,
    ) -> None:
        self.client, self.sweep, self.uri, self.all_histories = client, sweep, uri, tracking.metrics == "all"
        self.records, self.failures = records, sweep.failures
        self.experiment = self._experiment(tracking, outputs)
        self.location = str(client.get_experiment(self.experiment).artifact_location)
        self.created = 0

    def _experiment(self, tracking: TrackingConfig, outputs: Path) -> str:
        name = tracking.experiment
        experiment = self.client.get_experiment_by_name(name)
        if experiment is not None:
            if experiment.lifecycle_stage != "active":
                raise TrackingError(f"tracking.experiment is {name!r}, which is deleted; restore it or name another")
            return str(experiment.experiment_id)
        # A database has no place of its own for artifacts: left alone, MLflow would put them into ./mlruns.
        served = self.uri.startswith(("http:", "https:")) or "://" not in self.uri
        folder = re.sub(r"[^\w.-]+", "_", name).strip("._") or "experiment"
        location = None if served else (outputs / "artifacts" / folder).resolve().as_uri()
        return str(self.client.create_experiment(name, artifact_location=location))

    def run(self) -> Imported:
        if self.sweep.record["single"]:
            job = self.sweep.jobs[0]
            there = self._search(f"tags.`fa_sweep.job_id` = '{job.id}' and attributes.status = 'FINISHED'")
            if there:
                return Imported(there[0].info.run_id, 0, found_complete=True)
            return Imported(self._import_job(job, {}, None), self.created, found_complete=False)
        same = f"tags.`fa_sweep.sweep_hash` = '{self.sweep.hash}' and tags.`fa_sweep.complete` = 'true'"
        if complete := self._search(same):
            return Imported(complete[0].info.run_id, 0, found_complete=True)
        content = sweep_content(self.sweep, self.records)
        parent = self._parent(content)
        there = self._search(f"tags.`mlflow.parentRunId` = '{parent}'")
        children = {run.data.tags["fa_sweep.job_id"]: run for run in there}
        self._import_jobs(children, parent)
        if content.status == "FINISHED":
            self.client.set_tag(parent, "fa_sweep.complete", "true")
        self.client.set_terminated(parent, content.status, end_time=content.ended_at_ms)
        return Imported(parent, self.created, found_complete=False)

    def _search(self, condition: str) -> list[Any]:
        found: list[Any] = []
        token = None
        while True:
            page = self.client.search_runs([self.experiment], condition, max_results=1000, page_token=token)
            found += page
            token = page.token
            if not token:
                return found

    def _parent(self, content: RunContent) -> str:
        """Find the parent that an interrupted import began, or make one."""
        mine = f"tags.`fa_sweep.sweep` = '{self.sweep.id}' and tags.`fa_sweep.kind` = 'sweep'"
        if begun := self._search(mine):
            return str(begun[0].info.run_id)
        run_id = self._create(content, None)
        self.client.log_text(run_id, settings_csv(self.sweep.jobs), "configs.csv")
        self._log_datasets(run_id)
        return run_id

    def _log_datasets(self, run_id: str) -> None:
        from mlflow.entities import Dataset, DatasetInput

        datasets = {}
        for settings in {repr(job.run.task): job.run.task for job in self.sweep.jobs}.values():
            try:
                task = make_task(settings)
            except ConfigError:
                continue  # its file has changed or gone since the runs were trained: there is nothing true to say of it
            sizes = {"evaluation": len(task.evaluation.inputs)}
            if task.training is not None:
                sizes["training"] = len(task.training.inputs)
            source = json.dumps({"fa_sweep.task": asdict(settings)})
            datasets[task.digest] = Dataset(settings.name, task.digest, "code", source, profile=json.dumps(sizes))
        self.client.log_inputs(run_id, datasets=[DatasetInput(dataset) for dataset in datasets.values()])

    def _import_jobs(self, children: dict[str, Any], parent: str) -> None:
        """Bring all jobs in: in bulk where the store allows it, else one by one."""
        engine = sql_engine(self.uri, self.location)
        one_by_one = [] if engine is not None else list(self.sweep.jobs)

        def in_bulk() -> Iterator[RunContent]:
            """Yield the runs that are not there yet, made one at a time: ten thousand at once would take a gigabyte."""
            for job in self.sweep.jobs:
                record = self.records.get(job.run_id)
                if job.id in children or (record is None and job.run_id not in self.failures):
                    one_by_one.append(job)
                    continue
                content = job_content(job, self.sweep, record, all_histories=self.all_histories)
                if content.overlong:  # those have an artifact, which is MLflow's to store
                    one_by_one.append(job)
                else:
                    yield content

        if engine is not None:
            self.created += insert_children(engine, self.experiment, self.location, parent, in_bulk())
        for job in one_by_one:
            self._import_job(job, children, parent)

    def _import_job(self, job: Job, children: dict[str, Any], parent: str | None) -> str:
        """Bring one job in, finished or failed; one that was never trained is left out. Returns MLflow's run id, if any."""
        child = children.get(job.id)
        if child is not None and child.info.status in ("FINISHED", "FAILED"):
            return str(child.info.run_id)
        record = self.records.get(job.run_id)
        if record is None and job.run_id not in self.failures:
            return ""
        content = job_content(job, self.sweep, record, all_histories=self.all_histories)
        run_id = self._create(content, parent) if child is None else str(child.info.run_id)
        self._log_values(run_id, content)
        self.client.set_terminated(run_id, content.status, end_time=content.ended_at_ms)
        self.created += 1
        return run_id

    def _create(self, content: RunContent, parent: str | None) -> str:
        tags = content.tags | ({"mlflow.parentRunId": parent} if parent else {})
        run = self.client.create_run(self.experiment, content.started_at_ms, tags, content.name)
        if content.overlong:
            self.client.log_dict(run.info.run_id, content.overlong, OVERLONG)
        return str(run.info.run_id)

    def _log_values(self, run_id: str, content: RunContent) -> None:
        """Log parameters and metrics; again gives the same rows, since their time is the ledger's."""
        from mlflow.entities import Metric, Param

        metrics = [Metric(name, value, content.ended_at_ms, step) for name, value, step in content.metrics]
        params = [Param(key, value) for key, value in content.params.items()]
        for some, few in zip_longest(_chunks(metrics, METRICS_PER_BATCH), _chunks(params, PARAMS_PER_BATCH), fillvalue=()):
            self.client.log_batch(run_id, metrics=some, params=few)


def _chunks(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
