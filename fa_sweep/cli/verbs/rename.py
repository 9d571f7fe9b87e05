"""`rename`: give a sweep another name."""

import click

from fa_sweep.checks import label
from fa_sweep.cli.verbs.common import sweeps_argument
from fa_sweep.results.selection import find_one
from fa_sweep.sweeping.labels import write_labels


@click.command(help="Give a sweep another name; '' takes it away. Its id, its folder and its run in MLflow keep theirs.")
@sweeps_argument("called", required=True, several=False)
@click.argument("name")
def command(called: str, name: str) -> None:
    """Write the name."""
    if name:
        label("NAME", name)
    sweep = find_one(called)
    write_labels(sweep.folder, name, sweep.labels.tags)
    click.echo(f"{sweep.id} is now called {name}" if name else f"{sweep.id} has no name now")
