"""`delete`: remove sweeps from the ledger for good."""

import click

from fa_sweep.cli.verbs.common import counted, sweeps_argument
from fa_sweep.process.resources import in_bytes
from fa_sweep.results.deletion import Deletion, plan_deletion
from fa_sweep.results.selection import find
from fa_sweep.tracking.uris import AUTO, choose, public


@click.command(
    help="Remove sweeps and their reports for good. Runs that other sweeps use are kept: their files move to those sweeps."
)
@sweeps_argument("called", required=True)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--mlflow", is_flag=True, help="Mark their runs as deleted in MLflow too; `mlflow gc` then removes them.")
def command(called: tuple[str, ...], *, yes: bool, mlflow: bool) -> None:
    """Say what will be removed, ask, and remove it."""
    plan = plan_deletion(find(called))
    click.echo(_said(plan, mlflow=mlflow))
    if not yes:
        click.confirm("Delete?", abort=True)
        plan = plan_deletion(plan.sweeps)  # a sweep may have begun meanwhile that uses some of these runs
    if mlflow:
        marked, uri = plan.delete_from_mlflow(), public(choose(AUTO).uri)
        click.echo(
            f"marked as deleted in MLflow: {counted(marked, 'run')}, with those of the sweeps and their groups; for good:"
        )
        click.echo(f"  mlflow gc --backend-store-uri {uri} --tracking-uri {uri}")
    freed = plan.size - plan.moved_size  # afterwards the shards that are kept lie elsewhere
    plan.carry_out()
    click.echo(f"deleted {counted(len(plan.sweeps), 'sweep')}, {in_bytes(freed)}")


def _said(plan: Deletion, *, mlflow: bool) -> str:
    lines = [
        f"{sweep.id}" + (f"  {sweep.labels.name}" if sweep.labels.name else "") + f": {counted(sweep.record.planned, 'run')}"
        for sweep in plan.sweeps
    ]
    for other, shards in plan.moves.items():
        lines.append(f"kept for {other.name}, which uses some of these runs: {counted(len(shards), 'file')} of results")
    if any(sweep.tracked for sweep in plan.sweeps) and not mlflow:
        lines.append("their runs in MLflow stay; --mlflow deletes them there too")
    return "\n".join(lines)
