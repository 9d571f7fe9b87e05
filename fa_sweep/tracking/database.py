"""Create the SQLite file in which MLflow keeps runs, or migrate it to MLflow's newest schema.

MLflow creates a database in dozens of steps, which take seconds, and migrates an old database in place. An interruption leaves
the database half made. Here, MLflow does both in a temporary file, which is renamed once it is complete. A database that
MLflow itself has left half made is created anew if it holds no runs.
"""

import atexit
import hashlib
import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path

from fa_sweep.errors import NotWritten, TrackingError
from fa_sweep.tracking.locks import exclusive

WAIT_S = 60  # creating a database takes seconds, or tens of seconds on a busy machine
SIDE_FILES = ("-journal", "-wal", "-shm")
NEEDED = {"experiments", "runs", "tags", "params", "metrics", "latest_metrics", "datasets", "inputs"}
HEADER = b"SQLite format 3\0"
Say = Callable[[str], None]


def why_not(file: Path) -> str | None:
    """Return why a path cannot hold a database, and the remedy; None if it can. The check leaves no file behind."""
    try:
        if file.is_dir():
            return "it is a folder: name a file in it"
        folder = next(parent for parent in file.parents if parent.exists())
        with tempfile.TemporaryFile(dir=folder):
            pass  # SQLite writes its journal into this folder
        if not file.exists():
            return None
        with file.open("r+b") as opened:
            if opened.read(len(HEADER)) in (b"", HEADER):
                return None
        return "it is no SQLite database: name another file, or move this one away"
    except OSError as error:
        what = "written" if os.path.exists(file) else "made"
        return f"it cannot be {what}: {error.strerror or error}; name a file in a folder that you can write to"


def prepare(file: Path, artifacts: Path, say: Say) -> None:
    """Create a database with the schema of the installed MLflow, or migrate an old one. Do nothing if it is up to date.

    The old file of a migrated database is kept beside the new one.

    Args:
        file: The path of the database.
        artifacts: The artifact folder of MLflow's own experiment, Default.
        say: Called with a line for the user before each step that takes time.

    Raises:
        NotWritten: If the path cannot hold a database.
        TrackingError: If another program or a newer MLflow made the file, if MLflow cannot migrate it, if another process has
            the file open, or if another command is still creating it.
        OSError: If a file cannot be written.
        sqlite3.Error: If the database cannot be read or written.
    """
    if (wrong := why_not(file)) is not None:
        raise NotWritten(f"{file}: {wrong}")
    file.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(
        _beside(file, "lock"), WAIT_S, lambda: say(f"waiting for another command that makes {_short(file)}")
    ) as free:
        if not free:
            raise TrackingError(f"{_short(file)} is still being made by another command; the next command tries again")
        _bring_up_to_date(file, artifacts, say)


def require_whole(file: Path) -> None:
    """Raise TrackingError unless a database has the schema of the installed MLflow.

    Code that only reads a database calls this first, because MLflow would migrate an old one.
    """
    if _revision(file, _tables(file)) != _revisions()[0]:
        raise TrackingError(f"{_short(file)} is no database of this MLflow; a sweep that is tracked there makes or migrates it")


def _bring_up_to_date(file: Path, artifacts: Path, say: Say) -> None:
    if not (tables := _tables(file)):
        _require_unused(file, "is empty")
        say(f"creating {_short(file)} (once, a few seconds)")
        return _replace(file, lambda new: make(new, artifacts))
    if not {"experiments", "runs"} & tables and "alembic_version" not in tables:
        raise TrackingError(f"{_short(file)} is another program's database; name a file of its own with tracking.uri")
    revision, known = _revision(file, tables), _revisions()
    if revision == known[0] and tables >= NEEDED:
        return None
    if _is_empty(file, tables):
        _require_unused(file, "was left half made")
        say(f"{_short(file)} was left half made, without runs; creating it anew (a few seconds)")
        return _replace(file, lambda new: make(new, artifacts))
    if revision is not None and revision not in known:
        raise TrackingError(f"{_short(file)} was made by a newer MLflow; update this one: pip install -U mlflow")
    _require_unused(file, "has an old schema")
    kept = file.with_name(f"{file.name}.before-{known[0]}")
    say(f"{_short(file)} has an old schema; migrating a copy of it (the old one is kept as {kept.name})")
    with _no_writers(file):
        _replace(file, lambda new: _migrate(file, new), kept)


def _replace(file: Path, fill: Callable[[Path], None], kept: Path | None = None) -> None:
    """Fill a new file and rename it to `file`. The old file is copied to `kept` first, or removed if `kept` is None."""
    new = _beside(file, "new")
    _remove(new)
    try:
        fill(new)
        with new.open("r+b") as written:
            os.fsync(written.fileno())
        if kept is not None:
            shutil.copy2(file, kept)
        else:
            _remove(file)  # with its journal: SQLite would replay an old journal into the new file
        os.replace(new, file)
    finally:
        _remove(new)
    with _folder(file.parent) as opened:
        os.fsync(opened)


@contextmanager
def _folder(path: Path) -> Iterator[int]:
    opened = os.open(path, os.O_RDONLY)
    try:
        yield opened
    finally:
        os.close(opened)


def _remove(file: Path) -> None:
    file.unlink(missing_ok=True)
    for ending in SIDE_FILES:
        file.with_name(file.name + ending).unlink(missing_ok=True)


def make(new: Path, artifacts: Path) -> None:
    """Let MLflow create its tables in a new file, with `artifacts` as the artifact folder of its Default experiment."""
    from fa_sweep.tracking.stores.connection import quiet

    quiet()
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    uri = f"sqlite:///{plain(new)}"
    try:
        SqlAlchemyStore(uri, artifacts.absolute().as_uri())
    finally:
        if (engine := SqlAlchemyStore._engine_map.pop(uri, None)) is not None:
            engine.dispose()  # otherwise MLflow keeps the file open


@contextmanager
def _no_writers(file: Path) -> Iterator[None]:
    """Keep other processes from writing to a database that is being replaced: the new file would lack what they write."""
    with closing(_open(file)) as guard:
        guard.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        guard.execute("BEGIN IMMEDIATE")
        yield


def _migrate(file: Path, new: Path) -> None:
    """Copy a database and let MLflow migrate the copy. Unfinished transactions of other processes are not copied."""
    from fa_sweep.tracking.stores.connection import quiet

    quiet()
    from mlflow.store.db.utils import _upgrade_db, create_sqlalchemy_engine

    with closing(_open(file)) as old, closing(sqlite3.connect(new)) as copy:
        old.backup(copy)
    engine = create_sqlalchemy_engine(f"sqlite:///{plain(new)}")
    try:
        _upgrade_db(engine)
    except Exception as error:
        raise TrackingError(
            f"{_short(file)} has an old schema that MLflow cannot migrate ({type(error).__name__}); move it away, and the next "
            "command brings every sweep of the ledger into a new one"
        ) from error
    finally:
        engine.dispose()


def _open(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True, timeout=10, isolation_level=None)


def _tables(file: Path) -> set[str]:
    if not file.exists():
        return set()
    with closing(_open(file)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _revision(file: Path, tables: set[str]) -> str | None:
    """Return the version of the schema; None if MLflow was interrupted before it recorded one."""
    if "alembic_version" not in tables:
        return None
    with closing(_open(file)) as connection:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])


def _is_empty(file: Path, tables: set[str]) -> bool:
    """Whether a database holds no runs, and no experiment except MLflow's own, Default."""
    most = {"runs": 0, "experiments": 1}
    with closing(_open(file)) as connection:
        counts = {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in most if name in tables}  # noqa: S608
    return all(counts[name] <= most[name] for name in counts)


@cache
def _revisions() -> list[str]:
    """Return the schema versions that the installed MLflow knows, newest first."""
    from fa_sweep.tracking.stores.connection import quiet

    quiet()
    from alembic.script import ScriptDirectory
    from mlflow.store.db.utils import _get_alembic_config

    return [script.revision for script in ScriptDirectory.from_config(_get_alembic_config("")).walk_revisions()]


def _require_unused(file: Path, state: str) -> None:
    """Raise TrackingError if another process has a file open: what that process writes would be lost with the old file.

    Processes are found through /proc. On systems without /proc, nothing is raised.
    """
    for held in Path("/proc").glob("[0-9]*/fd/*") if file.exists() else ():
        try:
            if held.parts[2] != str(os.getpid()) and os.path.samestat(held.stat(), file.stat()):
                break
        except OSError:
            continue  # the process has ended, or it belongs to another user
    else:
        return
    raise TrackingError(
        f"{_short(file)} {state}, and process {held.parts[2]} has it open; end that process (an MLflow server?), and the next "
        "command tries again"
    )


def _beside(file: Path, what: str) -> Path:
    """Return the path of an auxiliary file beside a database. A hash keeps it short even if the database has a long name."""
    return file.with_name(f".mlflow-{hashlib.sha256(os.fsencode(file.name)).hexdigest()[:12]}.{what}")


def _short(file: Path) -> str:
    return os.path.relpath(file) if file.is_relative_to(Path.cwd()) else str(file)


@cache
def plain(file: Path) -> Path:
    """Return a path that leads to a file and needs no quoting in a URI, because MLflow does not decode quoted paths.

    If the file's own path needs quoting, the result is a link to the file in a temporary folder. This process removes the
    folder when it exits.
    """
    if re.fullmatch(r"[\w/.+-]*", str(file), re.ASCII):
        return file
    folder = Path(tempfile.mkdtemp(prefix="fa_sweep-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    link = folder / "mlflow.db"
    link.symlink_to(file)
    return link
