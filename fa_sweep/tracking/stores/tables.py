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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from fa_sweep.errors import NotWritten, StoreClosed, TrackingError
from fa_sweep.tracking import tagnames
from fa_sweep.tracking.content import OVERLONG, DatasetContent, RunContent, overlong_text
from fa_sweep.tracking.limits import DATASET_DIGEST, DATASET_NAME, short
from fa_sweep.tracking.locks import POLL_S, exclusive
from fa_sweep.tracking.stores.artifacts import Home, local_folder, place, require_room
from fa_sweep.tracking.stores.base import ENDED, Store, StoredRun, one_per_job
from fa_sweep.tracking.stores.patience import Patience
from fa_sweep.tracking.stores.rows import Rows, add_run, insert, latest, mint, no_rows, run_row, tag_rows
from fa_sweep.tracking.stores.schema import OF_A_RUN, is_lost, table
from fa_sweep.tracking.uris import public, sqlite_file

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

T = TypeVar("T")
RUNS_PER_TRANSACTION = 200


class TableStore(Store):
    """One experiment, used through MLflow's tables. The constructor creates the experiment if it does not exist.

    The artifacts of a new experiment go into the working folder.
    """

    def __init__(self, engine: "Engine", uri: str, home: Home, timeout_s: float, say: Callable[[str], None]) -> None:
        self.engine, self._uri, self._home, self._say = engine, uri, home, say
        self._file = sqlite_file(uri)
        self._patience = Patience(public(uri), timeout_s, say, hopeless=lambda error: not is_lost(error))
        self._artifacts: dict[str, str] = {}
        self.notices: list[str] = []
        found = self._run(self._experiment)
        if found is None:
            require_room(home.location, engine.dialect.name)
            self._create_experiment()
            found = self._run(self._experiment)
        assert found is not None
        self.experiment_id, location, stage = found
        if stage != "active":
            raise StoreClosed(f"tracking.experiment is {home.experiment!r}, which is deleted; restore it or name another")
        self.location = self._place(location)

    def _place(self, location: str) -> str:
        """Return the artifact location for new runs. If the working folder was moved, update the locations in the tables."""
        placing = place(location, self._home, self._file)
        require_room(placing.location, self.engine.dialect.name)
        if placing.moved_from is not None:
            old = local_folder(placing.moved_from)
            # If the database was moved without the artifacts, the locations of its runs are still right.
            with_runs = self._home.folder.exists() or old is None or not old.exists()
            self._run(lambda connection: self._move(connection, location.rstrip("/"), placing.location, with_runs=with_runs))
        if placing.notice is not None:
            self.notices.append(placing.notice)
        return placing.location

    def _move(self, connection: "Connection", old: str, new: str, *, with_runs: bool) -> None:
        from sqlalchemy import func, literal

        experiments, runs = table("experiments"), table("runs")
        mine = experiments.c.experiment_id == self.experiment_id
        connection.execute(experiments.update().where(mine).values(artifact_location=new))
        if with_runs:
            rest = func.substr(runs.c.artifact_uri, len(old) + 1)
            there = (runs.c.experiment_id == self.experiment_id) & (
                func.substr(runs.c.artifact_uri, 1, len(old) + 1) == f"{old}/"
            )
            connection.execute(runs.update().where(there).values(artifact_uri=literal(new) + rest))

    def _experiment(self, connection: "Connection") -> tuple[int, str, str] | None:
        from sqlalchemy import select

        t = table("experiments").c
        where = (t.name == self._home.experiment) & (t.workspace == "default")
        row = connection.execute(select(t.experiment_id, t.artifact_location, t.lifecycle_stage).where(where)).first()
        return None if row is None else (int(row[0]), str(row[1] or ""), str(row[2]))

    def _create_experiment(self) -> None:
        from sqlalchemy.exc import IntegrityError

        now = time.time_ns() // 1_000_000
        values = {"name": self._home.experiment, "artifact_location": self._home.location, "lifecycle_stage": "active"}
        row = {**values, "workspace": "default", "creation_time": now, "last_update_time": now}
        try:
            self._run(lambda connection: connection.execute(table("experiments").insert(), row))
        except IntegrityError:
            return  # another command created it first, or an earlier answer was lost

    def _run(self, work: "Callable[[Connection], T]") -> T:
        """Do work in one transaction. If the connection is lost, the work is repeated, and must leave the same rows."""

        def transaction() -> T:
            with self.engine.begin() as connection:
                return work(connection)

        return self._patience.ask(transaction, threaded=self._file is None)

    @contextmanager
    def exclusive(self, key: str, wait_s: float, waiting: Callable[[], None]) -> Iterator[bool]:
        name = hashlib.sha256(f"{self.experiment_id}/{key}".encode()).digest()
        if self._file is not None:
            with exclusive(self._file.with_name(f".mlflow-{name.hex()[:16]}.lock"), wait_s, waiting) as free:
                yield free
        elif self.engine.dialect.name == "postgresql":
            with self._advisory(int.from_bytes(name[:8], signed=True), wait_s, waiting) as free:
                yield free
        else:
            yield True

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

    def find(self, tags: Mapping[str, str]) -> list[StoredRun]:
        from sqlalchemy import select

        runs, known = table("runs").c, table("tags").c
        where = runs.experiment_id == self.experiment_id
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
        of_job &= runs.experiment_id == self.experiment_id
        for name, value in group.items():
            of_job &= runs.run_uuid.in_(select(known.run_uuid).where((known.key == name) & (known.value == value)))
        query = select(known.value, runs.run_uuid, runs.status, runs.lifecycle_stage).where(of_job)
        query = query.where(runs.run_uuid.not_in(select(known.run_uuid).where(known.key == tagnames.DUPLICATE)))
        rows = self._run(lambda connection: connection.execute(query).all())
        return one_per_job(StoredRun(row[1], row[2], {tagnames.JOB_ID: row[0]}, deleted=row[3] != "active") for row in rows)

    def begin(self, content: RunContent) -> str:
        own = {name: content.tags[name] for name in (tagnames.SWEEP, tagnames.KIND)}
        run_id = uuid.uuid4().hex
        rows = no_rows()
        own_row = run_row(run_id, content, self.experiment_id, self._artifact_uri(run_id), has_ended=False)
        rows["runs"].append(own_row)
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
                if content.overlong:
                    self._artifacts[run_id] = self._artifact_uri(run_id)
                    self.write_text(run_id, overlong_text(content), OVERLONG)
                add_run(rows, run_id, content.within(group), self.experiment_id, self._artifact_uri(run_id))
            self._insert(rows, half_made, all_of_them)
            made += len(some)
        return made

    def _artifact_uri(self, run_id: str) -> str:
        return f"{self.location.rstrip('/')}/{run_id}/artifacts"

    def log_points(self, run_id: str, points: Sequence[tuple[str, float, int]]) -> None:
        from sqlalchemy import select

        runs = table("runs").c

        def write(connection: "Connection") -> None:
            moment = connection.execute(select(runs.start_time).where(runs.run_uuid == run_id)).scalar_one()
            rows = [(key, value, moment, step, False, run_id) for key, value, step in dict.fromkeys(points)]
            for name, values in (("metrics", rows), ("latest_metrics", latest(rows))):
                known = table(name)
                for key in {row[0] for row in rows}:
                    connection.execute(known.delete().where((known.c.run_uuid == run_id) & (known.c.key == key)))
                insert(connection, name, values)

        self._run(write)

    def log_datasets(self, run_id: str, datasets: Sequence[DatasetContent]) -> None:
        from sqlalchemy.exc import IntegrityError

        try:
            self._run(lambda connection: self._log_datasets(connection, run_id, datasets))
        except IntegrityError:  # another command has just recorded the same data sets; now they are found
            self._run(lambda connection: self._log_datasets(connection, run_id, datasets))

    def _log_datasets(self, connection: "Connection", run_id: str, datasets: Sequence[DatasetContent]) -> None:
        from sqlalchemy import select

        known, inputs = table("datasets").c, table("inputs").c
        for data in datasets:
            name, digest = short(data.name, DATASET_NAME), short(data.digest, DATASET_DIGEST)
            same = (known.experiment_id == self.experiment_id) & (known.name == name) & (known.digest == digest)
            data_id = connection.execute(select(known.dataset_uuid).where(same)).scalar()
            if data_id is None:
                data_id = uuid.uuid4().hex
                row = (data_id, self.experiment_id, name, digest, "code", data.source, None, data.profile)
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
        if found is not None and not self._home.has(found) and not self._artifacts[run_id].startswith(self.location):
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


def _is_there(run: StoredRun | None) -> bool:
    """Whether a run needs no more work: it has ended, or somebody has deleted it, and it stays deleted."""
    return run is not None and (run.deleted or run.status in ENDED)
