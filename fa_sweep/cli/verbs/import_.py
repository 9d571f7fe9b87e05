"""`import`: bring sweeps into MLflow, or a bundle into the ledger."""

import sys
from dataclasses import replace
from pathlib import Path

import click

from fa_sweep.cli.tracked import import_left_over_sweeps
from fa_sweep.cli.verbs.common import counted, sweeps_argument
from fa_sweep.errors import ConfigError
from fa_sweep.results.bundle import is_bundle, read_bundle
from fa_sweep.results.selection import find
from fa_sweep.settings.schema import TrackingConfig
from fa_sweep.sweeping.folder import Sweep
from fa_sweep.tracking.importer import import_sweep
from fa_sweep.tracking.uris import AUTO, choose, same_store


@click.command(
    help="Bring sweeps into MLflow. Without a SWEEP: all that are not there yet. With --uri: into another store. A SWEEP may "
    "also be the file of a bundle, which is verified and taken into this ledger first."
)
@sweeps_argument("called")
@click.option(
    "--uri", default=AUTO, metavar="URI", help="MLflow's tracking URI (default: $MLFLOW_TRACKING_URI, else outputs/mlflow.db)."
)
@click.option("--experiment", metavar="NAME", help="MLflow's experiment (default: that of the sweep).")
@click.option("--no-mlflow", is_flag=True, help="Only take bundles into the ledger.")
def command(called: tuple[str, ...], uri: str, experiment: str | None, *, no_mlflow: bool) -> int:
    """Import what is asked for."""
    bundles = [word for word in called if is_bundle(Path(word))]
    others = find(word for word in called if word not in bundles)
    taken = []
    for word in bundles:
        sweep, is_new = read_bundle(Path(word))
        new = f"{counted(sweep.record.planned, 'run')}, verified, now in this ledger"
        click.echo(f"{sweep.id}: {new if is_new else 'is in this ledger already'}")
        taken.append(sweep)
    if no_mlflow:
        return 0
    store = choose(uri, "--uri")
    if not called:
        return import_left_over_sweeps(TrackingConfig(store.uri, experiment or "fa_sweep", "main", "auto", 30.0))
    for sweep in [*taken, *others]:
        tracking = replace(sweep.record.tracking, uri=store.uri)
        _import(sweep, tracking if experiment is None else replace(tracking, experiment=experiment), store.shown)
    return 0


def _import(sweep: Sweep, tracking: TrackingConfig, shown: str) -> None:
    note = sweep.tracked
    with sweep.claimed() as free:
        if not free:
            raise ConfigError(f"{sweep.id} is still running; its command imports it at its end")
        done = import_sweep(sweep, tracking, say=lambda text: click.echo(text, file=sys.stderr))
        if note and not (same_store(note["uri"], tracking.uri) and note["experiment"] == tracking.experiment):
            sweep.mark_tracked(note)  # this was a copy: the sweep belongs where it was before
    state = "was there already" if done.found_complete else f"is there now, {counted(done.created, 'run')} added"
    click.echo(f"{sweep.id}: {state}: run {done.run_id} in {shown}")
