"""Check whether MLflow still has the sweeps that were imported into it.

After an import, a note in the sweep's folder says that MLflow has the sweep. The note is wrong if somebody has since deleted
the database or purged runs.
"""

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
    """A note in a sweep's folder that MLflow has the sweep.

    Attributes:
        sweep_id: The sweep's id.
        run_id: The MLflow run of the sweep: its parent run, or the run itself if the sweep is a single run.
        children: The number of the parent's child runs.
    """

    sweep_id: str
    run_id: str
    children: int


def store_of(recorded: str, given: str, outputs: Path) -> str | None:
    """Return the store into which this command may import a sweep that another command made.

    The sweep's record is not trusted, because anybody may have written it. This command writes to the store that the record
    names only if the user gave the command the same store, or if the store is a SQLite file in `outputs`. If the working folder
    was copied or moved, the record names a file in the original folder. The file at the same place in this folder is then used.

    Args:
        recorded: The URI in the sweep's record, without a password.
        given: The URI that this command was given, with a password if it needs one.
        outputs: The folder `outputs/` of the working folder.

    Returns:
        The store's URI; None if this command may not write to the store.
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
    """Return the ids of the sweeps that a store should have, but whose parent run or child runs are missing there.

    A run that is marked as deleted is not missing. If a SQLite file does not exist or has an unknown schema, all its sweeps
    count as missing; the import that follows finds out which runs the store has. Other databases with an unknown schema and
    MLflow servers are not checked, so none of their sweeps counts as missing.

    Args:
        claims: The notes that name this store, from the sweeps' folders.
        uri: The store's URI.
        timeout_s: How long to wait for the store, in seconds.
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
    """Return the number of children of each of these runs. Runs marked as deleted count; a run that is missing has no entry."""
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
