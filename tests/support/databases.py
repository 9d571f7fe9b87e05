"""An empty MLflow database, made once per session: making one takes two seconds and fifty migrations."""

import fcntl
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


def template(folder: Path) -> Path:
    """Return an empty database in the folder that all workers of a session share, making it if it is not there yet."""
    path = folder / "empty.db"
    with (folder / "empty.db.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

            new = folder / "new.db"
            new.unlink(missing_ok=True)
            SqlAlchemyStore(f"sqlite:///{new}", str(folder / "mlruns"))
            new.rename(path)
    return path


@contextmanager
def quick_creation(path: Path) -> Iterator[None]:
    """Make MLflow create every new SQLite database in this process by copying the one at `path`."""
    from mlflow.store.db import utils

    original = utils._initialize_tables

    def copy(engine: Any) -> None:
        if engine.dialect.name != "sqlite":
            original(engine)
            return
        connection = engine.raw_connection()
        with sqlite3.connect(path) as whole:
            whole.backup(connection.driver_connection)
        whole.close()
        connection.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils, "_initialize_tables", copy)
        yield


def place(path: Path, folder: Path) -> None:
    """Copy the database to where a command keeps its runs in `folder`; for commands run as subprocesses."""
    (folder / "outputs").mkdir(exist_ok=True)
    shutil.copyfile(path, folder / "outputs/mlflow.db")
