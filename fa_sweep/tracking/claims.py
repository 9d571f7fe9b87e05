"""What sweeps' folders say of MLflow, held against MLflow itself: a database may have been deleted, or runs purged."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fa_sweep.tracking import tagnames
from fa_sweep.tracking.stores.schema import open_tables, table
from fa_sweep.tracking.uris import is_sql, same_store, sqlite_file, sqlite_uri

if TYPE_CHECKING:
    from sqlalchemy import Connection

IDS_PER_QUERY = 500


@dataclass(frozen=True)
class Claim:
    """A sweep that MLflow is said to have: as which run, with how many children."""

    sweep_id: str
    run_id: str
    children: int


def store_of(recorded: str, given: str, outputs: Path) -> str | None:
    """Return where a sweep that this command did not make may be imported to; None if nowhere.

    A sweep's record may be anybody's, so the store that it names is written to only if this command was given the same one, or
    if it is a SQLite file that lies under the working folder's outputs. In a folder that was copied or moved, the file of that
    name here stands for the one there.

    Args:
        recorded: The URI in the sweep's record, without a password.
        given: The URI that this command was given, with one.
        outputs: The working folder's outputs.
    """
    if same_store(recorded, given):
        return given
    file = sqlite_file(recorded)
    if file is None:
        return None
    candidates = [file]
    if outputs.name in file.parts[:-1]:
        last = len(file.parts) - 2 - file.parts[-2::-1].index(outputs.name)
        candidates.append(outputs.absolute().joinpath(*file.parts[last + 1 :]))
    for candidate in candidates:
        uri = sqlite_uri(candidate)
        if candidate.resolve().is_relative_to(outputs.resolve()) and (candidate.exists() or same_store(uri, given)):
            return given if same_store(uri, given) else uri
    return None


def lacking(claims: Sequence[Claim], uri: str, timeout_s: float) -> set[str]:
    """Return which sweeps a store lacks, as a whole or in part. Runs that it has as deleted are not lacking.

    Args:
        claims: What is said to be in this store.
        uri: The store. A server is not asked: it is looked at when one of its sweeps is imported.
        timeout_s: How long to wait for the store, in seconds.

    Returns:
        Ids of sweeps.
    """
    if not claims or not is_sql(uri):
        return set()
    file = sqlite_file(uri)
    if file is not None and not file.exists():
        return {claim.sweep_id for claim in claims}
    engine = open_tables(uri, timeout_s)
    if engine is None:
        return set() if file is None else {claim.sweep_id for claim in claims}
    try:
        with engine.connect() as connection:
            there = _count(connection, {claim.run_id for claim in claims})
    finally:
        engine.dispose()
    return {claim.sweep_id for claim in claims if there.get(claim.run_id, -1) < claim.children}


def _count(connection: "Connection", run_ids: set[str]) -> dict[str, int]:
    """Return the number of children of each of these runs that is there, deleted ones included."""
    from sqlalchemy import func, select

    runs, tags = table("runs").c, table("tags").c
    found: dict[str, int] = {}
    for some in _chunks(sorted(run_ids)):
        found |= {run_id: 0 for (run_id,) in connection.execute(select(runs.run_uuid).where(runs.run_uuid.in_(some)))}
    of_parent = select(tags.value, func.count()).where(tags.key == tagnames.PARENT).group_by(tags.value)
    for parent, children in connection.execute(of_parent):
        if parent in found:
            found[parent] = children
    return found


def _chunks(values: Iterable[Any]) -> Iterator[list[Any]]:
    rest = iter(values)
    while some := list(islice(rest, IDS_PER_QUERY)):
        yield some
