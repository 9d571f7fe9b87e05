"""A store that works through MLflow's client: for servers, and for databases with a schema that the tests do not cover.

mlflow is imported inside the functions that need it, because the import takes seconds.

A server's answer may be lost, late or garbled. The store therefore reads back what it wrote, and writes again what is missing.
MLflow's client repeats every failed request by default, even one that creates a run, and may thus create a run twice. These
retries are switched off. Before this store repeats a request that creates a run, it searches for the run, which the first
request may have created.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from fa_sweep.errors import Garbled, TrackingError
from fa_sweep.tracking import tagnames
from fa_sweep.tracking.content import OVERLONG, DatasetContent, RunContent, overlong_text
from fa_sweep.tracking.limits import DATASET_DIGEST, DATASET_NAME, short
from fa_sweep.tracking.locks import exclusive
from fa_sweep.tracking.places import RUNS
from fa_sweep.tracking.stores.artifacts import Home
from fa_sweep.tracking.stores.base import ENDED, Store, StoredRun, one_per_job
from fa_sweep.tracking.stores.client_artifacts import ClientArtifacts
from fa_sweep.tracking.stores.client_experiments import ClientExperiments
from fa_sweep.tracking.stores.connection import is_refusal, page
from fa_sweep.tracking.stores.patience import PASSES, Patience
from fa_sweep.tracking.uris import is_server, public

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric

T = TypeVar("T")

METRICS_PER_BATCH, PARAMS_PER_BATCH = 900, 100  # MLflow accepts 1,000 values per request, at most 100 of them parameters
BYTES_PER_BATCH = 400_000  # MLflow accepts a megabyte per request; JSON may turn one character into six


class ClientStore(Store):
    """The experiments of an import, used through MLflow's client."""

    def __init__(
        self, client: "MlflowClient", uri: str, home: Home, timeout_s: float = 30.0, say: Callable[[str], None] = lambda _: None
    ) -> None:
        self.client, self._uri, self._experiment = client, uri, home.experiment
        self._patience = Patience(public(uri), timeout_s, say, hopeless=is_refusal)
        self._threaded = is_server(uri)
        self._experiments = ClientExperiments(client, uri, home, self._ask)
        self._artifacts = ClientArtifacts(
            client, self._patience, lambda run_id: str(self._get(run_id).info.artifact_uri), threaded=self._threaded
        )

    def _ask(self, call: Callable[[], T]) -> T:
        return self._patience.ask(call, threaded=self._threaded)

    @contextmanager
    def exclusive(self, key: str, wait_s: float, waiting: Callable[[], None]) -> Iterator[bool]:
        """Keep out other imports by this user on this machine.

        Imports by other users or from other machines are not kept out. If they create a second parent, the importer decides
        afterwards which one counts.
        """
        who = f"{os.getuid() if hasattr(os, 'getuid') else ''}/{public(self._uri)}/{self._experiment}/{key}"
        name = hashlib.sha256(who.encode(errors="backslashreplace")).hexdigest()[:16]
        with exclusive(Path(tempfile.gettempdir()) / f"fa_sweep-{name}.lock", wait_s, waiting) as free:
            self._experiments.look()  # the command that held the lock before may have created some
            yield free

    def close(self) -> None:
        pass

    def experiment_ids(self) -> dict[str, str]:
        return self._experiments.ids

    def find(self, tags: Mapping[str, str]) -> list[StoredRun]:
        found: list[StoredRun] = []
        token, ids = None, list(self._experiments.ids.values())
        while ids:
            runs, token = self._ask(lambda token=token: page(self.client, ids, tags, token, deleted=True))  # type: ignore[misc]
            found += map(_stored, runs)
            if not token:
                break
        return [run for run in found if tagnames.DUPLICATE not in run.tags]

    def members(self, group: Mapping[str, str]) -> dict[str, StoredRun]:
        return one_per_job(run for run in self.find(group) if tagnames.JOB_ID in run.tags)

    def held(self, run_ids: Collection[str]) -> set[str]:
        if (number := self._experiments.ids.get(RUNS)) is None:
            return set()

        def is_held(run_id: str) -> bool:
            runs, _ = self._ask(lambda: page(self.client, [number], {tagnames.RUN_ID: run_id}, None, deleted=False))
            return any(run.info.status == "FINISHED" for run in runs)

        return {run_id for run_id in run_ids if is_held(run_id)}

    def begin(self, content: RunContent) -> str:
        own = {name: content.tags[name] for name in (tagnames.SWEEP, tagnames.KIND)}
        made = ""
        for _ in range(PASSES):
            if there := self._only(own):
                return there
            made = made or self._create(content, own)
        raise TrackingError(f"{self._patience.who} says that it made run {content.name!r}, and does not have it")

    def _create(self, content: RunContent, own: Mapping[str, str]) -> str:
        """Create a run. Before a repeated attempt, look for the run: it exists if only the answer was lost."""
        again, number = iter((False,)), self._experiments.open(content.place)

        def make() -> str:
            if next(again, True) and (there := [run for run in self.find(own) if not run.deleted]):
                return there[0].run_id
            run = self.client.create_run(number, content.started_at_ms, content.tags, content.name)
            if not run.info.run_id:
                raise Garbled(f"{self._patience.who} was asked for a run and answered with something else")
            return str(run.info.run_id)

        return self._ask(make)

    def _only(self, own: Mapping[str, str]) -> str:
        """Return the id of the run that has these tags; empty if there is none.

        Late answers may have left several such runs. The one with the smallest id is kept, and the others are deleted.
        """
        there = sorted(run.run_id for run in self.find(own) if not run.deleted)
        for run_id in there[1:]:
            self.remove(run_id)
        return there[0] if there else ""

    def remove(self, run_id: str) -> None:
        self.tag(run_id, tagnames.DUPLICATE, "true")
        self._ask(lambda: self.client.delete_run(run_id))

    def tag(self, run_id: str, name: str, value: str) -> None:
        self._ask(lambda: self.client.set_tag(run_id, name, value))

    def end(self, run_id: str, content: RunContent, tags: Mapping[str, str]) -> None:
        def do() -> None:
            self._terminate(run_id, content)
            for name, value in tags.items():
                self.tag(run_id, name, value)

        def done() -> bool:
            run = _stored(self._get(run_id))
            return run.status == content.status and tags.items() <= run.tags.items()

        self._patience.until(do, done, f"the end of run {run_id}")

    def _get(self, run_id: str) -> Any:
        def get() -> Any:
            run = self.client.get_run(run_id)
            if run.info.run_id != run_id:
                raise Garbled(f"{self._patience.who} was asked for run {run_id} and answered with something else")
            return run

        return self._ask(get)

    def _terminate(self, run_id: str, content: RunContent) -> None:
        self._ask(lambda: self.client.set_terminated(run_id, content.status, end_time=content.ended_at_ms))

    def add(self, contents: Callable[[], Iterable[RunContent]], group: Mapping[str, str]) -> int:
        made: set[str] = set()
        for number in range(PASSES):
            lacking = self._add_lacking(contents(), group, made, compare=number < PASSES - 1)
            if not lacking:
                return len(made)
        raise TrackingError(f"{self._patience.who} says that it took run {lacking[0]!r}, and does not have it")

    def _add_lacking(
        self, contents: Iterable[RunContent], group: Mapping[str, str], made: set[str], *, compare: bool
    ) -> list[str]:
        """Add the runs that the store lacks, and write again the runs whose values differ. Return the names of these runs.

        Without `compare`, values that differ are accepted. The last pass does so, because the store may alter values itself.
        """
        there, lacking = self._members_once(group), []
        for content in contents:
            job_id = content.tags[tagnames.JOB_ID]
            known = there.get(job_id)
            if known is not None and known.deleted:
                continue
            ended = known is not None and known.status in ENDED
            if known is None or not ended or (compare and known.fingerprint != _fingerprint(content.params, _last(content))):
                self._add_one(content.within(group), {**group, tagnames.JOB_ID: job_id}, known)
                made.add(job_id)
                lacking.append(content.name)
        return lacking

    def _members_once(self, group: Mapping[str, str]) -> dict[str, StoredRun]:
        """Return a group's runs by job id, and delete the runs that were created twice because an answer was late."""
        found = [run for run in self.find(group) if tagnames.JOB_ID in run.tags]
        kept = one_per_job(found)
        for run in found:
            if not run.deleted and kept[run.tags[tagnames.JOB_ID]].run_id != run.run_id:
                self.remove(run.run_id)
        return kept

    def _add_one(self, content: RunContent, own: Mapping[str, str], known: StoredRun | None) -> None:
        run_id = self._create(content, own) if known is None else known.run_id
        if content.overlong:
            self.write_text(run_id, overlong_text(content), OVERLONG)
        self._log_values(run_id, content.metrics, content.ended_at_ms, content.params)
        self._terminate(run_id, content)

    def _log_values(
        self, run_id: str, metrics: Iterable[tuple[str, float, int]], moment_ms: int, params: Mapping[str, str]
    ) -> None:
        """Log parameters and metrics. Logging them again leaves the same rows, because all points get the time `moment_ms`."""
        from mlflow.entities import Metric, Param

        points = [Metric(name, value, moment_ms, step) for name, value, step in metrics]
        chosen = [Param(key, value) for key, value in params.items()]
        some_points = _chunks(points, METRICS_PER_BATCH, lambda point: 100 + 6 * len(point.key))
        some_params = _chunks(chosen, PARAMS_PER_BATCH, lambda param: 100 + 6 * len(param.key) + 6 * len(param.value))
        nothing: Sequence[Any] = ()
        batches = list(zip_longest(some_points, some_params, fillvalue=nothing))
        for some, few in batches:

            def log(some: Any = some, few: Any = few) -> None:
                self._ask(lambda: self.client.log_batch(run_id, metrics=some, params=few))

            # `add` later checks a run's parameters and last values, but not the earlier points. If there are several batches,
            # each one is therefore checked here.
            self._patience.until(log, partial(self._has_point, run_id, some), f"values of run {run_id}") if len(
                batches
            ) > 1 else log()

    def _has_point(self, run_id: str, points: "Sequence[Metric]") -> bool:
        """Whether a run has the first of these points, and therefore all of them: a store takes a batch as a whole."""
        if not points:
            return True
        point = points[0]
        history = self._ask(lambda: self.client.get_metric_history(run_id, point.key))
        return any(one.key == point.key and one.step == point.step for one in history)

    def write_text(self, run_id: str, text: str, name: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, name)
            path.write_text(text, "utf-8", newline="")
            self._write_artifact(run_id, path, None)

    def add_file(self, run_id: str, path: Path, folder: str) -> None:
        self._write_artifact(run_id, path, folder)

    def _write_artifact(self, run_id: str, path: Path, folder: str | None) -> None:
        if self._experiments.takes_artifacts:
            self._artifacts.write(run_id, path, folder)

    @property
    def notices(self) -> list[str]:  # type: ignore[override]
        return [notice for notice in (self._experiments.notice, self._artifacts.notice) if notice]

    def log_datasets(self, run_id: str, datasets: Sequence[DatasetContent]) -> None:
        from mlflow.entities import Dataset, DatasetInput

        inputs = [
            DatasetInput(
                Dataset(short(d.name, DATASET_NAME), short(d.digest, DATASET_DIGEST), "code", d.source, profile=d.profile)
            )
            for d in datasets
        ]
        wanted = {(one.dataset.name, one.dataset.digest) for one in inputs}

        def done() -> bool:
            found = self._get(run_id).inputs.dataset_inputs
            return wanted <= {(one.dataset.name, one.dataset.digest) for one in found}

        if inputs:
            self._patience.until(
                lambda: self._ask(lambda: self.client.log_inputs(run_id, datasets=inputs)), done, "the data's names"
            )


def _stored(run: Any) -> StoredRun:
    info, data = run.info, run.data
    deleted = info.lifecycle_stage != "active"
    prints = _fingerprint(data.params, data.metrics)
    return StoredRun(str(info.run_id), info.status, dict(data.tags), int(info.start_time or 0), deleted, prints)


def _fingerprint(params: Mapping[str, str], metrics: Mapping[str, float]) -> str:
    """Return a hash of a run's parameters and of the last value of each metric."""
    return hashlib.sha256(repr((sorted(params.items()), sorted(metrics.items()))).encode(errors="replace")).hexdigest()


def _last(content: RunContent) -> dict[str, float]:
    last: dict[str, tuple[int, float]] = {}
    for name, value, step in content.metrics:
        if name not in last or step > last[name][0]:
            last[name] = step, float(value)
    return {name: value for name, (_, value) in last.items()}


def _chunks(values: Sequence[T], size: int, bytes_of: Callable[[T], int]) -> Iterator[Sequence[T]]:
    """Split values, in order, into chunks of at most `size` values and `BYTES_PER_BATCH` bytes."""
    chunk: list[T] = []
    total = 0
    for value in values:
        if chunk and (len(chunk) == size or total + bytes_of(value) > BYTES_PER_BATCH):
            yield chunk
            chunk, total = [], 0
        chunk.append(value)
        total += bytes_of(value)
    if chunk:
        yield chunk
