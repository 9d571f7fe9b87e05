"""Build the rows that a run has in MLflow's tables, and insert them quickly."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fa_sweep.tracking import tagnames
from fa_sweep.tracking.content import RunContent
from fa_sweep.tracking.limits import USER, short
from fa_sweep.tracking.stores.schema import OF_A_RUN, PROVED_COLUMNS, table

if TYPE_CHECKING:
    from sqlalchemy import Connection

Rows = dict[str, list[tuple[Any, ...]]]


def no_rows() -> Rows:
    """Return an empty list for each table in which a run has rows."""
    return {name: [] for name in OF_A_RUN}


def add_run(rows: Rows, run_id: str, content: RunContent, experiment_id: int, artifact_uri: str) -> None:
    """Append all rows of a run that has ended.

    Args:
        rows: The rows of earlier runs, by table. The run's rows are appended to them.
        run_id: The run's MLflow id.
        content: The run.
        experiment_id: The experiment's id.
        artifact_uri: The location of the run's artifacts.
    """
    rows["runs"].append(run_row(run_id, content, experiment_id, artifact_uri))
    rows["tags"] += tag_rows(run_id, content)
    rows["params"] += [(key, value, run_id) for key, value in content.params.items()]
    points = [(key, value, content.ended_at_ms, step, False, run_id) for key, value, step in content.metrics]
    rows["metrics"] += points
    rows["latest_metrics"] += latest(points)


def run_row(
    run_id: str, content: RunContent, experiment_id: int, artifact_uri: str, *, has_ended: bool = True
) -> tuple[Any, ...]:
    """Return a run's row in the table `runs`. Without `has_ended`, its status is RUNNING and it has no end time."""
    status, ended_at_ms = (content.status, content.ended_at_ms) if has_ended else ("RUNNING", None)
    # MLflow's own create_run also writes UNKNOWN here. The source stands in tags.
    return (
        run_id, content.name, "UNKNOWN", "", "", short(content.tags[tagnames.USER], USER), status, content.started_at_ms,
        ended_at_ms, None, "", "active", artifact_uri, experiment_id,
    )  # fmt: skip


def tag_rows(run_id: str, content: RunContent) -> list[tuple[str, str, str]]:
    """Return the rows of a run's tags, including the tag that holds its name."""
    tags = content.tags | {tagnames.RUN_NAME: content.name}
    return [(key, value, run_id) for key, value in tags.items()]


def latest(points: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return, for each metric, the point with the largest step."""
    latest: dict[str, tuple[Any, ...]] = {}
    for point in points:
        if point[0] not in latest or point[3] > latest[point[0]][3]:
            latest[point[0]] = point
    return list(latest.values())


def mint(group: Mapping[str, str], content: RunContent) -> str:
    """Derive a run's MLflow id from its parent, sweep and job, so that a repeated import gives the run the same id.

    The id begins with the start time and the job's number, so that new rows go to the end of every index and are not scattered
    over it.

    Args:
        group: The tags of the run's group, which may name a parent.
        content: The run.
    """
    tags = content.tags
    who = f"{group.get('mlflow.parentRunId')}/{tags['fa_sweep.sweep']}/{tags['fa_sweep.job_id']}"
    rest = hashlib.sha256(who.encode()).hexdigest()[:14]
    return f"{content.started_at_ms:012x}{int(tags['fa_sweep.number']):06x}{rest}"


def insert(connection: "Connection", name: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows into a table by the fastest method that the database's driver offers.

    Args:
        connection: A connection within a transaction.
        name: The table's name.
        rows: The rows. Their values are in the order of `PROVED_COLUMNS[name]`.
    """
    if not rows:
        return
    columns = PROVED_COLUMNS[name]
    statement = table(name).insert()
    compiled = statement.compile(dialect=connection.dialect, column_keys=list(columns))
    if connection.dialect.driver == "psycopg":
        quoted = ", ".join(map(connection.dialect.identifier_preparer.quote, columns))
        cursor: Any = connection.connection.cursor()
        with cursor, cursor.copy(f"COPY {name} ({quoted}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    elif compiled.positional:
        assert tuple(compiled.positiontup or ()) == columns
        connection.exec_driver_sql(str(compiled), list(rows))
    else:
        connection.execute(statement, [dict(zip(columns, row, strict=True)) for row in rows])
