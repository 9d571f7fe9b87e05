"""Fixtures: checked settings from overrides, and the command line in a folder of its own."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import OmegaConf
from support.commands import short
from support.files import idx_bytes, write_small_files

from fa_sweep.composition import Composer
from fa_sweep.config import conf_dir
from fa_sweep.schema import AppConfig
from fa_sweep.sweep.folder import fresh_id

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

# For tests that still take these from here, and the modules of tests/support by their bare names.
__all__ = ["idx_bytes", "short", "write_small_files"]
sys.path.append(str(Path(__file__).parent / "support"))

Settings = Callable[..., AppConfig]


@pytest.fixture
def composer() -> Iterator[Composer]:
    """A composer over conf/, as a sweep has one."""
    OmegaConf.register_new_resolver("fresh_id", fresh_id, use_cache=True, replace=True)
    with initialize_config_dir(config_dir=conf_dir(), version_base="1.3"):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        master = hydra.compose_config(config_name="config", overrides=[], run_mode=RunMode.MULTIRUN)
        yield Composer(hydra.config_loader, master)


@pytest.fixture
def settings(composer: Composer) -> Settings:
    """settings("seed=3", "train.lr=0.1") -> checked settings."""
    return lambda *overrides: composer.settings(overrides)


@pytest.fixture
def fa_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """fa_sweep("-m", "seed=0,1") runs the command line in an empty folder and returns the exit status."""
    from fa_sweep.entry import main

    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["fa_sweep", *arguments])
        try:
            return main()
        except SystemExit as end:
            return int(end.code or 0)

    return run
