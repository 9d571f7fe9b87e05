"""`list`: the sweeps of the ledger, newest first."""

from dataclasses import asdict

import click

from fa_sweep.cli.verbs.common import WIDTH, as_json, counted, print_json, shortened
from fa_sweep.process.resources import in_bytes
from fa_sweep.results.listing import Listed, count, listed
from fa_sweep.sweeping.folder import OUTPUTS


@click.command(help="List sweeps, newest first, with their state and their command.")
@click.option("-n", "--number", "most", type=click.IntRange(1), default=20, show_default=True, help="At most so many.")
@click.option("--all", "everything", is_flag=True, help="All of them.")
@click.option("--single", is_flag=True, help="Single runs too.")
@as_json
def command(most: int, *, everything: bool, single: bool, as_json: bool) -> None:
    """Print the list."""
    found = listed(most=None if everything else most, single=single)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    if not found:
        click.echo(f"there is no sweep under {OUTPUTS} here")
        return
    for one in found:
        click.echo(_lines(one))
    if (more := count(single=single) - len(found)) > 0:
        click.echo(f"and {more} older; --all lists all")


def _lines(one: Listed) -> str:
    name = f"  {one.name}" if one.name else ""
    tags = f"  [{', '.join(one.tags)}]" if one.tags else ""
    runs = counted(one.planned, "run") if one.finished == one.planned else f"{one.finished} of {counted(one.planned, 'run')}"
    facts = [
        *([shortened(one.design, 40)] if one.design else []),
        runs,
        counted(one.groups, "group"),
        one.state,
        in_bytes(one.size),
    ]
    if not one.tracked:
        facts.append("not in MLflow")
    return f"{one.id}{name}{tags}\n  {', '.join(facts)}\n  {shortened(one.command, WIDTH - 2)}"
