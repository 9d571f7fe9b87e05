"""Any store through MLflow's own client: servers, and tables of a schema that nobody has proved.

mlflow is imported here alone, inside the functions that need it: that takes seconds.
"""

import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from fa_sweep.tracking.content import OVERLONG, DatasetContent, RunContent
from fa_sweep.tracking.stores.base import ENDED, Store, StoredRun, TrackingError
from fa_sweep.tracking.uris import absolute, sqlite_file

if TYPE_CHECKING:
    from mlflow import MlflowClient

T = TypeVar("T")

METRICS_PER_BATCH, PARAMS_PER_BATCH = 900, 100  # MLflow takes 1,000 values a call, 100 of them parameters


def connect(uri: str) -> "MlflowClient":
    """Return MLflow's client for a tracking URI, quiet and without telemetry; makes or migrates a database."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")  # the ledger can wait, a person should not
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # two lines a run
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


def search(client: "MlflowClient", experiment_id: str, condition: str) -> list[Any]:
    """Return all runs of an experiment that meet a condition in MLflow's language."""
    found: list[Any] = []
    token = None
    while True:
        page = client.search_runs([experiment_id], condition, max_results=1000, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


class ClientStore(Store):
    """One experiment, made where it is not there: with artifacts at `location`, or where the server has them."""

    def __init__(self, client: "MlflowClient", name: str, location: str | None) -> None:
        self.client = client
        experiment = client.get_experiment_by_name(name)
        if experiment is not None and experiment.lifecycle_stage != "active":
            raise TrackingError(f"tracking.experiment is {name!r}, which is deleted; restore it or name another")
        if experiment is None:
            experiment = self._create_experiment(name, location)
        self.experiment_id = str(experiment.experiment_id)

    def _create_experiment(self, name: str, location: str | None) -> Any:
        from mlflow.exceptions import MlflowException

        try:
            self.client.create_experiment(name, artifact_location=location)
        except MlflowException:  # another sweep was quicker, or nobody can
            if self.client.get_experiment_by_name(name) is None:
                raise
        return self.client.get_experiment_by_name(name)

    def find(self, tags: Mapping[str, str]) -> list[StoredRun]:
        condition = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
        found = search(self.client, self.experiment_id, condition)
        return [StoredRun(run.info.run_id, run.info.status, dict(run.data.tags)) for run in found]

    def begin(self, content: RunContent) -> str:
        run = self.client.create_run(self.experiment_id, content.started_at_ms, content.tags, content.name)
        return str(run.info.run_id)

    def end(self, run_id: str, content: RunContent, tags: Mapping[str, str]) -> None:
        for name, value in tags.items():
            self.client.set_tag(run_id, name, value)
        self.client.set_terminated(run_id, content.status, end_time=content.ended_at_ms)

    def add(self, contents: Iterable[RunContent], parent: str | None) -> list[str]:
        children = self.find({"mlflow.parentRunId": parent}) if parent else []
        there = {child.tags["fa_sweep.job_id"]: child for child in children}
        made = []
        for content in contents:
            child = there.get(content.tags["fa_sweep.job_id"])
            if child is None or child.status not in ENDED:
                made.append(self._add_one(content, parent, child))
        return made

    def _add_one(self, content: RunContent, parent: str | None, child: StoredRun | None) -> str:
        run_id = self.begin(content.under(parent)) if child is None else child.run_id
        if content.overlong:
            self.client.log_dict(run_id, content.overlong, OVERLONG)
        self._log_values(run_id, content.metrics, content.ended_at_ms, content.params)
        self.end(run_id, content, {})
        return run_id

    def _log_values(
        self, run_id: str, metrics: Iterable[tuple[str, float, int]], moment_ms: int, params: Mapping[str, str]
    ) -> None:
        """Log parameters and metrics; again gives the same rows, since their time is the ledger's."""
        from mlflow.entities import Metric, Param

        points = [Metric(name, value, moment_ms, step) for name, value, step in metrics]
        chosen = [Param(key, value) for key, value in params.items()]
        for some, few in zip_longest(_chunks(points, METRICS_PER_BATCH), _chunks(chosen, PARAMS_PER_BATCH), fillvalue=()):
            self.client.log_batch(run_id, metrics=some, params=few)

    def log_points(self, run_id: str, points: Sequence[tuple[str, float, int]]) -> None:
        self._log_values(run_id, points, self.client.get_run(run_id).info.start_time, {})

    def log_datasets(self, run_id: str, datasets: Sequence[DatasetContent]) -> None:
        from mlflow.entities import Dataset, DatasetInput
        from mlflow.exceptions import MlflowException

        inputs = [DatasetInput(Dataset(d.name, d.digest, "code", d.source, profile=d.profile)) for d in datasets]
        try:
            self.client.log_inputs(run_id, datasets=inputs)
        except MlflowException:
            self.client.log_inputs(run_id, datasets=inputs)  # another sweep has just named the same data: now they are known

    def write_text(self, run_id: str, text: str, name: str) -> None:
        self.client.log_text(run_id, text, name)

    def add_file(self, run_id: str, path: Path, folder: str) -> None:
        self.client.log_artifact(run_id, str(path), folder)


def _chunks(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
