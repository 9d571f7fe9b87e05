"""`compare`: what differs between sweeps, and the summary of all their runs together."""

import click

from fa_sweep.cli import console
from fa_sweep.cli.verbs.common import WIDTH, as_json, counted, print_json, shortened, sweeps_argument
from fa_sweep.decisions.designs import check_together, is_sequential
from fa_sweep.errors import ConfigError
from fa_sweep.results.differences import differences
from fa_sweep.results.selection import find
from fa_sweep.sweeping.union import UnitedRecords, united


@click.command(help="Show what differs between sweeps, and nothing else, and the summary of all their runs together.")
@sweeps_argument("called", required=True)
@as_json
def command(called: tuple[str, ...], *, as_json: bool) -> None:
    """Print the differences and the summary."""
    sweeps = find(called)
    if len(sweeps) < 2:
        raise ConfigError(f"compare was given {counted(len(sweeps), 'sweep')}; give at least two (list shows them)")
    check_together({sweep.id: sweep.record.design for sweep in sweeps})
    found = differences(sweeps)
    if as_json:
        print_json({"sweeps": [sweep.id for sweep in sweeps], "differences": {one.what: one.levels for one in found}})
        return
    marks = [f"{chr(ord('A') + n)}" if len(sweeps) <= 26 else str(n + 1) for n in range(len(sweeps))]
    for mark, sweep in zip(marks, sweeps, strict=True):
        click.echo(f"{mark}  {sweep.id}" + (f"  {sweep.labels.name}" if sweep.labels.name else ""))
    click.echo()
    for one in found:
        click.echo(one.what)
        for mark, text in zip(marks, one.texts(), strict=True):
            click.echo(f"  {mark}  {shortened(text, WIDTH - 5)}")
    if not found:
        click.echo("nothing differs")
    jobs = united([sweep.jobs for sweep in sweeps])
    twice = sum(len(sweep.jobs) for sweep in sweeps) - len(jobs)
    click.echo()
    records = UnitedRecords([sweep.records(quiet=True) for sweep in sweeps])
    click.echo(console.summary(jobs, records, anytime=any(is_sequential(sweep.record.design) for sweep in sweeps)))
    if twice:
        click.echo(f"{counted(twice, 'run')} of several of these sweeps {'is' if twice == 1 else 'are'} counted once.")
