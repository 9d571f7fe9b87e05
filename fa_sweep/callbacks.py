"""Hydra callback: a single run is checked before its folder is made."""

from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from fa_sweep.checks import ConfigError
from fa_sweep.config import one_line, resolve
from fa_sweep.sweep.folder import RECORD


def _make_folder(folder: Path) -> None:
    """Make the folder that Hydra is about to make, so that its refusal is one line too."""
    if (folder / RECORD).exists():
        raise ConfigError(f"hydra.run.dir is {folder}; it holds another run: name a new folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"hydra.run.dir is {folder}; it cannot be made: {error.strerror}") from error


class CheckSingleRun(Callback):
    """Refuse bad settings of a single run with one line, and answer `dry_run=true`, before anything is written."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Called by Hydra, which swallows every Exception here: hence SystemExit."""
        from fa_sweep.application import prepare, show_plan
        from fa_sweep.console import say

        try:
            app = resolve(config)
            if not app.dry_run:
                _make_folder(Path(str(config.hydra.run.dir)))
                return
            show_plan(*prepare([(app, {}, [])]))
        except Exception as error:
            say(f"fa_sweep: {one_line(error)}", error=True)
            raise SystemExit(2) from error
        raise SystemExit(0)
