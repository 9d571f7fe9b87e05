"""Where MLflow keeps runs: its tables where their schema is known, else its client."""

from pathlib import Path

from fa_sweep.tracking.stores.base import Store, StoreClosed, StoredRun, TrackingError
from fa_sweep.tracking.stores.client import ClientStore, connect
from fa_sweep.tracking.stores.tables import TableStore, open_tables
from fa_sweep.tracking.uris import is_sql


def open_store(uri: str, experiment: str, artifacts: Path) -> Store:
    """Return an experiment of a store, made where there is none, in a database its artifacts under `artifacts`.

    Raises TrackingError for a deleted experiment.
    """
    engine = open_tables(uri)
    client = None
    if engine is None:
        client = connect(uri)  # which makes the tables of an empty database
        engine = open_tables(uri)
    # A database has no place of its own for artifacts: left alone, MLflow would put them into ./mlruns.
    location = artifacts.resolve().as_uri() if is_sql(uri) else None
    if engine is not None and location is not None:
        return TableStore(engine, uri, experiment, location)
    return ClientStore(client or connect(uri), experiment, location)


__all__ = ["Store", "StoreClosed", "StoredRun", "TrackingError", "open_store"]
