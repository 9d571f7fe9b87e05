"""Plan a command before it writes anything: its jobs, which of them are reused, and what it takes to train the others."""

from collections.abc import Sequence
from dataclasses import replace

from fa_sweep.cli import console
from fa_sweep.cli.arguments import config_flags
from fa_sweep.cli.current import current
from fa_sweep.cli.tracked import target
from fa_sweep.engine.evaluation import metric_names
from fa_sweep.process.notices import is_new
from fa_sweep.process.resources import available_memory, free_disk, in_bytes
from fa_sweep.settings.measures import require_metrics
from fa_sweep.settings.schema import AppConfig, TrainConfig
from fa_sweep.sweeping.folder import OUTPUTS
from fa_sweep.sweeping.jobs import Asked, Job, emptied, make_jobs
from fa_sweep.sweeping.ledger import Ledger
from fa_sweep.sweeping.plan import Plan, plan_sweep, require_room
from fa_sweep.sweeping.reuse import other_environments, reusable
from fa_sweep.sweeping.union import united
from fa_sweep.tasks import task_of

MOST_TASKS = 4  # the data of at most this many tasks are described; all of them are still in memory
TRACKING_S_PER_RUN = 0.0035  # for the plan's estimate; importing into a server takes fifteen times as long


def prepare(candidates: list[list[Asked]], app: AppConfig, executor: str) -> tuple[list[Job], Plan]:
    """Make the jobs of a sweep, mark those that an earlier sweep has trained, and plan the training of the others.

    Args:
        candidates: The jobs of each grid: their settings, the options and values that their overrides chose, and their
            overrides. The lists are emptied, to save memory.
        app: The application's settings.
        executor: The name of the executor that will train.

    Returns:
        The jobs without duplicates, and the plan.

    Raises:
        ConfigError: An outcome has an unknown metric, the runs do not fit into memory or onto the disk, training would take
            more than 30 days without `confirm=true`, or the tracking store cannot be used.
    """
    target(app)
    asked, flags = sum(map(len, candidates)), config_flags(current().words)
    tables = [make_jobs(emptied(grid), flags) for grid in candidates]
    # Between grids, a setting may differ that varies in none of them.
    jobs = tables[0] if len(tables) == 1 else united(tables)
    if len(jobs) < asked:
        console.say(f"{asked - len(jobs)} of {asked} jobs are the same as another one and are left out.")
    require_metrics("outcomes", app.outcomes, _metrics(jobs))
    if app.resume != "false" and (places := Ledger(OUTPUTS).find(jobs, reusable(app.resume))):
        sources = {run_id: path.parent.parent.name for run_id, path in places.items()}
        jobs = [replace(job, reused=True, source=sources[job.run_id]) if job.run_id in sources else job for job in jobs]
        if warning := other_environments(jobs, places):
            _warn(warning)
    plan = plan_sweep(to_train(jobs), len(jobs), app.n_jobs, executor)
    require_room(plan, confirmed=app.confirm)
    if app.report and plan.histories > available_memory():
        _warn(f"the report will hold {in_bytes(plan.histories)} in memory; report=false trains without a report")
    _say_what_is_trained(jobs)
    trainings = {id(job.run.train): job.run.train for job in jobs}.values()
    for message in filter(None, {_too_few_evaluations(training) for training in trainings}):
        _warn(message)
    return jobs, plan


def _metrics(jobs: Sequence[Job]) -> list[str]:
    """Return the metrics that the runs will record, without angles by chance, which are not recorded at every evaluation."""
    kinds = dict.fromkeys((len(job.widths) - 1, job.targets) for job in jobs)
    return [name for kind in kinds for name in metric_names(*kind) if not name.startswith("chance_deg/")]


def _say_what_is_trained(jobs: Sequence[Job]) -> None:
    """Print what the user should know about the data, and what is trained and judged on them, for the last few tasks."""
    tasks = {id(job.run.task): job.run for job in jobs}
    for run in list(tasks.values())[-MOST_TASKS:]:
        task = task_of(run)
        said = list(task.notes)
        if task.target:
            said.append(f"{task.target} -> {run.train.loss}, success: {console.criterion(run)}")
        for text in said:
            if is_new(text):
                console.say(f"note: {' '.join(text.split())}", error=True)


def _warn(text: str) -> None:
    """Print a warning once per command: a single run is planned when it is checked, and again when it is trained."""
    if is_new(text):
        console.say(f"warning: {text}", error=True)


def prepare_single(app: AppConfig) -> tuple[list[Job], Plan]:
    """Make and plan the job of a single run. Raises ConfigError if it needs too much or cannot be tracked."""
    return prepare([[(app, {}, [])]], app, "local")


def _too_few_evaluations(train: TrainConfig) -> str | None:
    """Return a warning if a run has too few evaluations to converge, or else None."""
    evaluations, hold = train.evaluations(), train.hold
    if evaluations >= hold:
        return None
    return f"{evaluations} evaluations are fewer than train.hold, {hold}: no run can count as converged"


def to_train(jobs: Sequence[Job]) -> list[Job]:
    """Return one job for each run that is not reused."""
    return list({job.run_id: job for job in jobs if not job.reused}.values())


def show_plan(jobs: Sequence[Job], plan: Plan, app: AppConfig) -> None:
    """Print a sweep's plan: its jobs, stacks and processes, and the time, memory and disk space that it takes."""
    shards = plan.shards
    console.say(f"jobs       {len(jobs)}")
    console.say(f"reused     {sum(job.reused for job in jobs)}")
    console.say(f"to train   {sum(len(shard.jobs) for shard in shards)}")
    sizes = ", ".join(str(len(shard.jobs)) for shard in shards[:8]) + (", ..." if len(shards) > 8 else "")
    console.say(f"stacks     {len(shards)}" + (f" (runs that are trained together: {sizes})" if shards else ""))
    console.say(f"processes  {min(plan.processes, max(1, len(shards)))}")
    console.say(f"estimated  {plan.seconds:.1f} s of training, {TRACKING_S_PER_RUN * len(jobs):.1f} s of tracking")
    console.say(f"memory     {in_bytes(plan.memory)} of {in_bytes(available_memory())} free")
    console.say(f"disk       {in_bytes(plan.disk)} of {in_bytes(free_disk(OUTPUTS))} free")
    console.say(f"tracking   experiment {app.tracking.experiment} in {target(app).shown}")
    for title, names in (("groups", dict.fromkeys(job.group for job in jobs)), ("runs", [job.name for job in jobs])):
        listed = list(names)
        console.say(f"{title:<9}  {'; '.join(listed[:6])}" + (f"; ... ({len(listed)} in all)" if len(listed) > 6 else ""))
