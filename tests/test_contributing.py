"""The examples in CONTRIBUTING.md are complete files: a copy of the program trains with them."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from support.places import ROOT
from support.waiting import PATIENCE

SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
FILE = re.compile(r"^`([\w./-]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^```\npython -m fa_sweep (.*?)\n```$", re.MULTILINE)
SMALL = ["seed=0,1", "train.steps=201", "train.eval_every=50", "report=false"]


def section(title: str) -> str:
    """Return the text of one section of the page."""
    parts = SECTION.split((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    return dict(zip(parts[1::2], parts[2::2], strict=True))[title]


def write_files(text: str, folder) -> list[str]:
    """Write the files of a section, and return their names."""
    found = FILE.findall(text)
    for name, content in found:
        path = folder / name
        assert not path.exists(), f"{name} would replace a file of the program"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return [name for name, _ in found]


def run_command(text: str, folder, *paths) -> str:
    """Run a section's command with few seeds and steps, and return what it prints."""
    (words,) = COMMAND.findall(text)
    arguments = [word for word in words.split() if not word.startswith("'seed=")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    command = [sys.executable, "-m", "fa_sweep", *arguments, *SMALL]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def program(tmp_path_factory):
    """A copy of the program to add files to."""
    folder = tmp_path_factory.mktemp("program")
    for name in ("fa_sweep", "conf", "hydra_plugins"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.mark.parametrize(
    ("title", "files", "groups"),
    [
        (
            "Add a feedback mode",
            ["fa_sweep/feedback/shrunk.py", "conf/feedback/shrunk.yaml"],
            ["feedback.factor=0.25", "feedback.factor=0.5", "feedback.factor=1.0"],
        ),
        ("Add a task", ["fa_sweep/tasks/majority.py", "conf/task/majority.yaml"], ["random"]),
    ],
)
def test_a_piece_in_the_tree(program, with_database, title, files, groups):
    text = section(title)
    assert write_files(text, program) == files
    lint = [sys.executable, "-m", "ruff", "check", "--config", str(ROOT / "pyproject.toml"), str(program / files[0])]
    subprocess.run(lint, check=True, timeout=PATIENCE)
    printed = run_command(text, with_database, program)
    for group in groups:
        assert re.search(rf"^{re.escape(group)}\s+2 ", printed, re.MULTILINE), printed


@pytest.mark.slow
def test_a_piece_in_a_package_of_its_own(tmp_path_factory, with_database):
    source, site = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    text = section("Add a mode or a task in a package of your own")
    assert "my_pieces/mine.py" in write_files(text, source)
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(site)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(source)], check=True, timeout=PATIENCE)
    assert re.search(r"^mine +2 ", run_command(text, with_database, site), re.MULTILINE)
