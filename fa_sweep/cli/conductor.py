"""The steps of a Hydra sweep: compose and check its jobs, make its folder, and train with any launcher."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from hydra.errors import HydraException
from omegaconf import DictConfig, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from fa_sweep.checks import shown
from fa_sweep.cli.application import open_sweep
from fa_sweep.cli.composition import Candidate, Composer, is_public, is_seed
from fa_sweep.cli.configuration import yaml_without_secrets
from fa_sweep.cli.console import say
from fa_sweep.cli.designs import Design, Grid, excluded, grids_of
from fa_sweep.cli.lines import JOB_BYTES, MOST_JOBS, key_of
from fa_sweep.cli.refusals import begin, one_line
from fa_sweep.errors import CannotWrite, ConfigError
from fa_sweep.process.resources import available_memory
from fa_sweep.process.signals import children_deaf_to_ctrl_c, meanwhile
from fa_sweep.roles import Role, names_with
from fa_sweep.settings.schema import AppConfig
from fa_sweep.sweeping.failures import failure
from fa_sweep.sweeping.folder import Sweep, fresh_id, make_folder, remove_folder
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


class Conductor:
    """Carries out the steps of one command's sweeps."""

    def __init__(self, arguments: Sequence[str], sweeper: Any) -> None:
        """Check the launcher's settings.

        Args:
            arguments: The overrides of the command line.
            sweeper: The Hydra sweeper, with the attributes `hydra_context`, `config`, `launcher`, and those of `Design`.

        Raises:
            ConfigError: A setting of the launcher cannot be used.
        """
        self.arguments, self.launcher = list(arguments), sweeper.launcher
        self._config: DictConfig = sweeper.config
        self._loader = sweeper.hydra_context.config_loader
        self._design = Design.of(sweeper)
        self._folder = Path(str(self._config.hydra.sweep.dir))
        self.composer = Composer(self._loader, self._config)
        self._stacked = sweeper.launcher if isinstance(sweeper.launcher, StackedLauncher) else None
        if self._stacked is not None:  # Hydra's own launchers have checked their settings by now
            self._stacked.check()

    @property
    def executor(self) -> str:
        """The name of the executor that trains."""
        return "local" if self._stacked is None else self._stacked.executor

    @property
    def design(self) -> str:
        """The setting `design`, before any job is composed."""
        given = [text.partition("=")[2] for text in self.arguments if key_of(text) == "design"]
        return given[-1] if given else str(self._config.get("design"))

    def grids(self, arguments: Sequence[str] | None = None) -> list[Grid]:
        """Return the grids of the sweep, with other overrides than the command line's if they are given."""
        return grids_of(
            self.arguments if arguments is None else arguments,
            self._design,
            self._loader,
            lambda preset: Design.of(self.composer.settings_of_sweeper(preset)),
            most=_most_jobs(self._config, self.arguments),
        )

    def candidates(self, grids: Sequence[Grid]) -> list[list[Asked]]:
        """Compose and check every job. Returns the jobs of each grid without those that are excluded or skipped.

        After the first job, a stacked launcher starts the processes for training.

        Raises:
            ConfigError: A job cannot be run as asked, or no job is left.
        """
        skip = _is_set("skip_refused", self._config, self.arguments)
        refused = _Refused(self.composer)
        found, number, out = list[list[Asked]](), 0, [0, 0]
        for grid in grids:
            place, listed = grid.lines.place_of_seed, list[Candidate]()
            for overrides in grid.lines:
                try:
                    if not (skip and refused.knows(overrides, place)):
                        listed.append(self.composer.candidate(overrides, place))
                except Exception as error:
                    if skip and isinstance(error, ConfigError | HydraException | OmegaConfBaseException):
                        refused.add(overrides, place, error)
                    else:
                        jobs = sum(len(grid.lines) for grid in grids)
                        where = f" (job {number}: {shown(' '.join(overrides))[1:-1]})" if jobs > 1 else ""
                        raise ConfigError(one_line(error) + where) from error
                if number == 0 and self.composer.applications and not self.composer.applications[0].dry_run:
                    self._begin_to_train(sum(len(grid.lines) for grid in grids))
                number += 1
            kept = _without_excluded(listed, grid)
            out[0], out[1] = out[0] + len(listed) - len(kept), out[1] + (len(listed) if grid.exclude else 0)
            found.append(kept)
        if not any(found):
            raise ConfigError(f"no job is left: {refused.first or 'hydra.sweeper.exclude leaves out all of them'}")
        if out[0]:
            say(f"{out[0]} of {out[1]} jobs are left out by hydra.sweeper.exclude.")
        refused.say()
        return [listed for listed in found if listed]

    def _begin_to_train(self, jobs: int) -> None:
        meanwhile("finished shards are kept, the same command goes on from there")
        if self._stacked is not None:
            self._stacked.expect(self.composer.applications[0], jobs)

    @property
    def app(self) -> AppConfig:
        """The application's settings. Raises ConfigError if they are not the same for all jobs."""
        return _one_for_all(self.composer.applications)

    def open(self, jobs: Sequence[Job], app: AppConfig, design: Mapping[str, Any] | None = None, *, stage: str = "") -> Sweep:
        """Write a new sweep's folder. If it cannot be written, remove it and raise CannotWrite.

        Args:
            jobs: The jobs of the sweep.
            app: The application's settings.
            design: What the design decided so far, for the sweep's record; None for a grid.
            stage: What the sweep is for, if the command conducts another one as its result. It becomes part of the name.
        """
        begin()
        name = f"{app.name} ({stage})" if app.name and stage else app.name
        folder = self._folder.with_name(fresh_id(name or stage)) if stage else self._folder
        self._make_folder(folder)
        try:
            opened = open_sweep(folder, jobs, app, design or {}, name)
            write_bytes(yaml_without_secrets(self._config).encode(), folder / "multirun.yaml")
        except CannotWrite:
            remove_folder(folder)
            raise
        return opened

    def _make_folder(self, folder: Path) -> None:
        """Create a sweep's folder, and write its path into the configuration that every launcher's jobs read."""
        config = self._config
        make_folder(folder, "hydra.sweep.dir", new=True)
        with read_write(config.hydra), open_dict(config.hydra):
            config.hydra.sweep.dir = str(folder)
            config.hydra.output_subdir = None  # no folder per job: the sweep's job table holds the settings
            config.hydra.overrides.hydra += [f"hydra.sweep.dir='{folder}'", "hydra.output_subdir=null"]

    def train(self, opened: Sweep, jobs: Sequence[Job], grids: Sequence[Grid]) -> list[Any]:
        """Train jobs of a sweep.

        Args:
            opened: The sweep.
            jobs: Those of its jobs that are to be trained now.
            grids: The grids of the sweep.

        Returns:
            Hydra's JobReturn of each trained job.

        Raises:
            ConfigError: Training cannot begin, for example because a scheduler does not answer. The sweep's folder is removed,
                unless it already holds finished shards.
        """
        missing = self.lines_of(jobs, grids)
        if self._stacked is not None:
            self._stacked.jobs, self._stacked.n_jobs = missing, self.composer.applications[0].n_jobs
        try:
            with children_deaf_to_ctrl_c() if self._stacked is None else nullcontext():
                returns = list(self.launcher.launch(list(missing), initial_job_idx=0)) if missing else []
        except ConfigError:
            if not any((opened.folder / SHARDS).glob("*.parquet")):
                remove_folder(opened.folder)
            raise
        _keep_failures(opened, missing.values(), returns)
        return returns

    def lines_of(self, jobs: Sequence[Job], grids: Sequence[Grid]) -> dict[tuple[str, ...], Job]:
        """Return the jobs by their overrides as the launcher takes them, with those that concern only the command."""
        lines: dict[tuple[str, ...], tuple[str, ...]] = {}
        for grid in grids:
            public = [place for place, override in enumerate(next(iter(grid.lines))) if is_public(override)]
            lines |= {tuple([line[place] for place in public]): line for line in grid.lines}
        return {lines[job.overrides]: job for job in jobs}


class _Refused:
    """The combinations of settings that cannot be run, and which `skip_refused=true` leaves out."""

    def __init__(self, composer: Composer) -> None:
        self._composer = composer
        self._seen: dict[tuple[str, ...], str] = {}
        self._jobs: Counter[str] = Counter()
        self.first = ""

    def add(self, overrides: Sequence[str], place: int | None, error: Exception) -> None:
        """Note that a job is refused."""
        others = self._others(overrides, place)
        parts = [text for text in others if self._composer.factor(text) is not None]
        text = f"{shown(' '.join(parts))[1:-1]}: {one_line(error)}" if parts else one_line(error)
        self.first = self.first or text
        self._jobs[text] += 1
        if place is not None and is_seed(overrides[place]):
            self._seen[tuple(others)] = text

    def knows(self, overrides: Sequence[str], place: int | None) -> bool:
        """Whether a job differs only in its seed from one that is refused. If so, it is counted."""
        if not self._seen or place is None or not is_seed(overrides[place]):
            return False
        text = self._seen.get(tuple(self._others(overrides, place)))
        if text is not None:
            self._jobs[text] += 1
        return text is not None

    def _others(self, overrides: Sequence[str], place: int | None) -> list[str]:
        return [text for n, text in enumerate(overrides) if n != place]

    def say(self) -> None:
        """Print what is left out, and why."""
        for text, jobs in self._jobs.items():
            say(f"left out ({jobs} job{'s' * (jobs != 1)}): {text}", error=True)


def _without_excluded(candidates: list[Candidate], grid: Grid) -> list[Asked]:
    out = excluded(candidates, grid.exclude) if grid.exclude else [False] * len(candidates)
    return [candidate for candidate, is_out in zip(candidates, out, strict=True) if not is_out]


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
    confirmed = _is_set("confirm", config, arguments)
    return max(MOST_JOBS, available_memory() // JOB_BYTES) if confirmed else MOST_JOBS


def _is_set(name: str, config: DictConfig, arguments: Sequence[str]) -> bool:
    """Whether a setting of the command is true. It is asked before any job is composed."""
    given = [text.lstrip("+").lower() for text in arguments if text.lstrip("+").partition("=")[0] == name]
    return given[-1] == f"{name}=true" if given else config.get(name) is True


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
