"""List the sweeps of a ledger, with what their records and shards say."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fa_sweep.decisions.designs import in_words
from fa_sweep.errors import ConfigError, Unreadable
from fa_sweep.sweeping.catalogue import Catalogue, Entry
from fa_sweep.sweeping.folder import OUTPUTS, Sweep, catalogued


@dataclass(frozen=True)
class Listed:
    """One sweep or single run, as a list shows it.

    Attributes:
        id: The name of its folder.
        name: The name that the user gave it; empty for none.
        when: When it was created, in UTC, as in "2026-11-26 05:52:34".
        command: The command that started it.
        groups: The number of its groups.
        planned: The number of its runs.
        finished: How many of them are in the ledger.
        failed: How many of them failed.
        state: "running", "complete", "N missing", "N failed", or why it cannot be read.
        single: Whether it is a single run outside any sweep.
        tracked: Whether MLflow has the whole sweep.
        size: The size of its folder in bytes. Runs that it reuses are in other folders.
        tags: The tags that the user gave it.
        folder: The path of its folder.
        design: What its design is, in a few words; empty for a grid.
    """

    id: str
    name: str
    when: str
    command: str
    groups: int
    planned: int
    finished: int
    failed: int
    state: str
    single: bool
    tracked: bool
    size: int
    tags: tuple[str, ...]
    folder: str
    design: str


def listed(outputs: Path = OUTPUTS, *, most: int | None = None, single: bool = True) -> list[Listed]:
    """Return the sweeps and single runs of a ledger, newest first.

    Args:
        outputs: The folder of the ledger.
        most: At most so many; None for all.
        single: Whether to list single runs too.
    """
    found = [(sweep, entry) for sweep, entry in reversed(catalogued(outputs)) if single or not entry.single]
    catalogue = Catalogue(outputs)
    return [_listed(sweep, entry, catalogue) for sweep, entry in found[:most]]


def listed_one(sweep: Sweep, outputs: Path = OUTPUTS) -> Listed:
    """Return what a list shows of one sweep or single run."""
    catalogue = Catalogue(outputs, also=sweep.folder)
    entries = {os.path.realpath(folder): entry for folder, entry in catalogue.entries.items()}
    return _listed(sweep, entries[os.path.realpath(sweep.folder)], catalogue)


def count(outputs: Path = OUTPUTS, *, single: bool = True) -> int:
    """Return how many sweeps, and with `single` also single runs, a ledger has."""
    return sum(bool(entry.created_at_ms) and (single or not entry.single) for entry in Catalogue(outputs).entries.values())


def _listed(sweep: Sweep, entry: Entry, catalogue: Catalogue) -> Listed:
    record, labels, failed, finished, groups = sweep.record, sweep.labels, 0, 0, 0
    try:
        jobs = sweep.jobs
        groups, places = len({job.group for job in jobs}), catalogue.places(job.run_id for job in jobs)
        finished = sum(job.run_id in places for job in jobs)
        errors = sweep.failures
        failed = sum(job.run_id in errors and job.run_id not in places for job in jobs)
        missing = len(jobs) - finished - failed
        state = ", ".join([f"{failed} failed"] * bool(failed) + [f"{missing} missing"] * bool(missing)) or "complete"
        if state != "complete" and sweep.is_running:
            state = "running"
    except (Unreadable, ConfigError) as error:
        state = str(error) if isinstance(error, ConfigError) else f"damaged: {error}"
    return Listed(
        id=sweep.id,
        name=labels.name,
        when=f"{datetime.fromtimestamp(record.created_at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S}",
        command=record.command,
        groups=groups,
        planned=record.planned,
        finished=finished,
        failed=failed,
        state=state,
        single=record.single,
        tracked=bool(entry.tracked),
        size=folder_size(sweep.folder),
        tags=labels.tags,
        folder=str(sweep.folder),
        design=in_words(record.design),
    )


def folder_size(folder: Path) -> int:
    """Return the size in bytes of all files in a folder. Links are not followed."""
    return sum(_sizes(os.fspath(folder)))


def _sizes(folder: str) -> Iterator[int]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from _sizes(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    yield entry.stat(follow_symlinks=False).st_size
    except OSError:  # removed meanwhile, or not readable
        return
