"""Conduct a Hydra sweep: compose and check its jobs, train them with any launcher, and close the sweep."""

from collections.abc import Iterable, Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from omegaconf import DictConfig, open_dict, read_write

from fa_sweep.checks import shown
from fa_sweep.cli.application import close_sweep, open_sweep
from fa_sweep.cli.composition import Composer, is_public
from fa_sweep.cli.configuration import yaml_without_secrets
from fa_sweep.cli.console import say
from fa_sweep.cli.lines import JOB_BYTES, MOST_JOBS, Lines, parse_jobs
from fa_sweep.cli.planning import prepare, show_plan, to_train
from fa_sweep.cli.refusals import begin, one_line
from fa_sweep.errors import CannotWrite, ConfigError
from fa_sweep.process.resources import available_memory
from fa_sweep.process.signals import children_deaf_to_ctrl_c, meanwhile
from fa_sweep.roles import Role, names_with
from fa_sweep.settings.schema import AppConfig
from fa_sweep.sweeping.failures import failure
from fa_sweep.sweeping.folder import Sweep, make_folder, remove_folder
from fa_sweep.sweeping.jobs import Asked, Job
from fa_sweep.sweeping.shards import SHARDS
from fa_sweep.sweeping.storage import write_bytes


@runtime_checkable
class StackedLauncher(Protocol):
    """A Hydra launcher that trains a sweep's jobs in stacks and does not compose them again.

    Hydra's own launchers lack these attributes and methods, and run each job as a separate Hydra job.

    Attributes:
        jobs: The jobs to train, by their overrides. The sweep sets this before it calls `launch`.
        n_jobs: The setting of the same name. The sweep sets this as well.
        executor: The name of the executor that trains.
    """

    jobs: dict[Any, Job]
    n_jobs: str
    executor: str

    def check(self) -> None:
        """Check the launcher's settings.

        Raises:
            ConfigError: A setting cannot be used.
        """

    def expect(self, app: AppConfig, jobs: int) -> None:
        """Start processes that training will need, while the sweep still composes its jobs.

        Args:
            app: The settings of the sweep's first job.
            jobs: How many jobs the sweep will have.
        """

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[Any]:
        """Train jobs into the ledger of the sweep's folder.

        Args:
            job_overrides: The overrides of each job.
            initial_job_idx: The index of the first job; always 0 here.

        Returns:
            Hydra's JobReturn of each job, in the same order.
        """


def sweep(arguments: Sequence[str], sweeper: Any) -> list[Any]:
    """Conduct a whole sweep for a Hydra sweeper, or print its plan if `dry_run=true`.

    Args:
        arguments: The overrides of the sweep.
        sweeper: The sweeper, with the attributes `hydra_context`, `config` and `launcher`.

    Returns:
        Hydra's JobReturn of each job that was trained. Reused jobs have none.

    Raises:
        ConfigError: The sweep cannot be run as asked. Its folder is removed, unless it already holds finished shards.
        CannotWrite: The sweep's folder cannot be written.
        RunsFailed: Runs failed or are missing, or the report or MLflow's database could not be written.
    """
    config: DictConfig = sweeper.config
    composer = Composer(sweeper.hydra_context.config_loader, config)
    lines = parse_jobs(arguments, sweeper.hydra_context.config_loader, most=_most_jobs(config, arguments))
    stacked = sweeper.launcher if isinstance(sweeper.launcher, StackedLauncher) else None
    if stacked is not None:  # Hydra's own launchers have checked their settings by now
        stacked.check()
    candidates = _candidates(lines, composer, stacked)
    app = _one_for_all(composer.applications)
    jobs, plan = prepare(candidates, app, "local" if stacked is None else stacked.executor)
    _hint_at_seeds(arguments)
    if app.dry_run:
        show_plan(jobs, plan, app)
        return []
    begin()
    folder = _make_folder(config)
    with closing(_open(folder, jobs, app, config)) as opened:
        return _conduct(opened, app, sweeper.launcher, lines)


def _open(folder: Path, jobs: Sequence[Job], app: AppConfig, config: DictConfig) -> Sweep:
    """Write a new sweep's folder. If it cannot be written, remove it and raise CannotWrite."""
    try:
        opened = open_sweep(folder, jobs, app)
        write_bytes(yaml_without_secrets(config).encode(), folder / "multirun.yaml")
    except CannotWrite:
        remove_folder(folder)
        raise
    return opened


def _conduct(opened: Sweep, app: AppConfig, launcher: Any, lines: Lines) -> list[Any]:
    """Train the jobs that are not reused, then close the sweep. Returns Hydra's JobReturn of each trained job."""
    public = [place for place, override in enumerate(next(iter(lines))) if is_public(override)]
    lines_of = {tuple([line[place] for place in public]): line for line in lines}
    missing = {lines_of[job.overrides]: job for job in to_train(opened.jobs)}
    stacked = isinstance(launcher, StackedLauncher)
    if stacked:
        launcher.jobs, launcher.n_jobs = missing, app.n_jobs
    try:
        with nullcontext() if stacked else children_deaf_to_ctrl_c():
            returns = list(launcher.launch(list(missing), initial_job_idx=0)) if missing else []
    except ConfigError:  # for example, a scheduler does not answer
        if not any((opened.folder / SHARDS).glob("*.parquet")):
            remove_folder(opened.folder)
        raise
    _keep_failures(opened, missing.values(), returns)
    close_sweep(opened, app)
    return returns


def _candidates(lines: Lines, composer: Composer, launcher: StackedLauncher | None) -> list[Asked]:
    """Compose and check every job. After the first one, let a stacked launcher start the processes for training."""
    candidates: list[Asked] = []
    place = lines.place_of_seed
    for number, overrides in enumerate(lines):
        try:
            candidates.append(composer.candidate(overrides, place))
        except Exception as error:
            where = f" (job {number}: {shown(' '.join(overrides))[1:-1]})" if len(lines) > 1 else ""
            raise ConfigError(one_line(error) + where) from error
        if number == 0 and not composer.applications[0].dry_run:
            meanwhile("finished shards are kept, the same command goes on from there")
            if launcher is not None:
                launcher.expect(composer.applications[0], len(lines))
    return candidates


def _one_for_all(applications: Sequence[AppConfig]) -> AppConfig:
    """Return the first job's settings. Raises ConfigError if another job differs in a setting that concerns the whole sweep."""
    first = applications[0]
    for other in applications:
        for name in names_with(AppConfig, Role.APPLICATION):
            if getattr(other, name) != getattr(first, name):
                raise ConfigError(f"{name} differs between jobs; it concerns the whole sweep, so give it one value")
    return first


def _most_jobs(config: DictConfig, arguments: Sequence[str]) -> int:
    """Return how many jobs the sweep may have: a million, or with `confirm=true` more if they fit into memory."""
    confirmed = any(argument.lstrip("+").lower() == "confirm=true" for argument in arguments) or config.get("confirm") is True
    return max(MOST_JOBS, available_memory() // JOB_BYTES) if confirmed else MOST_JOBS


def _hint_at_seeds(arguments: Sequence[str]) -> None:
    """Print a note for `seed=50`, which is the single seed 50 and not a sweep over 50 seeds."""
    for argument in arguments:
        seed = argument.removeprefix("seed=")
        if seed != argument and seed.isdecimal() and int(seed) > 1:
            say(f"note: {argument} is one seed; 'seed=range({seed})' sweeps over {seed} of them", error=True)


def _make_folder(config: DictConfig) -> Path:
    """Create the sweep's folder, and write its path into the configuration that every launcher's jobs read."""
    folder = Path(str(config.hydra.sweep.dir))
    make_folder(folder, "hydra.sweep.dir", new=True)
    with read_write(config.hydra), open_dict(config.hydra):
        config.hydra.sweep.dir = str(folder)
        config.hydra.output_subdir = None  # no folder per job: the sweep's job table holds the settings
        config.hydra.overrides.hydra += [f"hydra.sweep.dir='{folder}'", "hydra.output_subdir=null"]
    return folder


def _keep_failures(opened: Sweep, jobs: Iterable[Job], returns: Sequence[Any]) -> None:
    """Write the errors of jobs that one of Hydra's own launchers ran into the sweep's folder."""
    errors = {}
    for job, returned in zip(jobs, returns, strict=True):
        try:
            _ = returned.return_value
        except Exception as error:
            errors[job.run_id] = failure(error)
    if errors:
        opened.add_failures(errors)
