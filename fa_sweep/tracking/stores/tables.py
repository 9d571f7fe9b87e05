"""MLflow's SQL store written straight into its tables, a twentieth of log_batch's time and without importing mlflow.

Used only where the tables have exactly the columns that the tests have proved to read back as if MLflow's client had written
them: on SQLite and PostgreSQL here, by whatever else SQLAlchemy speaks to in the same way.
"""

import hashlib
import shutil
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from fa_sweep.tracking.content import OVERLONG, DatasetContent, RunContent, overlong_text
from fa_sweep.tracking.stores.base import ENDED, Store, StoredRun, TrackingError
from fa_sweep.tracking.uris import absolute, is_sql

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

_VALUES = ("key", "value", "run_uuid")
_POINTS = ("key", "value", "timestamp", "step", "is_nan", "run_uuid")
PROVED_COLUMNS = {
    "runs": (
        "run_uuid", "name", "source_type", "source_name", "entry_point_name", "user_id", "status", "start_time", "end_time",
        "deleted_time", "source_version", "lifecycle_stage", "artifact_uri", "experiment_id",
    ),
    "tags": _VALUES,
    "params": _VALUES,
    "metrics": _POINTS,
    "latest_metrics": _POINTS,
    "experiments": (
        "experiment_id", "name", "artifact_location", "lifecycle_stage", "creation_time", "last_update_time", "workspace",
    ),
    "datasets": (
        "dataset_uuid", "experiment_id", "name", "digest", "dataset_source_type", "dataset_source", "dataset_schema",
        "dataset_profile",
    ),
    "inputs": ("input_uuid", "source_type", "source_id", "destination_type", "destination_id", "step"),
}  # fmt: skip
OF_A_RUN = ("runs", "tags", "params", "metrics", "latest_metrics")  # a row that others refer to comes first
RUNS_PER_TRANSACTION = 200
LOCK_WAIT_S = 60  # SQLite has one writer at a time
# The ends of five tables and ten indexes, of a transaction's new pages too: with SQLite's own 2 MB an import takes half as long
# again, and readers are locked out while pages spill to the disk instead of at the commit alone.
SQLITE_CACHE_KIB = 2**16
Rows = dict[str, list[tuple[Any, ...]]]


def open_tables(uri: str) -> "Engine | None":
    """Return an engine on a store whose tables are as proved; None for a server, an empty database or an unknown schema."""
    if not is_sql(uri):
        return None
    import sqlalchemy

    url = sqlalchemy.make_url(absolute(uri))
    if url.get_backend_name() == "sqlite" and (url.database is None or not Path(url.database).exists()):
        return None  # connecting would make it
    waits = url.get_backend_name() == "sqlite" and "timeout" not in url.query
    engine = sqlalchemy.create_engine(url, connect_args={"timeout": LOCK_WAIT_S} if waits else {})
    if url.get_backend_name() == "sqlite":
        sqlalchemy.event.listen(engine, "connect", _enlarge_cache)
    inspector = sqlalchemy.inspect(engine)
    present = set(inspector.get_table_names())
    for name, proved in PROVED_COLUMNS.items():
        if name not in present or {column["name"] for column in inspector.get_columns(name)} != set(proved):
            return None
    return engine


def _enlarge_cache(connection: Any, _: Any) -> None:
    connection.execute(f"PRAGMA cache_size = -{SQLITE_CACHE_KIB}").close()


def table(name: str) -> Any:
    """Return a table as SQLAlchemy's expressions take it in."""
    import sqlalchemy

    return sqlalchemy.table(name, *map(sqlalchemy.column, PROVED_COLUMNS[name]))


class TableStore(Store):
    """One experiment, made where it is not there, with artifacts at `location`."""

    def __init__(self, engine: "Engine", uri: str, name: str, location: str) -> None:
        self.engine, self._uri = engine, uri
        found = self._experiment(name)
        if found is None:
            self._create_experiment(name, location)
            found = self._experiment(name)
        assert found is not None
        self.experiment_id, self.location, stage = found
        if stage != "active":
            raise TrackingError(f"tracking.experiment is {name!r}, which is deleted; restore it or name another")

    def _experiment(self, name: str) -> tuple[int, str, str] | None:
        from sqlalchemy import select

        t = table("experiments").c
        where = (t.name == name) & (t.workspace == "default")
        with self.engine.connect() as connection:
            row = connection.execute(select(t.experiment_id, t.artifact_location, t.lifecycle_stage).where(where)).first()
        return None if row is None else (int(row[0]), str(row[1]), str(row[2]))

    def _create_experiment(self, name: str, location: str) -> None:
        from sqlalchemy.exc import IntegrityError

        now = time.time_ns() // 1_000_000
        values = {"name": name, "artifact_location": location, "lifecycle_stage": "active", "workspace": "default"}
        try:
            with self.engine.begin() as connection:
                connection.execute(table("experiments").insert(), {**values, "creation_time": now, "last_update_time": now})
        except IntegrityError:
            return  # another sweep was quicker

    def find(self, tags: Mapping[str, str]) -> list[StoredRun]:
        from sqlalchemy import select

        runs, known = table("runs").c, table("tags").c
        where = (runs.experiment_id == self.experiment_id) & (runs.lifecycle_stage == "active")
        for name, value in tags.items():
            having = select(known.run_uuid).where((known.key == name) & (known.value == value))
            where &= runs.run_uuid.in_(having)
        chosen = select(runs.run_uuid).where(where)
        with self.engine.connect() as connection:
            found = connection.execute(
                select(runs.run_uuid, runs.status).where(where).order_by(runs.start_time.desc(), runs.run_uuid)
            ).all()
            of: dict[str, dict[str, str]] = {run_id: {} for run_id, _ in found}
            for run_id, key, value in connection.execute(
                select(known.run_uuid, known.key, known.value).where(known.run_uuid.in_(chosen))
            ):
                if run_id in of:
                    of[run_id][key] = value
        return [StoredRun(run_id, status, of[run_id]) for run_id, status in found]

    def begin(self, content: RunContent) -> str:
        run_id = uuid.uuid4().hex
        rows: Rows = {name: [] for name in OF_A_RUN}
        rows["runs"].append(self._run_row(run_id, content, "RUNNING", None))
        rows["tags"] += _tag_rows(run_id, content)
        self._insert(rows)
        return run_id

    def end(self, run_id: str, content: RunContent, tags: Mapping[str, str]) -> None:
        runs, known = table("runs"), table("tags")
        values = {"status": content.status, "end_time": content.ended_at_ms}
        with self.engine.begin() as connection:
            connection.execute(known.delete().where((known.c.run_uuid == run_id) & known.c.key.in_(list(tags))))
            self._write(connection, "tags", [(key, value, run_id) for key, value in tags.items()])
            connection.execute(runs.update().where(runs.c.run_uuid == run_id).values(values))

    def add(self, contents: Iterable[RunContent], parent: str | None) -> list[str]:
        there = self._children(parent) if parent else {}
        absent = (content for content in contents if there.get(content.tags["fa_sweep.job_id"], ("", ""))[1] not in ENDED)
        made: list[str] = []
        while some := list(islice(absent, RUNS_PER_TRANSACTION)):
            rows: Rows = {name: [] for name in OF_A_RUN}
            half_made = []
            for content in some:
                job_id = content.tags["fa_sweep.job_id"]
                run_id = there[job_id][0] if job_id in there else _mint(parent, content)
                if job_id in there:
                    half_made.append(run_id)  # by a client that was cut off
                if content.overlong:
                    self.write_text(run_id, overlong_text(content), OVERLONG)
                self._add_rows(rows, run_id, content.under(parent))
                made.append(run_id)
            self._insert(rows, half_made)
        return made

    def _children(self, parent: str) -> dict[str, tuple[str, str]]:
        """Return run id and status of a parent's children by their job's id, those that somebody deleted included."""
        from sqlalchemy import select

        runs, known = table("runs").c, table("tags").c
        of_parent = select(known.run_uuid).where((known.key == "mlflow.parentRunId") & (known.value == parent))
        of_job = (known.key == "fa_sweep.job_id") & (known.run_uuid == runs.run_uuid) & runs.run_uuid.in_(of_parent)
        with self.engine.connect() as connection:
            found = connection.execute(select(known.value, runs.run_uuid, runs.status).where(of_job)).all()
        return {job_id: (run_id, status) for job_id, run_id, status in found}

    def _add_rows(self, rows: Rows, run_id: str, content: RunContent) -> None:
        rows["runs"].append(self._run_row(run_id, content, content.status, content.ended_at_ms))
        rows["tags"] += _tag_rows(run_id, content)
        rows["params"] += [(key, value, run_id) for key, value in content.params.items()]
        points = [(key, value, content.ended_at_ms, step, False, run_id) for key, value, step in content.metrics]
        rows["metrics"] += points
        rows["latest_metrics"] += _latest(points)

    def _run_row(self, run_id: str, content: RunContent, status: str, ended_at_ms: int | None) -> tuple[Any, ...]:
        # UNKNOWN is what create_run leaves: the tags hold the source.
        return (
            run_id, content.name, "UNKNOWN", "", "", content.tags["mlflow.user"], status, content.started_at_ms, ended_at_ms,
            None, "", "active", f"{self.location.rstrip('/')}/{run_id}/artifacts", self.experiment_id,
        )  # fmt: skip

    def log_points(self, run_id: str, points: Sequence[tuple[str, float, int]]) -> None:
        from sqlalchemy import select

        runs = table("runs").c
        with self.engine.begin() as connection:
            moment = connection.execute(select(runs.start_time).where(runs.run_uuid == run_id)).scalar_one()
            rows = [(key, value, moment, step, False, run_id) for key, value, step in dict.fromkeys(points)]
            for name, values in (("metrics", rows), ("latest_metrics", _latest(rows))):
                known = table(name)
                for key in {row[0] for row in rows}:
                    connection.execute(known.delete().where((known.c.run_uuid == run_id) & (known.c.key == key)))
                self._write(connection, name, values)

    def log_datasets(self, run_id: str, datasets: Sequence[DatasetContent]) -> None:
        from sqlalchemy.exc import IntegrityError

        try:
            self._log_datasets(run_id, datasets)
        except IntegrityError:
            self._log_datasets(run_id, datasets)  # another sweep has just named the same data: now they are known

    def _log_datasets(self, run_id: str, datasets: Sequence[DatasetContent]) -> None:
        from sqlalchemy import select

        known, inputs = table("datasets").c, table("inputs").c
        with self.engine.begin() as connection:
            for data in datasets:
                same = (known.experiment_id == self.experiment_id) & (known.name == data.name) & (known.digest == data.digest)
                data_id = connection.execute(select(known.dataset_uuid).where(same)).scalar()
                if data_id is None:
                    data_id = uuid.uuid4().hex
                    row = (data_id, self.experiment_id, data.name, data.digest, "code", data.source, None, data.profile)
                    self._write(connection, "datasets", [row])
                used = (inputs.source_id == data_id) & (inputs.destination_id == run_id)
                if connection.execute(select(inputs.input_uuid).where(used)).first() is None:
                    self._write(connection, "inputs", [(uuid.uuid4().hex, "DATASET", data_id, "RUN", run_id, 0)])

    def write_text(self, run_id: str, text: str, name: str) -> None:
        folder = self._folder(run_id)
        if folder is None:
            self._client().log_text(run_id, text, name)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")

    def add_file(self, run_id: str, path: Path, folder: str) -> None:
        artifacts = self._folder(run_id)
        if artifacts is None:
            self._client().log_artifact(run_id, str(path), folder)
        else:
            (artifacts / folder).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, artifacts / folder / path.name)

    def _folder(self, run_id: str) -> Path | None:
        """Return where a run's artifacts lie; None where that is no folder of this machine."""
        parts = urlsplit(self.location)
        if parts.scheme not in ("", "file") or parts.netloc not in ("", "localhost"):
            return None
        return Path(url2pathname(parts.path) if parts.scheme else self.location) / run_id / "artifacts"

    def _client(self) -> Any:
        from fa_sweep.tracking.stores.client import connect

        return connect(self._uri)

    def _insert(self, rows: Rows, replaced: Sequence[str] = ()) -> None:
        """Insert rows in one transaction: all of them or none. `replaced`: runs whose rows go first."""
        with self.engine.begin() as connection:
            for name in reversed(OF_A_RUN):
                for run_id in replaced:
                    known = table(name)
                    connection.execute(known.delete().where(known.c.run_uuid == run_id))
            for name in OF_A_RUN:
                self._write(connection, name, rows[name])

    def _write(self, connection: "Connection", name: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows in the way that is quickest with the driver at hand."""
        if not rows:
            return
        columns = PROVED_COLUMNS[name]
        insert = table(name).insert()
        compiled = insert.compile(dialect=self.engine.dialect, column_keys=list(columns))
        if connection.dialect.driver == "psycopg":
            quoted = ", ".join(map(self.engine.dialect.identifier_preparer.quote, columns))
            cursor: Any = connection.connection.cursor()
            with cursor, cursor.copy(f"COPY {name} ({quoted}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        elif compiled.positional:
            assert tuple(compiled.positiontup or ()) == columns
            connection.exec_driver_sql(str(compiled), list(rows))
        else:
            connection.execute(insert, [dict(zip(columns, row, strict=True)) for row in rows])


def _tag_rows(run_id: str, content: RunContent) -> list[tuple[str, str, str]]:
    tags = content.tags | {"mlflow.runName": content.name}
    return [(key, value, run_id) for key, value in tags.items()]


def _latest(points: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return the point of the largest step for each key."""
    latest: dict[str, tuple[Any, ...]] = {}
    for point in points:
        if point[0] not in latest or point[3] > latest[point[0]][3]:
            latest[point[0]] = point
    return list(latest.values())


def _mint(parent: str | None, content: RunContent) -> str:
    """Mint the run's MLflow id: the same again, so that a second import finds what the first one wrote.

    Time and number come first, so that runs are added at the end of every index and not all over it.
    """
    tags = content.tags
    who = f"{parent}/{tags['fa_sweep.sweep']}/{tags['fa_sweep.job_id']}"
    rest = hashlib.sha256(who.encode()).hexdigest()[:14]
    return f"{content.started_at_ms:012x}{int(tags['fa_sweep.number']):06x}{rest}"
