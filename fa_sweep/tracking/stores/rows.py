"""The rows of MLflow's tables that make up a run, and the quickest way to insert them."""

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
    """Return an empty list of rows for each table that a run has rows in."""
    return {name: [] for name in OF_A_RUN}


def add_run(rows: Rows, run_id: str, content: RunContent, experiment_id: int, artifact_uri: str) -> None:
    """Add all rows of a whole run to those of other runs."""
    rows["runs"].append(run_row(run_id, content, experiment_id, artifact_uri))
    rows["tags"] += tag_rows(run_id, content)
    rows["params"] += [(key, value, run_id) for key, value in content.params.items()]
    points = [(key, value, content.ended_at_ms, step, False, run_id) for key, value, step in content.metrics]
    rows["metrics"] += points
    rows["latest_metrics"] += latest(points)


def run_row(
    run_id: str, content: RunContent, experiment_id: int, artifact_uri: str, *, has_ended: bool = True
) -> tuple[Any, ...]:
    """Return a run's own row; that of a run which goes on says RUNNING and has no end."""
    status, ended_at_ms = (content.status, content.ended_at_ms) if has_ended else ("RUNNING", None)
    # UNKNOWN is what create_run leaves: the tags hold the source.
    return (
        run_id, content.name, "UNKNOWN", "", "", short(content.tags[tagnames.USER], USER), status, content.started_at_ms,
        ended_at_ms, None, "", "active", artifact_uri, experiment_id,
    )  # fmt: skip


def tag_rows(run_id: str, content: RunContent) -> list[tuple[str, str, str]]:
    """Return the rows of a run's tags; its name is one of them."""
    tags = content.tags | {tagnames.RUN_NAME: content.name}
    return [(key, value, run_id) for key, value in tags.items()]


def latest(points: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return the point of the largest step for each key."""
    latest: dict[str, tuple[Any, ...]] = {}
    for point in points:
        if point[0] not in latest or point[3] > latest[point[0]][3]:
            latest[point[0]] = point
    return list(latest.values())


def mint(group: Mapping[str, str], content: RunContent) -> str:
    """Mint the run's MLflow id: the same again, so that a second import finds what the first one wrote.

    Time and number come first, so that runs are added at the end of every index and not all over it.
    """
    tags = content.tags
    who = f"{group.get('mlflow.parentRunId')}/{tags['fa_sweep.sweep']}/{tags['fa_sweep.job_id']}"
    rest = hashlib.sha256(who.encode()).hexdigest()[:14]
    return f"{content.started_at_ms:012x}{int(tags['fa_sweep.number']):06x}{rest}"


def insert(connection: "Connection", name: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows into a table in the way that is quickest with the driver at hand."""
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
