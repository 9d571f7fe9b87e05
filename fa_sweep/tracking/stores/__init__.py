"""Tracking stores: write to MLflow's tables directly if their schema is known, otherwise through MLflow's client."""

from collections.abc import Callable
from pathlib import Path

from fa_sweep.errors import Busy, NotWritten, StoreClosed, TrackingError
from fa_sweep.tracking.database import prepare
from fa_sweep.tracking.stores.artifacts import Home
from fa_sweep.tracking.stores.base import Store, StoredRun
from fa_sweep.tracking.stores.client import ClientStore
from fa_sweep.tracking.stores.connection import connect
from fa_sweep.tracking.stores.patience import Patience
from fa_sweep.tracking.stores.schema import make_tables, open_tables
from fa_sweep.tracking.stores.tables import TableStore
from fa_sweep.tracking.uris import is_server, is_sql, public, sqlite_file

Say = Callable[[str], None]


def open_store(uri: str, experiment: str, outputs: Path, timeout_s: float = 30.0, say: Say = lambda _: None) -> Store:
    """Open an experiment of a tracking store. The database and the experiment are created if they do not exist.

    Args:
        uri: The store's URI.
        experiment: The experiment's name.
        outputs: The folder `outputs/` of the working folder. A database cannot hold artifacts, so the artifacts of a new
            experiment in a database go into this folder. By default, MLflow would put them into ./mlruns.
        timeout_s: How long to wait for an answer, in seconds.
        say: Called with a line for the user before each step that takes time.

    Returns:
        A `TableStore` for a database whose tables have a known schema, otherwise a `ClientStore`.

    Raises:
        StoreClosed: If the experiment is deleted, the store does not answer in time, or the path of the artifacts is too long.
        TrackingError: If a SQLite database can be neither created nor migrated.
        Exception: Any error of a database driver or of MLflow's client.
    """
    home = Home(outputs, experiment)
    patience = Patience(public(uri), timeout_s, say, hopeless=lambda error: True)
    threaded = is_server(uri)
    engine = patience.ask(lambda: open_tables(uri, timeout_s), threaded=threaded)
    if engine is None and is_sql(uri):
        artifacts = outputs.resolve() / "artifacts"
        if (file := sqlite_file(uri)) is not None:
            prepare(file, artifacts, say)
        else:
            make_tables(uri, artifacts)
        engine = open_tables(uri, timeout_s, whole=True)
    if engine is not None:
        return TableStore(engine, uri, home, timeout_s, say)
    return ClientStore(connect(uri, timeout_s), uri, home, timeout_s, say)


__all__ = ["Busy", "NotWritten", "Store", "StoreClosed", "StoredRun", "TrackingError", "open_store"]
