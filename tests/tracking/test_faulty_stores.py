"""A store holds every run exactly once in the end, even if any one of its answers is lost or nonsense."""

import shutil
import sqlite3
from collections import Counter
from dataclasses import replace

import pytest
from support.commands import short
from support.cutting_proxy import cutting_proxy
from support.fake_mlflow import FAULTS, fake_mlflow
from support.services import postgres

from fa_sweep.errors import TrackingError
from fa_sweep.settings.schema import TrackingConfig
from fa_sweep.sweeping.folder import Sweep, all_sweeps
from fa_sweep.tracking.importer import import_sweep
from fa_sweep.tracking.stores import patience

TRACKING = TrackingConfig(uri="none", experiment="faults", metrics="main", history="full", timeout_s=30.0)


@pytest.fixture
def sweep(fa_sweep, monkeypatch) -> Sweep:
    """A sweep of two runs that no store holds yet; importing each run takes two batches."""
    monkeypatch.setattr(patience, "PAUSE_S", 0.001)
    monkeypatch.setattr("fa_sweep.tracking.stores.client.PARAMS_PER_BATCH", 30)
    monkeypatch.setattr("fa_sweep.tracking.stores.client.METRICS_PER_BATCH", 60)
    assert fa_sweep(*short("seed=0,1")) == 0
    (made,) = all_sweeps()
    (made.folder / "tracked.json").unlink()
    return Sweep(made.folder)


def what_is_there(store):
    """Return everything that a fake store holds about active runs, without run ids."""
    runs = [run for run in store.runs.values() if run["info"]["lifecycle_stage"] == "active"]
    parents = [run for run in runs if run["tags"].get("fa_sweep.kind") == "sweep"]
    assert len(parents) == 1
    (parent,) = parents
    names = {number: one["name"] for number, one in store.experiments.items()}
    places = {"sweep": "faults", "group": "faults"}
    for run in runs:
        assert run is parent or run["tags"]["mlflow.parentRunId"] == parent["info"]["run_id"]
        assert names[run["info"]["experiment_id"]] == places.get(run["tags"].get("fa_sweep.kind"), "faults runs")
    assert all([tag["key"] for tag in one["tags"]] == ["mlflow.note.content"] for one in store.experiments.values())
    assert parent["tags"]["fa_sweep.complete"] == "true"
    files = [name.rpartition("/")[2] for name in store.artifacts if parent["info"]["run_id"] in name]
    assert files == ["configs.csv"]
    own = ("run_id", "run_uuid", "artifact_uri")
    return sorted(
        repr([
            {k: v for k, v in run["info"].items() if k not in own},
            sorted((k, v.replace(parent["info"]["run_id"], "PARENT")) for k, v in run["tags"].items()),
            sorted(run["params"].items()),
            {key: sorted(points) for key, points in sorted(run["points"].items())},
            run["inputs"],
        ])
        for run in runs
    )  # fmt: skip


def undisturbed(sweep):
    with fake_mlflow() as store:
        import_sweep(sweep, replace(TRACKING, uri=store.url))
        return what_is_there(store), list(store.requests)


def quick(faults, *chosen):
    """Return faults as test parameters; all but the chosen ones are marked as slow."""
    return [pytest.param(fault, marks=[] if fault in chosen else [pytest.mark.slow]) for fault in faults]


@pytest.mark.parametrize("fault", quick(FAULTS, "reset after"))
def test_a_server_with_a_fault_at_any_request(sweep, fault):
    right, requests = undisturbed(sweep)
    assert len(right) == 1 + 1 + 2  # the parent, its group and two runs
    assert sum("log-batch" in request for request in requests) == 6
    assert all("'status': 'FINISHED'" in run for run in right)
    failed = Counter()
    for n in range(len(requests)):
        with fake_mlflow() as store:
            store.faulty, store.fault = range(n, n + 1), fault
            try:
                import_sweep(sweep, replace(TRACKING, uri=store.url))
            except TrackingError:
                failed[requests[n]] += 1
                import_sweep(sweep, replace(TRACKING, uri=store.url))  # as the next command does
            assert what_is_there(store) == right, (n, requests[n])
    # The import recovers by itself from any single fault but one: garbage in the answer about the missing experiment. It is a
    # 404 without MLflow's own error code, which means that there is no tracking server at this address.
    assert set(failed) <= {"GET /api/2.0/mlflow/experiments/get-by-name"}


@pytest.mark.parametrize("fault", quick(["closed before", "closed after", "500 after", "garbage after"]))
def test_a_server_that_dies_at_any_request_and_is_there_again_for_the_next_command(sweep, fault):
    right, requests = undisturbed(sweep)
    for n in range(len(requests)):
        with fake_mlflow() as store:
            store.faulty, store.fault = range(n, 10**6), fault
            with pytest.raises(TrackingError) as said:
                import_sweep(sweep, replace(TRACKING, uri=store.url))
            assert "\n" not in str(said.value)
            store.faulty = range(0)
            import_sweep(sweep, replace(TRACKING, uri=store.url))
            assert what_is_there(store) == right, (n, requests[n])


def rows(uri):
    """Return everything that a database holds about runs, with run names in place of ids."""
    import sqlalchemy

    engine = sqlalchemy.create_engine(uri)
    with engine.connect() as connection:

        def all_of(text):
            return [tuple(row) for row in connection.execute(sqlalchemy.text(text))]

        names = dict(all_of("SELECT run_uuid, name FROM runs"))
        found = [
            sorted((names[run_id], *rest) for run_id, *rest in all_of(f"SELECT run_uuid, {columns} FROM {table}"))  # noqa: S608
            for table, columns in (
                ("runs", "status, start_time, end_time, lifecycle_stage"), ("params", "key, value"),
                ("metrics", "key, value, step, timestamp"), ("latest_metrics", "key, value, step, timestamp"),
            )
        ]  # fmt: skip
        ((parent,),) = all_of("SELECT run_uuid FROM tags WHERE key = 'fa_sweep.kind' AND value = 'sweep'")
        tags = sorted((names[r], k, v.replace(parent, "PARENT")) for r, k, v in all_of("SELECT run_uuid, key, value FROM tags"))
        inputs = all_of("SELECT destination_type, source_type FROM inputs")
        experiments = all_of("SELECT name FROM experiments ORDER BY name")
        experiments += all_of("SELECT key, value FROM experiment_tags ORDER BY value")
    engine.dispose()
    assert len(names) == len(found[0])
    return [*found, tags, inputs, experiments]


def test_tables_whose_connection_breaks_at_any_statement(sweep, tmp_path, empty_database, monkeypatch):
    """Whichever SQLite statement fails, the commit included, the next import completes the store."""
    import sqlalchemy

    from fa_sweep.tracking import stores

    original, count = stores.open_tables, [0, -1]

    def failing(*arguments, **options):
        engine = original(*arguments, **options)

        def before(*_):
            count[0] += 1
            if count[0] == count[1]:
                raise sqlite3.OperationalError("disk I/O error")

        for event in ("before_cursor_execute", "commit"):
            sqlalchemy.event.listen(engine, event, before)
        return engine

    monkeypatch.setattr(stores, "open_tables", failing)

    def fresh(name):
        shutil.copyfile(empty_database, tmp_path / name)
        return replace(TRACKING, uri=f"sqlite:///{tmp_path / name}")

    whole = fresh("whole.db")
    import_sweep(sweep, whole)
    right, statements = rows(whole.uri), count[0]
    assert len(right[0]) == 4
    for n in range(1, statements + 1):
        broken = fresh("broken.db")
        count[:] = 0, n
        with pytest.raises(TrackingError):
            import_sweep(sweep, broken)
        count[:] = 0, -1
        import_sweep(sweep, broken)
        assert rows(broken.uri) == right, n


@pytest.mark.service("postgresql", "mlflow")
@pytest.mark.xdist_group("postgresql")
@pytest.mark.parametrize("after", [False, True])
def test_postgresql_whose_connection_is_cut_at_any_message(sweep, database, after):
    """After a cut connection and at most one more import, the store holds every run once.

    This holds whether or not the server got the message at which the connection was cut.
    """
    from urllib.parse import urlsplit

    parts = urlsplit(database)
    with cutting_proxy((parts.hostname, parts.port)) as proxy:

        def tracking(experiment):
            return replace(TRACKING, uri=database.replace(str(parts.port), str(proxy.port)), experiment=experiment)

        import_sweep(sweep, tracking("whole"))  # creates the tables
        proxy.pieces = 0
        import_sweep(sweep, tracking(f"again {after}"))
        right, pieces = counted(database, f"again {after}"), proxy.pieces
        assert right == ([("FINISHED", 4)], [("true",)])
        assert pieces > 20
        for n in range(pieces):
            proxy.pieces, proxy.cut_at, proxy.after = 0, n, after
            experiment = tracking(f"{after} {n}")
            try:
                import_sweep(sweep, experiment)
            except TrackingError:
                proxy.cut_at = -1
                import_sweep(sweep, experiment)
            assert counted(database, experiment.experiment) == right, n


def counted(database, experiment):
    """Return the number of an experiment's runs in each status, and the values of `fa_sweep.complete` tags."""
    import sqlalchemy

    engine = sqlalchemy.create_engine(database)
    mine = "FROM runs r JOIN experiments e USING (experiment_id) {} WHERE e.name IN (:name, :runs)"
    with engine.connect() as connection:
        runs, tags = (
            connection.execute(sqlalchemy.text(text), {"name": experiment, "runs": f"{experiment} runs"}).all()
            for text in (
                f"SELECT r.status, count(*) {mine.format('')} GROUP BY r.status",
                f"SELECT t.value {mine.format('JOIN tags t USING (run_uuid)')} AND t.key = 'fa_sweep.complete'",
            )
        )
    engine.dispose()
    return [tuple(row) for row in runs], [tuple(row) for row in tags]


@pytest.fixture(scope="module")
def database():
    """The URI of a PostgreSQL database that only these tests use."""
    with postgres() as uri:
        yield uri
