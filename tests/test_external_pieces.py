"""A third party's feedback mode and task, installed as a separate distribution, work like built-in ones."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.waiting import PATIENCE

FILES = {
    "pyproject.toml": """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "somebodys-pieces"
version = "0.3"
[project.entry-points."fa_sweep.feedback"]
halved = "somebodys_pieces.halved:Halved"
[project.entry-points."fa_sweep.tasks"]
majority = "somebodys_pieces.majority:TASK"
""",
    "somebodys_pieces/__init__.py": "",
    "somebodys_pieces/halved.py": '''
from fa_sweep.feedback import FeedbackConfig, FeedbackMode


class Halved(FeedbackMode[FeedbackConfig]):
    """Half the forward weights, as they are now."""

    def __init__(self, lanes, forward):
        super().__init__(lanes, forward)
        self.refresh()

    def refresh(self):
        self.matrices = [0.5 * weight for weight in self.forward.weights[1:]]
''',
    "somebodys_pieces/majority.py": """
import itertools
from dataclasses import dataclass

import numpy as np

from fa_sweep.tasks import Examples, Task, TaskConfig, TaskKind


@dataclass
class MajorityConfig(TaskConfig):
    bits: int


def make(config, seed):
    x = np.array(list(itertools.product((0.0, 1.0), repeat=config.bits)))
    examples = Examples(x, (x.sum(1, keepdims=True) > config.bits / 2).astype(float))
    return Task(examples, "binary", training=examples)


TASK = TaskKind(make, MajorityConfig)
""",
    "somebodys_pieces/conf/feedback/halved.yaml": """
mode: halved
distribution: ${init.distribution}
scale: 1.0
match_norm: false
sparsity: 0.0
seed: null
""",
    "somebodys_pieces/conf/task/majority.yaml": """
name: majority
loss: squared
sampling: permutation
bits: 3
success: {metric: accuracy, direction: at_least, value: 1.0}
""",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder into which the third party's distribution is installed."""
    source, target = tmp_path_factory.mktemp("somebody"), tmp_path_factory.mktemp("site")
    for name, text in FILES.items():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(target)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(source)], check=True, timeout=PATIENCE)
    return target


def run(site, folder, *arguments):
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path}
    command = [sys.executable, "-m", "fa_sweep", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE)


@pytest.mark.slow
def test_an_installed_mode_and_task_are_as_good_as_our_own(site, with_database):
    arguments = ("-m", "feedback=halved,symmetric", "task=majority", "seed=range(2)", "train.steps=801", "report=false")
    done = run(site, with_database, *arguments, "feedback.scale=1.5")
    assert done.returncode == 0, done.stderr
    assert "halved" in done.stdout
    assert "4 jobs, 0 reused" in done.stdout
    again = run(site, with_database, *arguments, "feedback.scale=1.5")
    assert "4 jobs, 4 reused" in again.stdout


@pytest.mark.slow
def test_its_version_is_part_of_the_run_s_id(site, with_database):
    record = next(site.glob("somebodys_pieces-0.3.dist-info"))
    arguments = ("feedback=halved", "train.steps=51")
    assert run(site, with_database, *arguments).returncode == 0
    assert "from the ledger" in run(site, with_database, *arguments).stdout
    metadata = record / "METADATA"
    text = metadata.read_text()
    metadata.write_text(text.replace("Version: 0.3", "Version: 0.4"))
    try:
        assert "from the ledger" not in run(site, with_database, *arguments).stdout
    finally:
        metadata.write_text(text)


@pytest.mark.slow
def test_it_is_listed_and_its_options_are_checked(site, tmp_path):
    assert "halved" in run(site, tmp_path, "--help").stdout
    refused = run(site, tmp_path, "task=majority", "task.bits=many")
    assert refused.returncode == 2
    assert "task.bits is 'many'; it must be a whole number" in refused.stderr
    assert list(Path(tmp_path).iterdir()) == []


def test_without_it_the_name_is_unknown(fa_sweep, capfd):
    assert fa_sweep("feedback=halved") == 2
    assert "choose one of batch_sign, direct" in capfd.readouterr().err
