"""The tables of MLflow's SQL store whose schema the tests cover, and connections to them.

A schema is called proved if a test shows that rows written directly read back as if MLflow's client had written them.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fa_sweep.tracking.uris import absolute, is_sql, sqlite_file

if TYPE_CHECKING:
    from sqlalchemy import Engine

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
    "experiment_tags": ("key", "value", "experiment_id"),
    "datasets": (
        "dataset_uuid", "experiment_id", "name", "digest", "dataset_source_type", "dataset_source", "dataset_schema",
        "dataset_profile",
    ),
    "inputs": ("input_uuid", "source_type", "source_id", "destination_type", "destination_id", "step"),
}  # fmt: skip
OF_A_RUN = (
    "runs",
    "tags",
    "params",
    "metrics",
    "latest_metrics",
)  # in the order of insertion: rows of the other tables refer to rows of `runs`
# The schema versions that the tests cover. With another version, a database may have the same columns only because MLflow has
# not finished creating or migrating it.
PROVED_REVISIONS = ("dc11669786a5",)
# The size of SQLite's page cache. The cache should hold the last pages of five tables and ten indexes, and all new pages of a
# transaction. With SQLite's default of 2 MB, an import takes 1.5 times as long. Readers are then locked out not only at the
# commit, but whenever pages spill to the disk.
SQLITE_CACHE_KIB = 2**16
MAKING = 4036121  # number of the PostgreSQL advisory lock that a command holds while it creates the tables
CONNECT_TIMEOUTS = {"postgresql": "connect_timeout", "mysql": "connect_timeout"}


def open_tables(uri: str, timeout_s: float, *, whole: bool = False) -> "Engine | None":
    """Connect to a database whose tables can be written directly.

    Args:
        uri: The store's URI.
        timeout_s: How long to wait for a connection, or for another process that is writing to SQLite, in seconds.
        whole: Whether the caller knows that MLflow has finished creating the tables. If not, the database must have a proved
            schema version or hold at least one run, which shows that the tables are finished.

    Returns:
        An engine; None if the URI names no SQL database, or if the database is missing, empty, unfinished or has an unknown
            schema.
    """
    if not is_sql(uri):
        return None
    import sqlalchemy

    url = sqlalchemy.make_url(absolute(uri))
    options: dict[str, Any] = {}
    if (file := sqlite_file(uri)) is not None:
        if not file.exists():
            return None  # connecting would create the file
        url = sqlalchemy.URL.create(url.drivername, database=str(file), query=url.query)
        options = {} if "timeout" in url.query else {"timeout": timeout_s}
    elif (name := CONNECT_TIMEOUTS.get(url.get_backend_name())) is not None and name not in url.query:
        options = {name: max(1, round(timeout_s))}
    engine = sqlalchemy.create_engine(url, connect_args=options)
    if file is not None:
        sqlalchemy.event.listen(engine, "connect", _enlarge_cache)
    if _are_proved(engine) and (whole or _are_whole(engine)):
        return engine
    engine.dispose()
    return None


def _are_proved(engine: "Engine") -> bool:
    import sqlalchemy

    inspector = sqlalchemy.inspect(engine)
    present = set(inspector.get_table_names())
    return all(
        name in present and {column["name"] for column in inspector.get_columns(name)} == set(proved)
        for name, proved in PROVED_COLUMNS.items()
    )


def _are_whole(engine: "Engine") -> bool:
    import sqlalchemy
    from sqlalchemy import select

    with engine.connect() as connection:
        if sqlalchemy.inspect(connection).has_table("alembic_version"):
            version = sqlalchemy.table("alembic_version", sqlalchemy.column("version_num"))
            if connection.execute(select(version.c.version_num)).scalar() in PROVED_REVISIONS:
                return True
        return connection.execute(select(table("runs").c.run_uuid).limit(1)).first() is not None


def make_tables(uri: str, artifacts: Path) -> None:
    """Let MLflow create or migrate the tables of a database on a server.

    On PostgreSQL a lock ensures that only one command does this at a time. Other databases have no such lock here.

    Args:
        uri: The database's URI.
        artifacts: The artifact folder of MLflow's own experiment, Default.
    """
    import sqlalchemy

    from fa_sweep.tracking.stores.connection import quiet

    quiet()
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    engine = sqlalchemy.create_engine(uri)
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(sqlalchemy.select(sqlalchemy.func.pg_advisory_lock(MAKING)))
            SqlAlchemyStore(uri, artifacts.as_uri())
    finally:
        engine.dispose()


def _enlarge_cache(connection: Any, _: Any) -> None:
    connection.execute(f"PRAGMA cache_size = -{SQLITE_CACHE_KIB}").close()


def table(name: str) -> Any:
    """Return a table for SQLAlchemy expressions, with the columns in `PROVED_COLUMNS`: those that the tests write directly."""
    import sqlalchemy

    return sqlalchemy.table(name, *map(sqlalchemy.column, PROVED_COLUMNS[name]))


def is_lost(error: Exception) -> bool:
    """Whether an error means that the connection was lost, and not that the database refused a statement."""
    from sqlalchemy.exc import DBAPIError

    if isinstance(error, DBAPIError):
        return bool(error.connection_invalidated)
    kinds = {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(error).__mro__}
    return "psycopg.OperationalError" in kinds  # COPY bypasses SQLAlchemy and raises psycopg's own errors
