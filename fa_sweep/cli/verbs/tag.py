"""`tag`: give a sweep tags, or take them away."""

import click

from fa_sweep.checks import label
from fa_sweep.cli.verbs.common import sweeps_argument
from fa_sweep.results.selection import find_one
from fa_sweep.sweeping.labels import write_labels


@click.command(
    help="Give a sweep tags, such as 'final' or 'figure 3', or take them away. Without tags, show those that it has."
)
@sweeps_argument("called", required=True, several=False)
@click.argument("tags", nargs=-1, metavar="[TAG...]")
@click.option("--remove", is_flag=True, help="Take these tags away.")
def command(called: str, tags: tuple[str, ...], *, remove: bool) -> None:
    """Write the tags."""
    for text in tags:
        label("TAG", text)
    sweep = find_one(called)
    labels = sweep.labels
    kept = [text for text in labels.tags if text not in tags] if remove else [*labels.tags, *tags]
    if tags:
        write_labels(sweep.folder, labels.name, kept)
    click.echo(f"{sweep.id}: {', '.join(dict.fromkeys(kept)) or 'no tags'}")
