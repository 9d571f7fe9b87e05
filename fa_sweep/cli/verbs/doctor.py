"""`doctor`: check the environment, the store and every file of the ledger, and say what is wrong and what to do."""

from collections.abc import Iterator
from pathlib import Path

import click

from fa_sweep.cli.verbs.common import as_json, counted, print_json
from fa_sweep.errors import ConfigError, Unreadable
from fa_sweep.process.resources import available_memory, free_disk, in_bytes
from fa_sweep.sweeping.catalogue import Catalogue
from fa_sweep.sweeping.environment import DECIDES_BITS, environment
from fa_sweep.sweeping.folder import OUTPUTS, Sweep
from fa_sweep.sweeping.labels import LABELS
from fa_sweep.sweeping.shards import SHARDS, is_verifiable, read_run_ids
from fa_sweep.sweeping.storage import read_json
from fa_sweep.tracking.database import why_not
from fa_sweep.tracking.uris import AUTO, choose, sqlite_file

LITTLE_DISK = 2**30  # bytes; below it, a large sweep may fill the disk


@click.command(
    help="Check the environment, the store and every file of results in this folder, and say what is wrong and what to do."
)
@as_json
def command(*, as_json: bool) -> int:
    """Print what was found. Returns 1 if anything is wrong."""
    found = Catalogue(OUTPUTS)
    shards = [Path(folder, SHARDS, shard.name) for folder, entry in found.entries.items() for shard in entry.shards]
    unverified = sum(not is_verifiable(path) for path in shards)
    wrong = [*_wrong_with_surroundings(), *_wrong_with_store(), *_wrong_with_shards(shards), *_wrong_with_sweeps(found)]
    if as_json:
        counts = {"sweeps": len(found.entries), "shards": len(shards), "unverified": unverified}
        print_json({**counts, "wrong": wrong, "environment": environment()})
        return 1 if wrong else 0
    if not OUTPUTS.is_dir():
        click.echo(f"there is no folder {OUTPUTS} here: run this where the sweeps were run")
    click.echo(f"checked {len(found.entries)} sweeps and single runs, with {counted(len(shards), 'file')} of results")
    if unverified:
        click.echo(f"{counted(unverified, 'shard')} of the first version, which kept no checksum: read, but not verified")
    for line in wrong:
        click.echo(line)
    click.echo(
        "nothing is wrong" if not wrong else f"{counted(len(wrong), 'thing')} {'is' if len(wrong) == 1 else 'are'} wrong"
    )
    click.echo("numbers computed here depend on: " + ", ".join(f"{name} {environment()[name]}" for name in DECIDES_BITS))
    return 1 if wrong else 0


def _wrong_with_surroundings() -> Iterator[str]:
    if (free := free_disk(OUTPUTS)) < LITTLE_DISK:
        yield f"only {in_bytes(free)} are free on the disk of {OUTPUTS}; make room before the next sweep"
    if available_memory() < LITTLE_DISK:
        yield f"only {in_bytes(available_memory())} of memory are free; end other programs before a large sweep"


def _wrong_with_store() -> Iterator[str]:
    try:
        store = choose(AUTO)
        file = sqlite_file(store.uri)
        if file is not None and (why := why_not(file)) is not None:
            yield f"{store.shown}: {why}"
    except ConfigError as error:
        yield str(error)


def _wrong_with_shards(shards: list[Path]) -> Iterator[str]:
    for path in shards:
        try:
            read_run_ids(path)
        except Unreadable as error:
            yield f"{error}; remove this file, and run the command of its sweep again to train its runs"


def _wrong_with_sweeps(found: Catalogue) -> Iterator[str]:
    for folder, entry in found.entries.items():
        sweep = Sweep(Path(folder))
        if entry.fault:
            yield f"{entry.fault}; its shards are used all the same; restore the file, or run the sweep's command again"
            continue
        try:
            _ = sweep.jobs
        except ConfigError as error:
            yield str(error)
        except (Unreadable, ValueError) as error:
            yield f"{error}; run the sweep's command again: {sweep.record.command}"
        try:
            read_json(sweep.folder / LABELS)
        except Unreadable as error:
            yield f"{error}; remove it, or write it anew: python -m fa_sweep rename {sweep.id} NAME"
        if not entry.tracked and not sweep.is_running:
            yield f"{sweep.id} is not in MLflow ({entry.uri}); python -m fa_sweep import brings it there"
