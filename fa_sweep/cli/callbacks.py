"""A Hydra callback that checks a single run before its folder is created."""

from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from fa_sweep.cli.choices import Choices
from fa_sweep.cli.configuration import resolve
from fa_sweep.cli.refusals import begin, one_line
from fa_sweep.errors import ConfigError
from fa_sweep.sweeping.folder import make_folder


class CheckSingleRun(Callback):
    """Checks a single run's settings before anything is written, and prints the plan if `dry_run=true`."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check the run's settings, then create its folder, or print the plan if `dry_run=true`.

        Hydra ignores every Exception that this method raises. SystemExit is not an Exception, so it ends the program.

        Args:
            config: The composed configuration.
            kwargs: Hydra's other arguments, which are not used.

        Raises:
            SystemExit: With status 2 if the settings cannot be used, or with status 0 after printing the plan.
        """
        from fa_sweep.cli.console import say
        from fa_sweep.cli.designs import Design
        from fa_sweep.cli.planning import prepare_single, show_plan

        try:
            app = resolve(config, lambda plain: self._check_choices(plain, config))
            self._check_launcher(config.hydra.launcher)
            design = Design.of(config.hydra.sweeper or {})
            if design.is_union or design.exclude:
                raise ConfigError("hydra.sweeper.grids, zip and exclude are for sweeps; add -m, or leave them out")
            if config.hydra.output_subdir is not None:
                given = f"hydra.output_subdir is {config.hydra.output_subdir}"
                raise ConfigError(f"{given}; the settings of a run are in its config.yaml: leave this out")
            jobs, plan = prepare_single(app)
            if not app.dry_run:
                begin()
                make_folder(Path(str(config.hydra.run.dir)), "hydra.run.dir", new=False)  # Hydra's own errors are long
                return
            show_plan(jobs, plan, app)
        except Exception as error:
            say(f"fa_sweep: {one_line(error)}", error=True)
            raise SystemExit(2) from error
        raise SystemExit(0)

    def _check_launcher(self, launcher: Any) -> None:
        """Refuse launcher settings that would fail in a sweep, although a single run uses no launcher."""
        from fa_sweep.sweeping.executors import ExecutorSettings, check_executor

        if launcher is None:
            raise ConfigError("hydra.launcher is null; leave it out, or choose one with hydra/launcher=stack")
        if "executor" in launcher:
            check_executor(ExecutorSettings(launcher.executor, launcher.address, launcher.slurm))

    def _check_choices(self, plain: dict[str, Any], config: DictConfig) -> None:
        """Refuse settings that name another feedback mode or task than the chosen option's file."""
        hydra = GlobalHydra.instance().hydra
        if hydra is not None:
            Choices(hydra.config_loader).check(plain, config.hydra.runtime.choices)
