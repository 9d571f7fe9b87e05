"""What a run records about the code that computed it."""

import os
import shutil
import subprocess
import sys

import pytest
from support.places import ROOT
from support.waiting import PATIENCE

ASK = "from fa_sweep.sweeping.environment import git; print(git()['git_dirty'])"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A separate git repository that contains the program, with everything committed."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("fa_sweep", "conf", "hydra_plugins"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "-qm", "all")
    return folder


def git(folder, *arguments):
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, timeout=PATIENCE)


def dirty(folder) -> str:
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", ASK], cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("name", ["fa_sweep/feedback/mine.py", "conf/feedback/mine.yaml", "hydra_plugins/fa_sweep/mine.py"])
def test_an_untracked_file_of_the_program_makes_it_dirty(checkout, name):
    assert dirty(checkout) == "false"
    (checkout / name).write_text("")
    try:
        assert dirty(checkout) == "true"
    finally:
        (checkout / name).unlink()


def test_other_untracked_files_do_not(checkout):
    (checkout / "notes.txt").write_text("")
    (checkout / "outputs").mkdir()
    (checkout / "outputs/a").write_text("")
    assert dirty(checkout) == "false"


def test_an_edited_file_makes_it_dirty(checkout):
    path = checkout / "fa_sweep/cli/console.py"
    before = path.read_text()
    path.write_text(before + "\n")
    try:
        assert dirty(checkout) == "true"
    finally:
        path.write_text(before)
