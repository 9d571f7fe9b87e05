"""Write finished runs straight into the tables of MLflow's SQL store, a twentieth of log_batch's time.

Used only where the five tables have exactly the columns that the tests have proved to read back as if log_batch had written
them; anything else goes through MlflowClient.
"""

import hashlib
from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any

from fa_sweep.tracking.content import RunContent

if TYPE_CHECKING:
    from sqlalchemy import Engine

_VALUES = {"key", "value", "run_uuid"}
_POINTS = {"key", "value", "timestamp", "step", "is_nan", "run_uuid"}
PROVED_COLUMNS = {
    "runs": {
        "run_uuid", "name", "source_type", "source_name", "entry_point_name", "user_id", "status", "start_time", "end_time",
        "deleted_time", "source_version", "lifecycle_stage", "artifact_uri", "experiment_id",
    },
    "tags": _VALUES,
    "params": _VALUES,
    "metrics": _POINTS,
    "latest_metrics": _POINTS,
}  # fmt: skip
RUNS_PER_TRANSACTION = 200


def sql_engine(uri: str, artifact_root: str) -> "Engine | None":
    """Return the engine of an MLflow store whose tables are as proved; None for a server or an unknown schema."""
    if uri.startswith(("http:", "https:")) or "://" not in uri:
        return None
    import sqlalchemy
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store: Any = SqlAlchemyStore
    engine: Engine = store(uri, artifact_root).engine
    inspector = sqlalchemy.inspect(engine)
    for table, proved in PROVED_COLUMNS.items():
        if {column["name"] for column in inspector.get_columns(table)} != proved:
            return None
    return engine


def insert_children(engine: "Engine", experiment_id: str, location: str, parent: str, contents: Iterable[RunContent]) -> int:
    """Insert children of a parent run, those that are not there yet; returns how many. Each transaction is all or nothing.

    `location` is the experiment's artifact location.
    """
    from mlflow.store.tracking.dbmodels import models
    from sqlalchemy import select

    tables = [m.__table__ for m in (models.SqlRun, models.SqlTag, models.SqlParam, models.SqlMetric, models.SqlLatestMetric)]
    with engine.connect() as connection:
        tag = models.SqlTag.__table__.c
        of_parent = (tag.key == "mlflow.parentRunId") & (tag.value == parent)
        present: set[str] = set(connection.execute(select(tag.run_uuid).where(of_parent)).scalars())
    absent = ((i, content) for i, content in ((_child_id(parent, c), c) for c in contents) if i not in present)
    inserted = 0
    while some := list(islice(absent, RUNS_PER_TRANSACTION)):
        rows: dict[str, list[dict[str, Any]]] = {table.name: [] for table in tables}
        for run_uuid, content in some:
            _add_rows(rows, run_uuid, content, int(experiment_id), location, parent)
        inserted += len(some)
        with engine.begin() as connection:
            for table in tables:
                if rows[table.name]:
                    connection.execute(table.insert(), rows[table.name])
    return inserted


def _child_id(parent: str, content: RunContent) -> str:
    """Mint the run's MLflow id: the same again, so that a second import finds what the first one wrote."""
    return hashlib.sha256(f"{parent}/{content.tags['fa_sweep.job_id']}".encode()).hexdigest()[:32]


def _add_rows(
    rows: dict[str, list[dict[str, Any]]],
    run_uuid: str,
    content: RunContent,
    experiment_id: int,
    location: str,
    parent: str,
) -> None:
    rows["runs"].append(
        {
            "run_uuid": run_uuid,
            "name": content.name,
            "source_type": "UNKNOWN",  # what create_run leaves; the tags hold the source
            "source_name": "",
            "entry_point_name": "",
            "user_id": content.tags["mlflow.user"],
            "status": content.status,
            "start_time": content.started_at_ms,
            "end_time": content.ended_at_ms,
            "deleted_time": None,
            "source_version": "",
            "lifecycle_stage": "active",
            "artifact_uri": f"{location}/{run_uuid}/artifacts",
            "experiment_id": experiment_id,
        }
    )
    tags = content.tags | {"mlflow.runName": content.name, "mlflow.parentRunId": parent}
    rows["tags"] += [{"key": key, "value": value, "run_uuid": run_uuid} for key, value in tags.items()]
    rows["params"] += [{"key": key, "value": value, "run_uuid": run_uuid} for key, value in content.params.items()]
    points = [
        {"key": k, "value": v, "timestamp": content.ended_at_ms, "step": s, "is_nan": False, "run_uuid": run_uuid}
        for k, v, s in content.metrics
    ]
    rows["metrics"] += points
    latest: dict[Any, dict[str, Any]] = {}
    for point in points:
        if point["key"] not in latest or point["step"] > latest[point["key"]]["step"]:
            latest[point["key"]] = point
    rows["latest_metrics"] += latest.values()
