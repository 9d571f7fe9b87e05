"""Fixtures: checked settings from overrides, and the command line in a folder of its own."""

import os
import shutil
import sqlite3
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import OmegaConf

from fa_sweep.composition import Composer
from fa_sweep.config import conf_dir
from fa_sweep.schema import AppConfig
from fa_sweep.sweep.folder import fresh_id

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

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


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database as MLflow makes it, which takes it seconds: made once."""
    from fa_sweep.tracking import database

    path = tmp_path_factory.mktemp("database") / "mlflow.db"
    database.make(path, path.parent / "artifacts")
    return path


@pytest.fixture
def quick_database(empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Databases are copies of one that MLflow made."""

    def copy(new: Path, artifacts: Path) -> None:
        shutil.copyfile(empty_database, new)
        with closing(sqlite3.connect(new)) as connection, connection:
            connection.execute("UPDATE experiments SET artifact_location = ?", [f"{artifacts.absolute().as_uri()}/0"])

    monkeypatch.setattr("fa_sweep.tracking.database.make", copy)


@pytest.fixture
def fa_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick_database: None) -> Callable[..., int]:
    """fa_sweep("-m", "seed=0,1") runs the command line in an empty folder and returns the exit status."""
    from fa_sweep.entry import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["fa_sweep", *arguments])
        try:
            return main()
        except SystemExit as end:
            return int(end.code or 0)

    return run


def short(*arguments: str) -> list[str]:
    """Overrides of a sweep that is over at once: 201 steps, 5 evaluations, no report."""
    return ["-m", "train.steps=201", "train.eval_every=50", "train.hold=2", "report=false", *arguments]


def idx_bytes(array: np.ndarray) -> bytes:
    """An array as MNIST's files have it."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(">u1").tobytes()


def write_small_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a folder with a few images and a table the working folder."""
    monkeypatch.chdir(folder)
    generator = np.random.default_rng(0)
    Path("small-images-idx3").write_bytes(idx_bytes(generator.integers(0, 256, (40, 3, 3))))
    Path("small-labels-idx1").write_bytes(idx_bytes(np.arange(40) % 3))
    rows = [f"{a:.3f},{b:.3f},{i % 2}" for i, (a, b) in enumerate(generator.normal(size=(40, 2)))]
    Path("small.csv").write_text("a,b,y\n" + "\n".join(rows) + "\n")
