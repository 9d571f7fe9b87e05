"""`show`: one sweep in full: what it ran, its state, and its summary."""

from dataclasses import asdict
from textwrap import fill

import click

from fa_sweep.cli import console
from fa_sweep.cli.verbs.common import WIDTH, as_json, counted, print_json, sweeps_argument
from fa_sweep.decisions.designs import is_sequential
from fa_sweep.process.resources import in_bytes
from fa_sweep.report.description import described
from fa_sweep.results.listing import listed_one
from fa_sweep.results.selection import NEWEST, find_one


@click.command(help="Show a sweep: what it ran, its state, and its summary. By default the newest.")
@sweeps_argument("called", several=False)
@as_json
def command(called: str | None, *, as_json: bool) -> None:
    """Print what is known of a sweep."""
    sweep = find_one(called or NEWEST)
    one, jobs, records = listed_one(sweep), sweep.jobs, sweep.records(quiet=True)
    factors: dict[str, list[object]] = {}
    for job in jobs:
        for name, value in job.factors.items():
            levels = factors.setdefault(name, [])
            if value not in levels:
                levels.append(value)
    if as_json:
        about = {"factors": factors, "description": described(jobs), "failures": {k: str(v) for k, v in sweep.failures.items()}}
        print_json({**asdict(one), **about, "environment": sweep.record.environment, "hash": sweep.hash})
        return
    lines = {
        "id": one.id,
        "name": one.name,
        "tags": ", ".join(one.tags),
        "design": one.design,
        "when": f"{one.when} UTC",
        "command": one.command,
        "folder": f"{one.folder} ({in_bytes(one.size)})",
        "state": f"{one.state}; {one.finished} of {counted(one.planned, 'run')} in {counted(one.groups, 'group')}",
        "MLflow": f"run {sweep.tracked['run_id']}" if one.tracked else "not there yet; the next command imports it",
    }
    for name, text in lines.items():
        if text:
            click.echo(f"{name:<8} {text}")
    click.echo()
    for line in described(jobs):
        click.echo(fill(line, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False))
    click.echo()
    click.echo(console.summary(jobs, records, anytime=is_sequential(sweep.record.design)))
    for failed in dict.fromkeys(map(str, sweep.failures.values())):
        click.echo(f"failed: {failed}")
