"""Conduct a single run: train it or read it from the ledger, and print one line per evaluation."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from fa_sweep.cli import console
from fa_sweep.cli.arguments import words_to_keep
from fa_sweep.cli.current import current
from fa_sweep.cli.own_conf import no_defaults
from fa_sweep.cli.planning import prepare
from fa_sweep.cli.tracked import track, tracking_of, ui_command
from fa_sweep.engine.training import train
from fa_sweep.errors import RunsFailed
from fa_sweep.process.signals import meanwhile
from fa_sweep.settings.schema import AppConfig
from fa_sweep.sweeping.failures import FAILURES, failure
from fa_sweep.sweeping.folder import OUTPUTS, Sweep, create_sweep
from fa_sweep.sweeping.jobs import Job, named_after
from fa_sweep.sweeping.reuse import changed_numbers
from fa_sweep.sweeping.shards import write_shard
from fa_sweep.sweeping.storage import write_bytes
from fa_sweep.sweeping.symptoms import advice


def run_single(app: AppConfig, overrides: Sequence[str], folder: Path, settings_yaml: str) -> None:
    """Train a single run, or read it from the ledger, and import it into MLflow. Prints one line per evaluation.

    Args:
        app: The settings of the run and of the application.
        overrides: The run's overrides, without those that concern only the command.
        folder: The run's folder, already created.
        settings_yaml: The settings as YAML, without secrets; written to `config.yaml` in the folder.

    Raises:
        ConfigError: The settings cannot be used. Nothing has been written to the folder.
        CannotWrite: A file of the run cannot be written.
        RunsFailed: The training failed, or MLflow's database on this machine could not be written.
    """
    (job,), _ = prepare([[(app, {}, overrides)]], app, "local")
    job = named_after(job, no_defaults(app, overrides))
    meanwhile("the run was not finished, the same command starts it again")
    flags, overrides = words_to_keep(current().words)
    sweep = create_sweep(
        folder,
        [job],
        tracking_of(app),
        flags=flags,
        overrides=overrides,
        single=True,
        resume=app.resume,
        name=app.name,
        outcomes=app.outcomes,
        margin=app.margin,
    )
    with closing(sweep):
        write_bytes(settings_yaml.encode(), folder / "config.yaml")
        _run_single(app, job, sweep)


def _run_single(app: AppConfig, job: Job, sweep: Sweep) -> None:
    console.say(console.evaluation_header(job))
    if job.reused:
        record = sweep.records()[job.run_id]
        for number, step in enumerate(record.steps):
            metrics = {name: values[number] for name, values in record.metrics.items()}
            console.say(console.evaluation_line(int(step), metrics))
    else:
        try:
            histories = train([job.run], evaluated=_say_evaluation)
        except Exception as error:
            failed = failure(error)
            sweep.add_failures({job.run_id: failed})
            _, lost = track(sweep, app)
            said = f"{job.name} failed with {failed}; traceback: {sweep.folder / FAILURES}"
            raise RunsFailed("; ".join(filter(None, (said, lost)))) from error
        write_shard(sweep.folder, [job.run_id], histories)
        records = sweep.records(quiet=True)
        record = records[job.run_id]
        if app.resume != "true" and (alarm := changed_numbers(sweep, records, OUTPUTS)):
            console.say(f"fa_sweep: {alarm}", error=True)
    meanwhile("the run is kept, the same command brings it into MLflow")
    console.say(console.outcome_line(job, record) + (" (from the ledger)" if job.reused else ""))
    for text in advice([job], {job.run_id: record}):
        console.say(f"Not learned: {text}")
    tracked, lost = track(sweep, app, {job.run_id: record})
    if tracked:
        console.say(tracked)
    console.say(f"Look further: {ui_command(app)}")
    if lost:
        raise RunsFailed(lost)


def _say_evaluation(step: int, metrics: dict[str, Any]) -> None:
    console.say(console.evaluation_line(step, {name: values[0] for name, values in metrics.items()}))
