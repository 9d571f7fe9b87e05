"""Shared fixtures, and the hooks that decide which tests run, in what order and on which worker."""

# isort: off
from support import surroundings  # must come first: it cleans the environment before anything reads it

# isort: on
import logging
import os
import random
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from hydra import initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from omegaconf import DictConfig, OmegaConf
from support import databases, services
from support.commands import short
from support.gate import Gate

from fa_sweep.cli.composition import Composer
from fa_sweep.cli.configuration import conf_dir
from fa_sweep.feedback import MODES
from fa_sweep.settings.schema import AppConfig
from fa_sweep.sweeping.folder import fresh_id

# Makes the modules of tests/support importable by their bare names too.
sys.path.append(str(Path(__file__).parent / "support"))

# Hypothesis uses the same examples every time and sets no time limit, so results do not depend on the machine's speed.
IMPATIENT = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
hypothesis_settings.register_profile("suite", derandomize=True, deadline=None, database=None, suppress_health_check=IMPATIENT)
hypothesis_settings.load_profile("suite")

# Each word stands for a group of tests: those whose address contains it. A group shares an expensive fixture, so it runs on
# one worker.
TOGETHER = (
    "test_slurm.py", "test_compiled.py", "test_external_pieces.py", "test_other_environments.py", "test_signals.py",
    "postgresql", "test_stores.py", "the_wheel",
)  # fmt: skip

Settings = Callable[..., AppConfig]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--shuffle", type=int, metavar="SEED", help="run the tests in the random order of a seed")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Shuffle the tests if a seed is given; otherwise run those that need services first, since they wait longest."""
    if (seed := config.getoption("--shuffle")) is not None:
        random.Random(seed).shuffle(items)  # noqa: S311  no secret
    else:
        items.sort(key=lambda item: item.get_closest_marker("service") is None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hand out tests one by one, except that each word in TOGETHER keeps its tests on one worker."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):  # `--dist loadgroup` has no effect in xdist 3.8 under pytest 9.2
        def _split_scope(self, nodeid: str) -> str:
            return next((word for word in TOGETHER if word in nodeid), nodeid)

    return Scheduling(config, log)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose service is not installed. If all services are required, as in .ci/run, fail it instead."""
    for marker in item.iter_markers("service"):
        for name in marker.args:
            if not services.INSTALLED[name]():
                give_up = pytest.fail if surroundings.REQUIRE_SERVICES else pytest.skip
                give_up(f"{name} is not installed; .ci/run installs it")


@pytest.fixture(autouse=True)
def _nothing_stays() -> Iterator[None]:
    """Restore the environment, the working folder and logging after each test, and clear Hydra's global state."""
    environment, folder, root = dict(os.environ), Path.cwd(), logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    GlobalHydra.instance().clear()
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.fixture(scope="session")
def hydra_master() -> tuple[ConfigLoader, DictConfig]:
    """Hydra's configuration loader for conf/, and the configuration of a sweep without overrides."""
    OmegaConf.register_new_resolver("fresh_id", fresh_id, use_cache=True, replace=True)
    with initialize_config_dir(config_dir=conf_dir(), version_base="1.3"):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        return hydra.config_loader, hydra.compose_config(config_name="config", overrides=[], run_mode=RunMode.MULTIRUN)


@pytest.fixture
def composer(hydra_master: tuple[ConfigLoader, DictConfig]) -> Composer:
    """The composer that a sweep uses, which reads the configuration in conf/."""
    return Composer(*hydra_master)


@pytest.fixture(scope="session")
def composed() -> dict[tuple[str, ...], Any]:
    """Configurations composed so far in this session; tests share them because most ask for the same ones."""
    return {}


@pytest.fixture
def settings(composer: Composer, composed: dict[tuple[str, ...], Any]) -> Settings:
    """A function that turns overrides into checked settings: settings("seed=3", "train.lr=0.1")."""
    composer._bases = composed
    return lambda *overrides: composer.settings(overrides)


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of a session share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def empty_database(shared_folder: Path) -> Iterator[Path]:
    """An MLflow database without runs; new SQLite databases in this process are made by copying it."""
    path = databases.template(shared_folder)
    with databases.quick_creation(path):
        yield path


@pytest.fixture
def with_database(tmp_path: Path, empty_database: Path) -> Path:
    """A working folder that already holds an empty MLflow database, for commands run as subprocesses."""
    databases.place(empty_database, tmp_path)
    return tmp_path


@pytest.fixture
def fa_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_database: Path) -> Callable[..., int]:
    """A function that runs the command line in an empty folder and returns the exit status: fa_sweep("-m", "seed=0,1")."""
    from fa_sweep.cli.entry import main

    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["fa_sweep", *arguments])
        try:
            return main()
        except SystemExit as end:
            return int(end.code or 0)

    return run


@pytest.fixture
def few_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw only the last figure of each report, to save time in tests that do not look at figures."""
    from fa_sweep.report import report

    whole = report.draw_all
    monkeypatch.setattr(report, "draw_all", lambda *arguments: list(whole(*arguments))[-1:])


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gate:
    """The gate at which `feedback=gated` waits in commands that get `gate.environment`; in this process it does not wait."""
    monkeypatch.setitem(MODES.foreign, "gated", EntryPoint("gated", "fa_sweep.feedback.random:Random", "fa_sweep.feedback"))
    return Gate(tmp_path / "gate")


@pytest.fixture(scope="session")
def made_ledger(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Path:
    """A folder with three sweeps of 201 steps, tracked in MLflow.

    "a" has 2 modes and 3 seeds. "b" has 1 mode and 5 seeds; three of its runs are a's. Some runs of "c" diverge.
    """
    from fa_sweep import api

    folder, before = tmp_path_factory.mktemp("ledger"), Path.cwd()
    words = [word for word in short() if word not in ("-m", "report=false")]
    os.chdir(folder)
    try:
        databases.place(empty_database, folder)
        api.sweep(*words, feedback=["symmetric", "random"], seed=range(3), name="a")
        api.sweep(*words, feedback="random", seed=range(5), name="b")
        api.sweep(*words, "train.loss=squared", feedback=["symmetric", "random"], seed=range(3), name="c", **{"train.lr": 50.0})
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def ledger(made_ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `made_ledger` as the working folder."""
    shutil.copytree(made_ledger / "outputs", tmp_path / "outputs", symlinks=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path
