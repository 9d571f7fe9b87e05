"""`export`: the runs and the histories of sweeps as files."""

from pathlib import Path

import click

from fa_sweep.cli.verbs.common import sweeps_argument
from fa_sweep.results.export import FORMATS, export
from fa_sweep.results.selection import find


@click.command(
    help="Write the runs and histories of sweeps to files: runs.csv and histories.csv, the same as Parquet, or results.nc."
)
@sweeps_argument("called", required=True)
@click.option("--format", "kind", type=click.Choice(FORMATS), default="parquet", show_default=True, help="Of the files.")
@click.option("--out", type=click.Path(path_type=Path), default=Path(), help="The folder to write into (default: this one).")
def command(called: tuple[str, ...], kind: str, out: Path) -> None:
    """Write the files and print their paths."""
    for path in export(find(called), kind, out):
        click.echo(path)
