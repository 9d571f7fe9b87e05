"""`plan`: how many seeds a sweep needs."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from fa_sweep.cli.verbs.common import as_json, print_json
from fa_sweep.decisions import ALPHA, POWER


@click.command(
    help="Say how many seeds a sweep needs: to tell two fractions of converged runs apart, to show that they are equivalent, "
    "for a narrow interval, or to find again what a pilot sweep has shown."
)
@click.option("--fractions", nargs=2, type=float, metavar="P Q", help="The fractions of two groups.")
@click.option("--discordance", type=float, metavar="D", help="Pairs in which one run converges (default: independent).")
@click.option("--margin", type=float, metavar="M", help="Show that the fractions differ by less than this.")
@click.option("--half-width", type=float, metavar="W", help="Half the width of a fraction's interval.")
@click.option("--fraction", type=float, metavar="P", help="For --margin, --half-width (default: the worst case).")
@click.option("--pilot", metavar="SWEEP", help="Plan for each comparison of this sweep.")
@click.option("--reference", metavar="GROUP", help="Compare the pilot's groups with this one.")
@click.option("--power", type=float, default=POWER, show_default=True, metavar="P", help="Probability of a result.")
@click.option("--alpha", type=float, default=ALPHA, show_default=True, metavar="A", help="Level of all tests together.")
@click.option("--tests", type=int, metavar="N", help="Tests that share it (default: 1, or the pilot's).")
@click.option("--out", type=click.Path(path_type=Path), metavar="FOLDER", help="Write the power curve: figure, table.")
@as_json
def command(*, out: Path | None, as_json: bool, **asked: Any) -> None:
    """Print the plan, and the paths of the files if there are any."""
    from fa_sweep.results.planning import plan

    found = plan(**asked)
    paths = [str(path) for path in found.write(out)] if out is not None else []
    if as_json:
        needs = [{**asdict(need), "method": need.method} for need in found.needs]
        about = {"seeds": found.seeds, "power": found.power, "alpha": found.alpha, "tests": found.tests, "pilot": found.pilot}
        print_json({**about, "needs": needs, "files": paths})
        return
    click.echo(repr(found))
    for path in paths:
        click.echo(path)
