"""What the command line does, apart from Hydra: plan, open, train and close a sweep; run one run."""

import re
import shlex
import sys
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from fa_sweep import console
from fa_sweep.arguments import absolute_places, config_flags
from fa_sweep.checks import ConfigError
from fa_sweep.resources import available_memory, free_disk, in_bytes
from fa_sweep.schema import AppConfig, TrainConfig
from fa_sweep.secrets import redact
from fa_sweep.signals import meanwhile
from fa_sweep.sweep.conduct import plan_shards, train_shards
from fa_sweep.sweep.executors import ExecutorSettings, open_executor
from fa_sweep.sweep.failures import FAILURES, failure
from fa_sweep.sweep.folder import OUTPUTS, Sweep, create_sweep
from fa_sweep.sweep.jobs import TABLE, Asked, Job, emptied, make_jobs
from fa_sweep.sweep.ledger import Ledger
from fa_sweep.sweep.plan import make_shards
from fa_sweep.sweep.reuse import changed_numbers, other_environments, reusable
from fa_sweep.sweep.room import Plan, plan_sweep, require_room
from fa_sweep.sweep.shards import write_shard
from fa_sweep.sweep.storage import write_bytes
from fa_sweep.tracked import target, track, tracking_of, ui_command
from fa_sweep.training import train

TRACKING_S_PER_RUN = 0.0035  # for the estimate; fifteen times that on a server


class RunsFailed(Exception):
    """Some runs ended in an error, or never ended; the message is one line."""


def prepare(candidates: list[Asked], app: AppConfig, executor: str) -> tuple[list[Job], Plan]:
    """Make the jobs of a sweep, mark those that need not be trained, and plan the training of the others.

    Args:
        candidates: settings, what the overrides chose, and the overrides, of each job; the list is emptied.
        app: the application's settings.
        executor: the name of the one that will train.

    Raises:
        ConfigError: what is to be trained does not fit into memory, onto the disk, or into a month.
    """
    target(app)
    asked = len(candidates)
    jobs = make_jobs(emptied(candidates), config_flags(sys.argv[1:]))
    if len(jobs) < asked:
        console.say(f"{asked - len(jobs)} of {asked} jobs repeat another one and are left out.")
    if app.resume != "false" and (places := Ledger(OUTPUTS).find(jobs, reusable(app.resume))):
        sources = {run_id: path.parent.parent.name for run_id, path in places.items()}
        jobs = [replace(job, reused=True, source=sources[job.run_id]) if job.run_id in sources else job for job in jobs]
        if warning := other_environments(jobs, places):
            console.say(f"warning: {warning}", error=True)
    plan = plan_sweep(to_train(jobs), len(jobs), app.n_jobs, executor)
    require_room(plan, confirmed=app.confirm)
    if app.report and plan.histories > available_memory():
        console.say(f"warning: the report holds {in_bytes(plan.histories)} in memory; report=false leaves it out", error=True)
    trainings = {id(job.run.train): job.run.train for job in jobs}.values()
    for message in {_too_few_evaluations(training) for training in trainings} - {None}:
        console.say(f"warning: {message}", error=True)
    return jobs, plan


def prepare_single(app: AppConfig) -> tuple[list[Job], Plan]:
    """Make the job of a single run. Raises ConfigError as `prepare` does."""
    return prepare([(app, {}, [])], app, "local")


def _too_few_evaluations(train: TrainConfig) -> str | None:
    evaluations, hold = train.evaluations(), train.hold
    if evaluations >= hold:
        return None
    return f"{evaluations} evaluations are fewer than train.hold, {hold}: no run can count as converged"


def to_train(jobs: Sequence[Job]) -> list[Job]:
    """Return one job for each run that no ledger has."""
    return list({job.run_id: job for job in jobs if not job.reused}.values())


def show_plan(jobs: Sequence[Job], plan: Plan, app: AppConfig) -> None:
    """Print what would be done, and do none of it."""
    shards = plan.shards
    console.say(f"jobs       {len(jobs)}")
    console.say(f"reused     {sum(job.reused for job in jobs)}")
    console.say(f"to train   {sum(len(shard.jobs) for shard in shards)}")
    sizes = ", ".join(str(len(shard.jobs)) for shard in shards[:8]) + (", ..." if len(shards) > 8 else "")
    console.say(f"stacks     {len(shards)}" + (f" (runs: {sizes})" if shards else ""))
    console.say(f"processes  {min(plan.processes, max(1, len(shards)))}")
    console.say(f"estimated  {plan.seconds:.1f} s of training, {TRACKING_S_PER_RUN * len(jobs):.1f} s of tracking")
    console.say(f"memory     {in_bytes(plan.memory)} of {in_bytes(available_memory())} free")
    console.say(f"disk       {in_bytes(plan.disk)} of {in_bytes(free_disk(OUTPUTS))} free")
    console.say(f"tracking   experiment {app.tracking.experiment} in {target(app).shown}")
    for title, names in (("groups", dict.fromkeys(job.group for job in jobs)), ("runs", [job.name for job in jobs])):
        listed = list(names)
        console.say(f"{title:<9}  {', '.join(listed[:6])}" + (f", ... ({len(listed)} in all)" if len(listed) > 6 else ""))


def open_sweep(folder: Path, jobs: Sequence[Job], app: AppConfig) -> Sweep:
    """Make a sweep's folder and say what will be done."""
    sweep = create_sweep(folder, jobs, _command(), tracking_of(app), single=False, resume=app.resume)
    reused, missing = sum(job.reused for job in jobs), len(to_train(jobs))
    todo = f"{missing} runs to train" if missing else "nothing to train, all runs are in the ledger"
    console.say(f"sweep {sweep.id}: {len(jobs)} jobs, {reused} reused, {todo}.")
    return sweep


def train_all(folder: Path, jobs: Sequence[Job], n_jobs: str, settings: ExecutorSettings) -> None:
    """Train jobs into a sweep's ledger, by whichever executor, showing progress."""
    _, processes = plan_shards(jobs, n_jobs, settings.name)
    with open_executor(settings, processes, folder) as opened:
        shards = make_shards(jobs, opened.processes)
        with console.progress_bar(shards) as bar:
            lost = train_shards(folder, shards, opened, bar.progress, bar.finished)
    for shard, why in lost:
        first, last = shard.jobs[0].name, shard.jobs[-1].name
        runs = f"{len(shard.jobs)} runs, {first} to {last}" if len(shard.jobs) > 1 else first
        console.say(f"fa_sweep: shard {shard.number} of {len(shards)} is missing ({runs}): {why}", error=True)


def close_sweep(sweep: Sweep, app: AppConfig) -> None:
    """Import a sweep into MLflow, print its summary, write its report.

    Raises RunsFailed if any run failed or is missing, or if the report could not be written.
    """
    records = sweep.records(quiet=True)
    if app.resume != "true" and (alarm := changed_numbers(sweep, records, OUTPUTS)):
        console.say(f"fa_sweep: {alarm}", error=True)
    meanwhile("finished runs are kept, the same command brings them into MLflow")
    tracked, lost = track(sweep, app, records)
    meanwhile(f"finished runs are kept; python -m analysis --sweep {sweep.id} writes the report")
    console.say(f"\n{console.summary(sweep.jobs, records)}\n")
    if tracked:
        console.say(tracked)
    report, unwritten = _report(sweep, app) if app.report else (None, "")
    console.say("Look further:")
    console.say(f"  {ui_command(app)}")
    console.say(f"  open {report}" if report else f"  python -m analysis --sweep {shlex.quote(sweep.id)}")
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


def run_single(app: AppConfig, overrides: Sequence[str], folder: Path, settings_yaml: str) -> None:
    """Run one run, or print it again from the ledger, one evaluation per line; `settings_yaml` is kept beside its record."""
    (job,), _ = prepare([(app, {}, overrides)], app, "local")
    meanwhile("the run was not finished, the same command starts it again")
    sweep = create_sweep(folder, [job], _command(), tracking_of(app), single=True, resume=app.resume)
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
    tracked, lost = track(sweep, app, {job.run_id: record})
    if tracked:
        console.say(tracked)
    console.say(f"Look further: {ui_command(app)}")
    if lost:
        raise RunsFailed(lost)


def _say_evaluation(step: int, metrics: dict[str, Any]) -> None:
    console.say(console.evaluation_line(step, {name: values[0] for name, values in metrics.items()}))


def train_job(app: AppConfig, overrides: Sequence[str], folder: Path) -> None:
    """Train one job of a sweep that another launcher runs, into the sweep's ledger."""
    require_job_table(folder)
    (job,) = make_jobs([(app, {}, overrides)])
    write_shard(folder, [job.run_id], train([job.run]))


def require_job_table(folder: Path) -> None:
    """Raise ConfigError where another sweeper than ours runs the show: its runs would be in no sweep."""
    if not (folder / TABLE).exists():
        raise ConfigError("hydra/sweeper is not stack; leave it at stack, others keep no table of a sweep's jobs")


def _report(sweep: Sweep, app: AppConfig) -> tuple[Path | None, str]:
    """Write a sweep's report. Returns its path, or why it could not be written."""
    from analysis.attach import report_and_attach  # pandas and seaborn take seconds to import

    out = OUTPUTS / "reports" / sweep.id
    try:
        with console.console.status("writing the report"):
            return report_and_attach(sweep, out, tracking_of(app)), ""
    except OSError as error:
        why = error.strerror or error
        return None, f"the report could not be written to {out}: {why}; python -m analysis --sweep {sweep.id} writes it"


def _command() -> str:
    """Return the command line, without tracking settings and without secrets."""
    return redact(shlex.join(["python", "-m", "fa_sweep", *absolute_places(_public(sys.argv[1:]))]))


def _public(arguments: Iterable[str]) -> list[str]:
    """Return a command line's arguments without what concerns tracking, in whichever form it was given."""
    return [a for a in arguments if re.split(r"[=./@:]", a.lstrip("+~"), maxsplit=1)[0] != "tracking"]
