"""Reads MLflow's SQLite file with SQL, and changes it as MLflow's users do."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from fa_sweep.tracking.places import PLACES, experiment_name
from fa_sweep.tracking.tagnames import SUPERSEDED
from support.commands import short

FOUR = short("feedback=symmetric,random", "seed=0,1")
TWO = short("seed=5,6")


def sql(text: str, *values: object, database: str | Path = "outputs/mlflow.db") -> list[Any]:
    with closing(sqlite3.connect(database)) as connection, connection:
        return connection.execute(text, values).fetchall()


def experiments(client: Any, experiment: str = "fa_sweep") -> list[str]:
    """List the ids of the experiments that hold the sweeps and the runs that are tracked under this name."""
    found = [client.get_experiment_by_name(experiment_name(experiment, place)) for place in PLACES]
    return [one.experiment_id for one in found if one is not None]


def children(parent: str | None = None, kind: str | None = None) -> list[str]:
    """List the ids of active child runs, of one parent if it is given: of trained runs, or those of the kind "group"."""
    of_kind = f"run_uuid IN (SELECT run_uuid FROM tags WHERE key = 'fa_sweep.kind' AND value = '{kind or 'group'}')"  # noqa: S608
    query = "SELECT run_uuid FROM runs JOIN tags USING (run_uuid) WHERE key = 'mlflow.parentRunId'"
    query += f" AND lifecycle_stage = 'active' AND {'' if kind else 'NOT'} {of_kind}"
    return [run_id for (run_id,) in sql(query + ("" if parent is None else f" AND value = '{parent}'"))]


def parents(*, superseded: bool = False) -> list[str]:
    query = "SELECT run_uuid FROM runs JOIN tags USING (run_uuid) WHERE key = 'fa_sweep.kind' AND value = 'sweep'"
    query += " AND lifecycle_stage = 'active'"
    query += f" AND run_uuid {'' if superseded else 'NOT'} IN (SELECT run_uuid FROM tags WHERE key = '{SUPERSEDED}')"  # noqa: S608
    return [run_id for (run_id,) in sql(query + " ORDER BY start_time")]


def purge(run_id: str) -> None:
    """Remove a run as `mlflow gc` does."""
    for table in ("latest_metrics", "metrics", "params", "tags", "runs"):
        sql(f"DELETE FROM {table} WHERE run_uuid = ?", run_id)  # noqa: S608


def delete(run_id: str) -> None:
    """Mark a run as deleted, as MLflow's UI does."""
    sql("UPDATE runs SET lifecycle_stage = 'deleted' WHERE run_uuid = ?", run_id)
