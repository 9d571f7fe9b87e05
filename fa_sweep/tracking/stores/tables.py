"""A store that writes directly into the tables of MLflow's SQL store.

This takes a twentieth of the time of MLflow's log_batch and does not import mlflow. It is done only if the tables have exactly
the columns that the tests cover. For SQLite and PostgreSQL, the tests show that the rows read back as if MLflow's client had
written them. Other databases that SQLAlchemy supports are written in the same way, but no test covers them.
"""

import errno
import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from fa_sweep.errors import NotWritten, TrackingError
from fa_sweep.tracking import tagnames
from fa_sweep.tracking.content import OVERLONG, DatasetContent, RunContent, overlong_text
from fa_sweep.tracking.limits import DATASET_DIGEST, DATASET_NAME, short
from fa_sweep.tracking.locks import POLL_S, exclusive
from fa_sweep.tracking.places import RUNS, SWEEPS
from fa_sweep.tracking.stores.artifacts import Home, local_folder
from fa_sweep.tracking.stores.base import ENDED, Store, StoredRun, one_per_job
from fa_sweep.tracking.stores.patience import Patience
from fa_sweep.tracking.stores.rows import Rows, add_run, insert, mint, no_rows, run_row, tag_rows
from fa_sweep.tracking.stores.schema import OF_A_RUN, is_lost, table
from fa_sweep.tracking.stores.table_experiments import Experiment, TableExperiments
from fa_sweep.tracking.uris import public, sqlite_file

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

T = TypeVar("T")
RUNS_PER_TRANSACTION = 200
IDS_PER_QUERY = 500


class TableStore(Store):
    """The experiments of an import, used through MLflow's tables. The artifacts of a new one go into the working folder."""

    def __init__(self, engine: "Engine", uri: str, home: Home, timeout_s: float, say: Callable[[str], None]) -> None:
        self.engine, self._uri, self._home, self._say = engine, uri, home, say
        self._file = sqlite_file(uri)
        self._patience = Patience(public(uri), timeout_s, say, hopeless=lambda error: not is_lost(error))
        self._artifacts: dict[str, str] = {}
        self._experiments = TableExperiments(self._run, engine.dialect.name, self._file, home)
        self.notices = self._experiments.notices

    def _run(self, work: "Callable[[Connection], T]") -> T:
        """Do work in one transaction. If the connection is lost, the work is repeated, and must leave the same rows."""

        def transaction() -> T:
            with self.engine.begin() as connection:
                return work(connection)

        return self._patience.ask(transaction, threaded=self._file is None)

    @contextmanager
    def exclusive(self, key: str, wait_s: float, waiting: Callable[[], None]) -> Iterator[bool]:
        name = hashlib.sha256(f"{self._home.experiment}/{key}".encode(errors="surrogatepass")).digest()
        held: AbstractContextManager[bool] = nullcontext(True)
        if self._file is not None:
            held = exclusive(self._file.with_name(f".mlflow-{name.hex()[:16]}.lock"), wait_s, waiting)
        elif self.engine.dialect.name == "postgresql":
            held = self._advisory(int.from_bytes(name[:8], signed=True), wait_s, waiting)
        with held as free:
            self._experiments.look()  # the command that held the lock before may have created some
            yield free

    @contextmanager
    def _advisory(self, number: int, wait_s: float, waiting: Callable[[], None]) -> Iterator[bool]:
        """Hold a PostgreSQL advisory lock on a connection of its own. Closing the connection releases the lock."""
        from sqlalchemy import func, select

        deadline, told = time.monotonic() + wait_s, False
        connection = self._patience.ask(self.engine.connect)
        try:
            while not (
                free := bool(self._patience.ask(lambda: connection.execute(select(func.pg_try_advisory_lock(number))).scalar()))
            ):
                if time.monotonic() >= deadline:
                    break
                if not told:
                    waiting()
                    told = True
                time.sleep(POLL_S)
            yield free
        finally:
            connection.invalidate()  # the connection must not return to the pool, where it would keep the lock
            connection.close()

    def close(self) -> None:
        self.engine.dispose()

    def experiment_ids(self) -> dict[str, str]:
        return {place: str(experiment.id) for place, experiment in self._experiments.known.items()}

    def find(self, tags: Mapping[str, str]) -> list[StoredRun]:
        from sqlalchemy import select

        runs, known = table("runs").c, table("tags").c
        where = runs.experiment_id.in_(self._ids())
        for name, value in tags.items():
            having = select(known.run_uuid).where((known.key == name) & (known.value == value))
            where &= runs.run_uuid.in_(having)
        columns = select(runs.run_uuid, runs.status, runs.start_time, runs.lifecycle_stage).where(where)
        chosen = select(runs.run_uuid).where(where)
        theirs = select(known.run_uuid, known.key, known.value).where(known.run_uuid.in_(chosen))

        def read(connection: "Connection") -> list[StoredRun]:
            found = connection.execute(columns.order_by(runs.start_time.desc(), runs.run_uuid)).all()
            of: dict[str, dict[str, str]] = {row[0]: {} for row in found}
            for run_id, key, value in connection.execute(theirs):
                if run_id in of:
                    of[run_id][key] = value
            return [StoredRun(row[0], row[1], of[row[0]], int(row[2]), row[3] != "active") for row in found]

        return [run for run in self._run(read) if tagnames.DUPLICATE not in run.tags]

    def members(self, group: Mapping[str, str]) -> dict[str, StoredRun]:
        from sqlalchemy import select

        runs, known = table("runs").c, table("tags").c
        of_job = (known.key == tagnames.JOB_ID) & (known.run_uuid == runs.run_uuid)
        of_job &= runs.experiment_id.in_(self._ids())
        for name, value in group.items():
            of_job &= runs.run_uuid.in_(select(known.run_uuid).where((known.key == name) & (known.value == value)))
        query = select(known.value, runs.run_uuid, runs.status, runs.lifecycle_stage).where(of_job)
        query = query.where(runs.run_uuid.not_in(select(known.run_uuid).where(known.key == tagnames.DUPLICATE)))
        rows = self._run(lambda connection: connection.execute(query).all())
        return one_per_job(StoredRun(row[1], row[2], {tagnames.JOB_ID: row[0]}, deleted=row[3] != "active") for row in rows)

    def _ids(self) -> list[int]:
        return [experiment.id for experiment in self._experiments.known.values()]

    def held(self, run_ids: Collection[str]) -> set[str]:
        from sqlalchemy import select

        if RUNS not in self._experiments.known:
            return set()
        runs, known = table("runs").c, table("tags").c
        finished = (runs.status == "FINISHED") & (runs.lifecycle_stage == "active")
        there = (runs.run_uuid == known.run_uuid) & (runs.experiment_id == self._experiments.known[RUNS].id) & finished
        query = select(known.value).where((known.key == tagnames.RUN_ID) & there)
        if len(run_ids) <= IDS_PER_QUERY:
            query = query.where(known.value.in_(list(run_ids)))
        rows = self._run(lambda connection: connection.execute(query).all())
        return {run_id for (run_id,) in rows}.intersection(run_ids)

    def begin(self, content: RunContent) -> str:
        own = {name: content.tags[name] for name in (tagnames.SWEEP, tagnames.KIND)}
        run_id = uuid.uuid4().hex
        rows = no_rows()
        experiment = self._experiments.open(content.place)
        rows["runs"].append(run_row(run_id, content, experiment.id, _artifact_uri(experiment, run_id), has_ended=False))
        rows["tags"] += tag_rows(run_id, content)
        if there := [run for run in self.find(own) if not run.deleted]:
            return there[0].run_id
        self._insert(rows, (), (run_id,))
        return run_id

    def end(self, run_id: str, content: RunContent, tags: Mapping[str, str]) -> None:
        runs = table("runs")
        values = {"status": content.status, "end_time": content.ended_at_ms}

        def write(connection: "Connection") -> None:
            connection.execute(runs.update().where(runs.c.run_uuid == run_id).values(values))
            self._tag(connection, run_id, tags)

        self._run(write)

    def tag(self, run_id: str, name: str, value: str) -> None:
        self._run(lambda connection: self._tag(connection, run_id, {name: value}))

    def remove(self, run_id: str) -> None:
        runs = table("runs")
        gone = {"lifecycle_stage": "deleted", "deleted_time": time.time_ns() // 1_000_000}

        def write(connection: "Connection") -> None:
            connection.execute(runs.update().where(runs.c.run_uuid == run_id).values(gone))
            self._tag(connection, run_id, {tagnames.DUPLICATE: "true"})

        self._run(write)

    def _tag(self, connection: "Connection", run_id: str, tags: Mapping[str, str]) -> None:
        known = table("tags")
        connection.execute(known.delete().where((known.c.run_uuid == run_id) & known.c.key.in_(list(tags))))
        insert(connection, "tags", [(key, value, run_id) for key, value in tags.items()])

    def add(self, contents: Callable[[], Iterable[RunContent]], group: Mapping[str, str]) -> int:
        from sqlalchemy.exc import IntegrityError

        try:
            return self._add(contents(), group)
        except IntegrityError:
            return self._add(contents(), group)  # another command has just added some of these runs; now they are found

    def _add(self, contents: Iterable[RunContent], group: Mapping[str, str]) -> int:
        there = self.members(group)
        absent = (content for content in contents if not _is_there(there.get(content.tags[tagnames.JOB_ID])))
        made = 0
        while some := list(islice(absent, RUNS_PER_TRANSACTION)):
            rows = no_rows()
            half_made, all_of_them = [], []
            for content in some:
                known = there.get(content.tags[tagnames.JOB_ID])
                run_id = known.run_id if known else mint(group, content)
                half_made += [run_id] if known else []  # left by an import that was interrupted
                all_of_them.append(run_id)
                experiment = self._experiments.open(content.place)
                if content.overlong:
                    self._artifacts[run_id] = _artifact_uri(experiment, run_id)
                    self.write_text(run_id, overlong_text(content), OVERLONG)
                add_run(rows, run_id, content.within(group), experiment.id, _artifact_uri(experiment, run_id))
            self._insert(rows, half_made, all_of_them)
            made += len(some)
        return made

    def log_datasets(self, run_id: str, datasets: Sequence[DatasetContent]) -> None:
        from sqlalchemy.exc import IntegrityError

        try:
            self._run(lambda connection: self._log_datasets(connection, run_id, datasets))
        except IntegrityError:  # another command has just recorded the same data sets; now they are found
            self._run(lambda connection: self._log_datasets(connection, run_id, datasets))

    def _log_datasets(self, connection: "Connection", run_id: str, datasets: Sequence[DatasetContent]) -> None:
        from sqlalchemy import select

        known, inputs = table("datasets").c, table("inputs").c
        number = self._experiments.known[SWEEPS].id
        for data in datasets:
            name, digest = short(data.name, DATASET_NAME), short(data.digest, DATASET_DIGEST)
            same = (known.experiment_id == number) & (known.name == name) & (known.digest == digest)
            data_id = connection.execute(select(known.dataset_uuid).where(same)).scalar()
            if data_id is None:
                data_id = uuid.uuid4().hex
                row = (data_id, number, name, digest, "code", data.source, None, data.profile)
                insert(connection, "datasets", [row])
            used = (inputs.source_id == data_id) & (inputs.destination_id == run_id)
            if connection.execute(select(inputs.input_uuid).where(used)).first() is None:
                insert(connection, "inputs", [(uuid.uuid4().hex, "DATASET", data_id, "RUN", run_id, 0)])

    def write_text(self, run_id: str, text: str, name: str) -> None:
        folder = self._folder(run_id)
        if folder is None:
            self._client().log_text(run_id, text, name)
        else:
            with self._written(folder):
                folder.mkdir(parents=True, exist_ok=True)
                (folder / name).write_text(text, encoding="utf-8")

    def add_file(self, run_id: str, path: Path, folder: str) -> None:
        artifacts = self._folder(run_id)
        if artifacts is None:
            self._client().log_artifact(run_id, str(path), folder)
        else:
            with self._written(artifacts):
                (artifacts / folder).mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, artifacts / folder / path.name)

    @contextmanager
    def _written(self, artifacts: Path) -> Iterator[None]:
        """Turn an error of the disk into a `NotWritten`.

        Its message names the folder of all runs' artifacts, not the run's own, so that the same message comes for every run.
        """
        try:
            yield
        except OSError as error:
            ours = artifacts.is_relative_to(self._home.folder)
            place = self._home.outputs / "artifacts" if ours else artifacts.parent.parent
            # `mkdir` says "File exists" if a link to nothing is in the way.
            reason = os.strerror(errno.ENOTDIR) if isinstance(error, FileExistsError) else error.strerror or error
            raise NotWritten(f"{place} cannot be written: {reason}") from error

    def _folder(self, run_id: str) -> Path | None:
        """Return the folder of a run's artifacts; None if they are not in a folder on this machine.

        Raises:
            TrackingError: If the folder lies neither in this working folder's `outputs` nor in the experiment's own location.
        """
        from sqlalchemy import select

        if run_id not in self._artifacts:
            runs = table("runs").c
            query = select(runs.artifact_uri).where(runs.run_uuid == run_id)
            self._artifacts[run_id] = str(self._run(lambda connection: connection.execute(query).scalar()) or "")
        found = local_folder(self._artifacts[run_id])
        own = tuple(experiment.location for experiment in self._experiments.known.values())
        if found is not None and not self._home.has(found) and not self._artifacts[run_id].startswith(own):
            raise TrackingError(f"its artifacts lie in {found.parent.parent}, which is no folder of this command's")
        return found

    def _client(self) -> Any:
        from fa_sweep.tracking.stores.connection import connect

        return connect(self._uri, self._patience.seconds)

    def _insert(self, rows: Rows, half_made: Sequence[str], run_ids: Sequence[str]) -> None:
        """Insert the rows of runs in one transaction: either all of them or none.

        Existing rows of the half-made runs are deleted first. If the transaction is repeated, the rows of all these runs are
        deleted first, because the first attempt may have succeeded although its answer was lost.
        """
        replaced = iter((half_made,))

        def write(connection: "Connection") -> None:
            first = next(replaced, run_ids)
            for name in reversed(OF_A_RUN) if first else ():
                known = table(name)
                connection.execute(known.delete().where(known.c.run_uuid.in_(first)))
            for name in OF_A_RUN:
                insert(connection, name, rows[name])

        self._run(write)


def _artifact_uri(experiment: Experiment, run_id: str) -> str:
    return f"{experiment.location.rstrip('/')}/{run_id}/artifacts"


def _is_there(run: StoredRun | None) -> bool:
    """Whether a run needs no more work: it has ended, or somebody has deleted it, and it stays deleted."""
    return run is not None and (run.deleted or run.status in ENDED)
