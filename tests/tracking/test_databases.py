"""MLflow's SQLite database is either complete or absent, whichever command creates it and wherever it is interrupted."""

import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from support.commands import short

from fa_sweep.errors import NotWritten, TrackingError
from fa_sweep.sweeping.folder import all_sweeps
from fa_sweep.tracking import database, stores
from fa_sweep.tracking.stores.schema import PROVED_REVISIONS, open_tables
from fa_sweep.tracking.uris import sqlite_uri


@contextmanager
def opened(file):
    with closing(sqlite3.connect(file)) as connection, connection:
        yield connection


def is_whole(file):
    engine = open_tables(sqlite_uri(file), 30)
    if engine is not None:
        engine.dispose()
    return engine is not None


@pytest.fixture
def file(tmp_path, empty_database):
    """The path of a database that does not exist yet, in a folder that does not exist yet either."""
    return tmp_path / "outputs/mlflow.db"


def copied(empty_database, file):
    file.parent.mkdir(exist_ok=True)
    shutil.copyfile(empty_database, file)


def prepare(file, said=None):
    database.prepare(file, file.parent / "artifacts", (said if said is not None else []).append)


def test_it_is_made_whole_and_leaves_nothing_beside(file):
    said = []
    prepare(file, said)
    assert is_whole(file)
    assert [path.name for path in file.parent.iterdir()] == ["mlflow.db"]
    assert "creating" in said[0]
    with opened(file) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone()[0] in PROVED_REVISIONS
    before = file.read_bytes()
    prepare(file)
    assert file.read_bytes() == before


@pytest.mark.parametrize("how", ["first tables", "some migrations", "no version", "older version", "empty file", "no tables"])
def test_one_that_was_left_half_made_is_made_anew(file, empty_database, how):
    half_made(file, empty_database, how)
    assert not is_whole(file)
    prepare(file)
    assert is_whole(file)
    assert [path.name for path in file.parent.iterdir()] == ["mlflow.db"]


def half_made(file, empty_database, how):
    """Leave a half-made database and its journal, as a killed process does."""
    copied(empty_database, file)
    with opened(file) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        if how == "no version":
            connection.execute("DELETE FROM alembic_version")
        elif how == "older version":
            connection.execute("UPDATE alembic_version SET version_num = '97727af70f4d'")
        elif how in ("first tables", "some migrations"):
            kept = ("experiments", "runs", "tags", "metrics", "params")
            kept += ("alembic_version", "latest_metrics") if how == "some migrations" else ()
            for name in [name for name in tables if name not in kept and not name.startswith("sqlite_")]:
                connection.execute(f"DROP TABLE {name}")
    if how == "empty file":
        file.write_bytes(b"")
    elif how == "no tables":
        file.unlink()
        with opened(file) as connection:
            connection.execute("CREATE TABLE x (y)")
            connection.execute("DROP TABLE x")
    file.with_name("mlflow.db-journal").write_bytes(b"")


def test_a_command_makes_a_half_made_one_anew_and_tracks(fa_sweep, empty_database, capfd):
    half_made(Path("outputs/mlflow.db"), empty_database, "some migrations")
    assert fa_sweep(*short("seed=0,1")) == 0
    said = capfd.readouterr().out
    assert "outputs/mlflow.db was left half made, without runs; creating it anew" in said
    assert "MLflow: 2 runs under parent run" in said


def test_a_kill_before_the_last_step_leaves_nothing_that_matters(file, empty_database):
    """If the process dies just before it renames the finished file, no database exists, and the next process creates it."""
    code = (
        "import os, sys; from pathlib import Path; from fa_sweep.tracking import database\n"
        "database.make = lambda new, _: new.write_bytes(b'not all of it')\n"
        "os.replace = lambda *_: os._exit(9)\n"
        "database.prepare(Path(sys.argv[1]), Path('artifacts'), print)"
    )
    assert subprocess.run([sys.executable, "-c", code, file], check=False, capture_output=True).returncode == 9
    assert not file.exists()
    assert len(list(file.parent.iterdir())) == 2  # a lock that nobody holds, and the unfinished file
    prepare(file)
    assert is_whole(file)
    assert [path.name for path in file.parent.iterdir()] == ["mlflow.db"]


def test_two_at_once_make_one(file, monkeypatch):
    """The second process waits for the first and then finds a complete database."""
    made, said = [], []
    second = threading.Thread(target=prepare, args=(file, said))
    original = database.make

    def make(new, artifacts):
        made.append(new)
        if len(made) == 1:
            second.start()
        original(new, artifacts)

    monkeypatch.setattr(database, "make", make)
    prepare(file)
    second.join()
    assert len(made) == 1
    assert is_whole(file)


def test_a_waiting_command_gives_up_in_the_end(file, monkeypatch):
    file.parent.mkdir()
    monkeypatch.setattr(database, "WAIT_S", 0)
    said = []
    with database.exclusive(database._beside(file, "lock"), 0) as free:
        assert free
        with pytest.raises(TrackingError, match="still being made by another command"):
            prepare(file, said)


@pytest.mark.slow
def test_an_old_schema_is_migrated_in_a_copy(file):
    from alembic import command
    from mlflow.store.db.utils import _get_alembic_config

    def upgrade(to):
        import sqlalchemy

        config = _get_alembic_config(sqlite_uri(file))
        engine = sqlalchemy.create_engine(sqlite_uri(file))
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, to)
        engine.dispose()

    prepare(file)
    old = database._revisions()[3]
    with opened(file) as connection:
        connection.execute("INSERT INTO runs (run_uuid, name, status, lifecycle_stage, experiment_id) "
                           "VALUES ('r', 'mine', 'FINISHED', 'active', 0)")  # fmt: skip
    whole = file.read_bytes()
    file.unlink()
    old_one(file, old, upgrade)
    before = file.read_bytes()
    assert whole != before
    said = []
    prepare(file, said)
    assert is_whole(file)
    with opened(file) as connection:
        assert connection.execute("SELECT name FROM runs").fetchall() == [("mine",)]
    (kept,) = file.parent.glob("mlflow.db.before-*")
    assert kept.read_bytes() == before
    assert kept.name in said[0]


def old_one(file, revision, upgrade):
    """Create a database with one run, in the schema of an older MLflow."""
    import sqlalchemy
    from mlflow.store.tracking.dbmodels.initial_models import Base

    engine = sqlalchemy.create_engine(sqlite_uri(file))
    Base.metadata.create_all(engine)
    engine.dispose()
    upgrade(revision)
    with opened(file) as connection:
        connection.execute("INSERT INTO experiments (experiment_id, name, lifecycle_stage) VALUES (0, 'Default', 'active')")
        connection.execute("INSERT INTO runs (run_uuid, name, status, lifecycle_stage, experiment_id) "
                           "VALUES ('r', 'mine', 'FINISHED', 'active', 0)")  # fmt: skip


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only /proc tells who has a file open")
def test_one_that_another_process_has_open_is_left_alone(file, empty_database):
    half_made(file, empty_database, "older version")
    before = file.read_bytes()
    code = "import sys; file = open(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        with pytest.raises(TrackingError, match=f"process {other.pid} has it open"):
            prepare(file)
        other.stdin.close()
    assert file.read_bytes() == before
    prepare(file)
    assert is_whole(file)


def test_another_program_s_database_and_a_newer_mlflow_s_are_left_alone(file, empty_database):
    file.parent.mkdir()
    with opened(file) as connection:
        connection.execute("CREATE TABLE mine (x)")
    before = file.read_bytes()
    with pytest.raises(TrackingError, match="is another program's database"):
        prepare(file)
    assert file.read_bytes() == before
    copied(empty_database, file)
    with opened(file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'of tomorrow'")
        connection.execute("INSERT INTO runs (run_uuid, experiment_id) VALUES ('r', 0)")
        connection.execute("ALTER TABLE runs ADD COLUMN colour")
    with pytest.raises(TrackingError, match="made by a newer MLflow"):
        prepare(file)


def test_places_that_cannot_hold_one(tmp_path):
    (tmp_path / "folder.db").mkdir()
    (tmp_path / "text.db").write_text("no database, but longer than a header")
    (tmp_path / "fine.db").write_bytes(b"")
    for name, words in (
        (tmp_path / "folder.db", "it is a folder"),
        (tmp_path / "text.db", "it is no SQLite database"),
        (tmp_path / "text.db/below/x.db", "it cannot be made"),
        (Path("/proc/x.db"), "it cannot be made"),
    ):
        assert words in database.why_not(name), name
    assert database.why_not(tmp_path / "fine.db") is None
    assert database.why_not(tmp_path / "new/far/x.db") is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fine.db", "folder.db", "text.db"]


@pytest.mark.parametrize("single", [True, False])
def test_a_place_that_cannot_be_used_is_refused_before_anything_is_written(fa_sweep, capfd, tmp_path, single):
    for uri, words in (
        ("sqlite:////proc/x.db", "tracking.uri is sqlite:////proc/x.db; it cannot be made"),
        ("nonsense", "tracking.uri is 'nonsense'; MLflow keeps runs in databases and on servers: write sqlite:///FILE"),
        ("sqlite:///", "tracking.uri is 'sqlite:///'; it names no file"),
        ("sqlite:///:memory:", "it names no file"),
        ("http://", "it names no host"),
        ("http://host:123456", "Port out of range"),
        ("ftp://host/x", "no store is called 'ftp'"),
        ("sqlite:///~nobody-of-this-name/x.db", "home folder"),
    ):
        arguments = short("seed=1", f"tracking.uri='{uri}'")
        assert fa_sweep(*(arguments[1:] if single else arguments)) == 2, uri
        err = capfd.readouterr().err
        assert words in err
        assert len(err.strip().splitlines()) == 1
        assert list(tmp_path.iterdir()) == [] or [path.name for path in tmp_path.iterdir()] == ["outputs"], uri
        assert not any(path.is_file() and path.name != ".catalogue" for path in tmp_path.rglob("*"))


def test_a_full_disk_is_said_in_one_line_and_made_good_by_the_same_command(fa_sweep, capfd, monkeypatch):
    """A limit on the number of pages makes SQLite fail as on a full disk."""
    original = stores.open_tables

    def full(*arguments, **options):
        import sqlalchemy

        engine = original(*arguments, **options)
        if engine is not None:
            with engine.connect() as connection:
                pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            engine.dispose()
            limit = lambda connection, _: connection.execute(f"PRAGMA max_page_count = {pages + 3}")  # noqa: E731
            sqlalchemy.event.listen(engine, "connect", limit)
        return engine

    command = short("feedback=symmetric,random", "seed=range(20)")
    with monkeypatch.context() as patch:
        patch.setattr(stores, "open_tables", full)
        assert fa_sweep(*command) == 1
    err = capfd.readouterr().err
    assert "outputs/mlflow.db cannot be written: database or disk is full; they are safe in outputs/sweeps/" in err
    assert "Traceback" not in err
    assert fa_sweep(*command) == 0
    assert "40 reused" in capfd.readouterr().out
    with opened("outputs/mlflow.db") as connection:
        assert connection.execute("SELECT status, count(*) FROM runs GROUP BY status").fetchall() == [("FINISHED", 43)]
    assert all(sweep.tracked for sweep in all_sweeps())


def test_a_disk_that_is_full_while_the_database_is_made_leaves_nothing(file, monkeypatch):
    def full(new, _):
        new.write_bytes(b"some of it")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(database, "make", full)
        with pytest.raises(OSError, match="No space left"):
            prepare(file)
    assert list(file.parent.iterdir()) == []
    prepare(file)
    assert is_whole(file)
    assert isinstance(NotWritten("x"), TrackingError)
