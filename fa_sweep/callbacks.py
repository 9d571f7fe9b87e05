"""Hydra callback: a single run is checked before its folder is made."""

from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from fa_sweep.checks import ConfigError
from fa_sweep.config import one_line, resolve
from fa_sweep.sweep.folder import make_folder


class CheckSingleRun(Callback):
    """Refuse bad settings of a single run with one line, and answer `dry_run=true`, before anything is written."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Called by Hydra, which swallows every Exception here: hence SystemExit."""
        from fa_sweep.application import prepare, show_plan
        from fa_sweep.console import say
        from fa_sweep.tracked import target

        try:
            app = resolve(config)
            if config.hydra.output_subdir is not None:
                given = f"hydra.output_subdir is {config.hydra.output_subdir}"
                raise ConfigError(f"{given}; the settings of a run are in its config.yaml: leave this out")
            target(app)
            if not app.dry_run:
                make_folder(Path(str(config.hydra.run.dir)), "hydra.run.dir", new=False)  # Hydra would, and say more
                return
            show_plan(*prepare([(app, {}, [])]))
        except Exception as error:
            say(f"fa_sweep: {one_line(error)}", error=True)
            raise SystemExit(2) from error
        raise SystemExit(0)
