"""`runs`: the runs of the ledger that a query selects."""

import re
from typing import Any

import click

from fa_sweep.checks import did_you_mean
from fa_sweep.cli.verbs.common import as_json, counted, number, print_json, table
from fa_sweep.errors import ConfigError
from fa_sweep.results.rows import runs

COLUMNS = ("sweep", "name", "outcome", "convergence_step")
MAIN = ("final.accuracy", "final.normalised_squared_error", "final.loss")


@click.command(
    help="List the runs that QUERY selects; without it, all runs.\n\nA query compares settings and columns: "
    "\"task.name == 'xor' and outcome in ['converged', 'diverged'] and train.lr < 0.1\". --names lists "
    "what can be compared; sweep_name is the name of a sweep."
)
@click.argument("query", default="", metavar="[QUERY]")
@click.option("-n", "--number", "most", type=click.IntRange(1), default=50, show_default=True, help="At most so many.")
@click.option("--all", "everything", is_flag=True, help="All of them.")
@click.option("--columns", metavar="A,B,...", help="What to show of each run, by name.")
@click.option("--names", is_flag=True, help="List the names that a query and --columns may have.")
@as_json
def command(query: str, most: int, *, everything: bool, columns: str | None, names: bool, as_json: bool) -> None:
    """Print the runs."""
    found = runs(query)
    known = dict.fromkeys(name for row in found for name in row)
    if names:
        click.echo("\n".join(known))
        return
    shown = found if everything or as_json else found[:most]
    if as_json:
        print_json(shown if columns is None else [{name: row.get(name) for name in _chosen(columns, known)} for row in shown])
        return
    chosen = _usual(found) if columns is None else _chosen(columns, known)
    click.echo(table([{name: _cell(name, row) for name in chosen} for row in shown]) or "no run")
    click.echo(counted(len(found), "run") + (f"; --all shows all, not only {most}" if len(shown) < len(found) else ""))


def _cell(name: str, row: dict[str, Any]) -> str:
    """Return a row's value as text. Of a sweep's id only the random part is shown; other verbs take that, too."""
    text = number(row.get(name))
    found = re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_([0-9a-f]{6})(_.*)?", text) if name == "sweep" else None
    return found[1] if found else text


def _chosen(columns: str, known: dict[str, Any]) -> list[str]:
    chosen = [name.strip() for name in columns.split(",") if name.strip()]
    for name in chosen:
        if known and name not in known:
            raise ConfigError(f"--columns has {name!r}; {did_you_mean(name, known)}--names lists what there is")
    return chosen


def _usual(found: list[dict[str, Any]]) -> list[str]:
    main = next((name for name in MAIN if any(name in row for row in found)), MAIN[-1])
    return [*COLUMNS, main]
