"""The steps of a sweep once its jobs are known: create its folder, train, import into MLflow, report.

Nothing here depends on Hydra.
"""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fa_sweep.cli import console
from fa_sweep.cli.arguments import words_to_keep
from fa_sweep.cli.current import current
from fa_sweep.cli.planning import to_train
from fa_sweep.cli.tracked import track, tracking_of, ui_command
from fa_sweep.decisions.designs import is_sequential
from fa_sweep.engine.training import train
from fa_sweep.errors import ConfigError, RunsFailed
from fa_sweep.process.signals import meanwhile
from fa_sweep.settings.schema import AppConfig
from fa_sweep.sweeping.conduct import plan_shards, train_shards
from fa_sweep.sweeping.division import make_shards
from fa_sweep.sweeping.executors import ExecutorSettings, open_executor
from fa_sweep.sweeping.failures import FAILURES
from fa_sweep.sweeping.folder import OUTPUTS, Sweep, create_sweep
from fa_sweep.sweeping.jobs import TABLE, Job, make_jobs
from fa_sweep.sweeping.reuse import changed_numbers
from fa_sweep.sweeping.shards import write_shard


def open_sweep(folder: Path, jobs: Sequence[Job], app: AppConfig, design: Mapping[str, Any], name: str) -> Sweep:
    """Create a sweep's folder and print how many runs will be reused and trained.

    The sweep's record also stores the command line, see `current`.

    Args:
        folder: The folder, already created by `make_folder`.
        jobs: All jobs of the sweep. Those that are reused are marked as such.
        app: The application's settings, the same for all jobs.
        design: What the design decided so far, for the sweep's record.
        name: The name of the sweep; empty for none.

    Raises:
        CannotWrite: The folder's files cannot be written.
    """
    flags, overrides = words_to_keep(current().words)
    sweep = create_sweep(
        folder,
        jobs,
        tracking_of(app),
        flags=flags,
        overrides=overrides,
        single=False,
        resume=app.resume,
        name=name,
        design=design,
        outcomes=app.outcomes,
        margin=app.margin,
    )
    current().conducted.append(sweep)
    reused, missing = sum(job.reused for job in jobs), len(to_train(jobs))
    todo = f"{missing} runs to train" if missing else "nothing to train, all runs are in the ledger"
    console.say(f"sweep {sweep.id}: {len(jobs)} jobs, {reused} reused, {todo}.")
    return sweep


def train_all(folder: Path, jobs: Sequence[Job], n_jobs: str, settings: ExecutorSettings) -> None:
    """Train jobs into a sweep's ledger and show a progress bar. Lost shards are reported on the standard error.

    Args:
        folder: The sweep's folder.
        jobs: The jobs to train.
        n_jobs: The number of processes as text, or "auto".
        settings: Which executor trains, and its options.
    """
    _, processes = plan_shards(jobs, n_jobs, settings.name)
    with open_executor(settings, processes, folder) as opened:
        shards = make_shards(jobs, opened.processes)
        with console.progress_bar(shards) as bar:
            lost = train_shards(folder, shards, opened, bar.progress, bar.finished)
    for shard, why in lost:
        first, last = shard.jobs[0].name, shard.jobs[-1].name
        runs = f"{len(shard.jobs)} runs, {first} to {last}" if len(shard.jobs) > 1 else first
        console.say(f"fa_sweep: shard {shard.number} of {len(shards)} is missing ({runs}): {why}", error=True)


def close_sweep(sweep: Sweep, app: AppConfig, *, last: bool = True) -> None:
    """Import a sweep into MLflow, print its summary and write its report.

    Args:
        sweep: The sweep.
        app: The application's settings.
        last: Whether the sweep is the result of its command. Otherwise it has neither a summary nor a report.

    Raises:
        RunsFailed: A run failed or is missing, the report could not be written, or MLflow's database on this machine could
            not be written. The message lists every such problem.
    """
    records = sweep.records(quiet=True)
    if app.resume != "true" and (alarm := changed_numbers(sweep, records, OUTPUTS)):
        console.say(f"fa_sweep: {alarm}", error=True)
    meanwhile("finished runs are kept, the same command brings them into MLflow")
    tracked, lost = track(sweep, app, records)
    meanwhile(f"finished runs are kept; python -m fa_sweep report {sweep.id} writes the report")
    if last:
        console.say(f"\n{console.summary(sweep.jobs, records, anytime=is_sequential(sweep.record.design))}\n")
    if tracked:
        console.say(tracked)
    report, unwritten = _report(sweep, app) if last and app.report else (None, "")
    if last:
        console.say("Look further:")
        console.say(f"  {ui_command(app)}")
        console.say(f"  open {report}" if report else f"  python -m fa_sweep report {shlex.quote(sweep.id)}")
    absent, errors = [job.run_id for job in sweep.jobs if job.run_id not in records], sweep.failures
    failed = [errors[run_id] for run_id in absent if run_id in errors]
    missing = len(absent) - len(failed)
    tracebacks = f"; tracebacks: {sweep.folder / FAILURES}" if failed else ""
    said = [f"{len(failed)} of {len(sweep.jobs)} runs failed, the first with {failed[0]}{tracebacks}"] if failed else []
    said += [f"{missing} of {len(sweep.jobs)} runs are missing; the same command trains them"] if missing else []
    if said:
        said = [f"{'; '.join(said)}; all others are kept"]
    said += [unwritten] if unwritten else []
    said += [lost] if lost else []
    if said:
        raise RunsFailed("; ".join(said))


def train_job(app: AppConfig, overrides: Sequence[str], folder: Path) -> None:
    """Train one job of a sweep under a launcher other than ours, and write it to the sweep's ledger.

    Args:
        app: The settings of the job.
        overrides: The job's overrides, without those that concern only the command.
        folder: The sweep's folder.

    Raises:
        ConfigError: The sweep was started by a sweeper other than ours.
    """
    require_job_table(folder)
    (job,) = make_jobs([(app, {}, overrides)])
    write_shard(folder, [job.run_id], train([job.run]))


def require_job_table(folder: Path) -> None:
    """Check that a sweep's folder has a job table, which only our sweeper (`hydra/sweeper=stack`) writes.

    Raises:
        ConfigError: There is no table. Without it the runs would belong to no sweep.
    """
    if not (folder / TABLE).exists():
        raise ConfigError("hydra/sweeper is not stack; leave it out, because other sweepers write no table of the sweep's jobs")


def _report(sweep: Sweep, app: AppConfig) -> tuple[Path | None, str]:
    """Write a sweep's report. Returns its path and "", or None and the reason why it could not be written."""
    from fa_sweep.report.attach import report_and_attach  # pandas and seaborn take seconds to import
    from fa_sweep.studies import figures_of_study

    out = OUTPUTS / "reports" / sweep.id
    try:
        with console.status("writing the report"):
            return report_and_attach(sweep, out, tracking_of(app), first=figures_of_study), ""
    except OSError as error:
        why = error.strerror or error
        return None, f"the report could not be written to {out}: {why}; python -m fa_sweep report {sweep.id} writes it"
