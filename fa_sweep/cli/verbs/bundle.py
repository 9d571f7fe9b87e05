"""`bundle`: one file with everything about a sweep."""

from pathlib import Path

import click

from fa_sweep.cli.verbs.common import sweeps_argument
from fa_sweep.decisions.designs import is_tuned
from fa_sweep.process.resources import in_bytes
from fa_sweep.results.bundle import SUFFIX, write_bundle
from fa_sweep.results.selection import find_one


@click.command(
    help="Write one file with a sweep's settings, histories, environment and hashes of data, and a patch of the program's "
    "uncommitted changes. `import FILE` verifies it and takes it into another ledger."
)
@sweeps_argument("called", required=True, several=False)
@click.option("--out", type=click.Path(path_type=Path), help=f"The file to write (default: ID{SUFFIX}).")
def command(called: str, out: Path | None) -> None:
    """Write the bundle and print its path."""
    sweep = find_one(called)
    path = write_bundle(sweep, out or Path(f"{sweep.id}{SUFFIX}"))
    if is_tuned(design := sweep.record.design):
        click.echo(f"fa_sweep: the tuning stage is a sweep of its own: bundle {design.get('tuning')}", err=True)
    click.echo(f"{path} ({in_bytes(path.stat().st_size)})")
