"""A Hydra sweep: from the command line's overrides to checked jobs, through any launcher, to a closed sweep."""

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
from fa_sweep.sweep.failures import failure
from fa_sweep.sweep.folder import Sweep, make_folder, remove_folder
from fa_sweep.sweep.jobs import Asked, Job
from fa_sweep.sweep.storage import write_bytes


@runtime_checkable
class StackedLauncher(Protocol):
    """A Hydra launcher that trains a sweep's jobs in stacks, and need not compose them again.

    `jobs` maps the overrides of each job that is to be trained to the job, and `n_jobs` is the setting of that name; both are
    set before `launch`. Hydra's own launchers, which know neither, run each job as a program of its own.
    """

    jobs: dict[Any, Job]
    n_jobs: str
    executor: str

    def check(self) -> None:
        """Raise ConfigError for settings of the launcher that cannot be used."""

    def expect(self, app: AppConfig, jobs: int) -> None:
        """Start what will take time to start, as soon as the first of so many jobs is known.

        Args:
            app: the settings of that job.
            jobs: how many there will be.
        """

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[Any]:
        """Train jobs into the ledger of the sweep's folder.

        Args:
            job_overrides: the overrides of each job.
            initial_job_idx: the number of the first one; always 0 here.

        Returns:
            One of Hydra's job returns for each job.
        """


def sweep(arguments: Sequence[str], sweeper: Any) -> list[Any]:
    """Conduct a sweep for a Hydra sweeper that has `hydra_context`, `config` and `launcher`. Returns Hydra's job returns."""
    config: DictConfig = sweeper.config
    composer = Composer(sweeper.hydra_context.config_loader, config)
    lines = parse_jobs(arguments, sweeper.hydra_context.config_loader, most=_most_jobs(config, arguments))
    stacked = sweeper.launcher if isinstance(sweeper.launcher, StackedLauncher) else None
    if stacked is not None:  # Hydra's own have checked their settings by now
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
    """Write a new sweep's folder. Raises CannotWrite, and then there is none."""
    try:
        opened = open_sweep(folder, jobs, app)
        write_bytes(yaml_without_secrets(config).encode(), folder / "multirun.yaml")
    except CannotWrite:
        remove_folder(folder)
        raise
    return opened


def _conduct(opened: Sweep, app: AppConfig, launcher: Any, lines: Lines) -> list[Any]:
    public = [place for place, override in enumerate(next(iter(lines))) if is_public(override)]
    lines_of = {tuple([line[place] for place in public]): line for line in lines}
    missing = {lines_of[job.overrides]: job for job in to_train(opened.jobs)}
    stacked = isinstance(launcher, StackedLauncher)
    if stacked:
        launcher.jobs, launcher.n_jobs = missing, app.n_jobs
    try:
        with nullcontext() if stacked else children_deaf_to_ctrl_c():
            returns = list(launcher.launch(list(missing), initial_job_idx=0)) if missing else []
    except ConfigError:  # nobody to train it: a scheduler that does not answer
        remove_folder(opened.folder)
        raise
    _keep_failures(opened, missing.values(), returns)
    close_sweep(opened, app)
    return returns


def _candidates(lines: Lines, composer: Composer, launcher: StackedLauncher | None) -> list[Asked]:
    """Compose and check every job; a stacked `launcher` is told as early as possible what it will be needed for."""
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
    """Return the settings of the application. Raises ConfigError where jobs differ in what concerns the sweep as a whole."""
    first = applications[0]
    for other in applications:
        for name in names_with(AppConfig, Role.APPLICATION):
            if getattr(other, name) != getattr(first, name):
                raise ConfigError(f"{name} differs between jobs; a sweep has one, so give it one value")
    return first


def _most_jobs(config: DictConfig, arguments: Sequence[str]) -> int:
    """Return how many jobs the sweep may have: a million, or with `confirm=true` as many as the memory holds."""
    confirmed = any(argument.lstrip("+").lower() == "confirm=true" for argument in arguments) or config.get("confirm") is True
    return max(MOST_JOBS, available_memory() // JOB_BYTES) if confirmed else MOST_JOBS


def _hint_at_seeds(arguments: Sequence[str]) -> None:
    """Say it where somebody who asks for a sweep over 50 seeds would get the one seed 50."""
    for argument in arguments:
        seed = argument.removeprefix("seed=")
        if seed != argument and seed.isdecimal() and int(seed) > 1:
            say(f"note: {argument} is one seed; 'seed=range({seed})' sweeps over {seed} of them", error=True)


def _make_folder(config: DictConfig) -> Path:
    """Make the sweep's folder, and tell every launcher's jobs of it."""
    folder = Path(str(config.hydra.sweep.dir))
    make_folder(folder, "hydra.sweep.dir", new=True)
    with read_write(config.hydra), open_dict(config.hydra):
        config.hydra.sweep.dir = str(folder)
        config.hydra.output_subdir = None  # one table of settings instead of a folder a job
        config.hydra.overrides.hydra += [f"hydra.sweep.dir='{folder}'", "hydra.output_subdir=null"]
    return folder


def _keep_failures(opened: Sweep, jobs: Iterable[Job], returns: Sequence[Any]) -> None:
    """Note the errors of jobs that a launcher of Hydra's ran."""
    errors = {}
    for job, returned in zip(jobs, returns, strict=True):
        try:
            _ = returned.return_value
        except Exception as error:
            errors[job.run_id] = failure(error)
    if errors:
        opened.add_failures(errors)
