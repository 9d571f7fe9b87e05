"""Hydra callback: a single run is checked before its folder is made."""

from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from fa_sweep.cli.choices import Choices
from fa_sweep.cli.configuration import resolve
from fa_sweep.cli.refusals import begin, one_line
from fa_sweep.errors import ConfigError
from fa_sweep.sweep.folder import make_folder


class CheckSingleRun(Callback):
    """Refuse bad settings of a single run with one line, and answer `dry_run=true`, before anything is written."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Called by Hydra, which swallows every Exception here: hence SystemExit."""
        from fa_sweep.cli.console import say
        from fa_sweep.cli.planning import prepare_single, show_plan

        try:
            app = resolve(config, lambda plain: self._check_choices(plain, config))
            self._check_launcher(config.hydra.launcher)
            if config.hydra.output_subdir is not None:
                given = f"hydra.output_subdir is {config.hydra.output_subdir}"
                raise ConfigError(f"{given}; the settings of a run are in its config.yaml: leave this out")
            jobs, plan = prepare_single(app)
            if not app.dry_run:
                begin()
                make_folder(Path(str(config.hydra.run.dir)), "hydra.run.dir", new=False)  # Hydra would, and say more
                return
            show_plan(jobs, plan, app)
        except Exception as error:
            say(f"fa_sweep: {one_line(error)}", error=True)
            raise SystemExit(2) from error
        raise SystemExit(0)

    def _check_launcher(self, launcher: Any) -> None:
        """Refuse settings of our launcher that no sweep could use, though a single run has no use for any."""
        from fa_sweep.sweep.executors import ExecutorSettings, check_executor

        if launcher is None:
            raise ConfigError("hydra.launcher is null; leave it out, or choose one with hydra/launcher=stack")
        if "executor" in launcher:
            check_executor(ExecutorSettings(launcher.executor, launcher.address, launcher.slurm))

    def _check_choices(self, plain: dict[str, Any], config: DictConfig) -> None:
        hydra = GlobalHydra.instance().hydra
        if hydra is not None:
            Choices(hydra.config_loader).check(plain, config.hydra.runtime.choices)
