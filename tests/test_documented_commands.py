"""Every command and every Python example in the documentation runs, and prints what the page says that it prints.

The blocks of a page are run in their order, in one empty folder. `support.markdown` explains how a page can ask for a smaller
command, or for none.
"""

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from support.commands import verb
from support.markdown import IN_A_COPY, Block, blocks, commands, shows
from support.places import ROOT
from support.waiting import PATIENCE

from fa_sweep.cli import entry
from fa_sweep.cli.verbs import VERBS
from fa_sweep.report import report

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Pages that take more than a few seconds.
SLOW = {"digits.md", "own-data.md", "own-rule.md", "own-task.md", "outcomes.md"}
LANGUAGES = {"bash", "python", "text", "yaml", "toml", "latex"}
REASONS = {"it needs a server", "it needs a cluster", "it does not end", "it takes minutes", "it needs a file of the reader's"}
PROGRAM = "python -m fa_sweep "
# What makes the shell do more than to start one program.
SHELL = set("|&;<>$`*")

Run = Callable[[str], str]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def runs_something(page: Path) -> bool:
    return any(block.language in ("bash", "python") and not block.not_run for block in blocks(page.read_text(encoding="utf-8")))


PARAMETERS = [
    pytest.param(page, id=name_of(page), marks=[pytest.mark.slow] if page.name in SLOW else [])
    for page in PAGES
    if runs_something(page)
]


@pytest.fixture
def one_figure(monkeypatch) -> None:
    """Draw only the first figure of each report, which saves most of its time."""
    whole = report.draw_all
    monkeypatch.setattr(report, "draw_all", lambda *arguments: list(islice(whole(*arguments), 1)))


@pytest.fixture
def in_this_process(with_database: Path, one_figure: None, capfd: pytest.CaptureFixture[str], monkeypatch) -> Run:
    """A function that runs a command and returns what it prints. The program itself runs in this process, which saves time."""
    monkeypatch.chdir(with_database)
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))

    def run(line: str) -> str:
        words = shlex.split(line, comments=True)
        if not line.startswith(PROGRAM) or SHELL & set("".join(words)):
            return in_a_shell(line, with_database)
        capfd.readouterr()
        status = verb(*words[3:]) if words[3] in VERBS else entry.main(words[3:])
        printed = "".join(capfd.readouterr())
        assert not status, printed
        return printed

    return run


@pytest.fixture
def in_a_copy(with_database: Path, monkeypatch) -> Run:
    """A function that runs a command in a copy of the program, to which a page adds files, and returns what it prints."""
    monkeypatch.chdir(with_database)
    for name in ("fa_sweep", "conf", "hydra_plugins"):
        shutil.copytree(ROOT / name, with_database / name, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(with_database / "site"), str(with_database)]))
    return lambda line: in_a_shell(line, with_database)


def in_a_shell(line: str, folder: Path) -> str:
    """Run one line in a shell, and return what it prints."""
    done = subprocess.run(["bash", "-euc", line], cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def evaluate(text: str, names: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> str:
    """Run Python code as a notebook does: with the names of earlier blocks, and printing the value of its last expression."""
    capfd.readouterr()
    tree = ast.parse(text)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<page>", "exec"), names)  # noqa: S102  the documentation's own
    if last is not None:
        value = eval(compile(ast.Expression(last.value), "<page>", "eval"), names)  # noqa: S307  the documentation's own
        if value is not None:
            print(value)
    return "".join(capfd.readouterr())


def write_file(block: Block) -> None:
    """Write the file that a block shows. No page may replace a file that is there."""
    path = Path(block.file or "")
    assert not path.exists(), f"{path} is there already"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block.text, encoding="utf-8")
    if path.suffix == ".py":
        lint = [sys.executable, "-m", "ruff", "check", "--config", str(ROOT / "pyproject.toml"), "--ignore", "D103", str(path)]
        subprocess.run(lint, check=True, timeout=PATIENCE)


def missing_from_latex(block: Block) -> list[str]:
    """Return the files that a LaTeX document asks for and that are not there."""
    named = re.findall(r"\\(?:input|includegraphics(?:\[.*?\])?)\{(.*?)\}", block.text)
    assert named
    return [name for name in named if not (Path(block.file or "").parent / name).exists()]


@pytest.mark.parametrize("page", PARAMETERS)
def test_a_page(page, request, capfd):
    text = page.read_text(encoding="utf-8")
    run: Run = request.getfixturevalue("in_a_copy" if IN_A_COPY in text else "in_this_process")
    names: dict[str, Any] = {"__name__": "page"}
    printed: str | None = None
    for block in blocks(text):
        where = f"{name_of(page)}, line {block.line}"
        if block.file:
            write_file(block)
        elif block.language == "bash":
            printed = None if block.not_run else "".join(map(run, commands(block.text)))
        elif block.language == "python" and not block.not_run:
            printed = evaluate(block.text, names, capfd)
        elif block.language == "text" and printed is not None:
            assert shows(block.text, printed), f"{where}: printed was\n{printed}"
    for block in blocks(text):
        if block.language == "latex":
            assert missing_from_latex(block) == []


def all_blocks() -> Iterator[tuple[str, Block]]:
    for page in PAGES:
        yield from ((f"{name_of(page)}, line {block.line}", block) for block in blocks(page.read_text(encoding="utf-8")))


def test_every_block_says_what_it_is():
    assert [where for where, block in all_blocks() if block.language not in LANGUAGES] == []


def test_blocks_are_left_out_for_a_good_reason_only():
    assert [where for where, block in all_blocks() if block.not_run is not None and block.not_run not in REASONS] == []


def test_no_command_hides_in_another_block():
    hidden = [where for where, block in all_blocks() if block.language == "text" and f"\n{PROGRAM}" in f"\n{block.text}"]
    assert hidden == []


def test_what_a_page_says_is_compared_with_what_is_printed():
    printed = "one 1.25 s  \ntwo\nthree\nfour\n"
    assert shows("one ... s\ntwo\n", printed)
    assert shows("one ...\n...\nfour\n", printed)
    assert not shows("one 1.3 s\n", printed)
    assert not shows("two\nfour\n", printed)
    assert not shows("ne 1.25 s\n", printed)


def test_comments_replace_what_they_name():
    page = "<!-- test: 50 => 2 -->\n```bash\na 50 \\\n  b\n# c\n```\n\n`x/y.py`:\n\n```python\nz\n```\n"
    small, file = blocks(page)
    assert commands(small.text) == ["a 2 b"]
    assert (file.file, file.language, file.text, small.file) == ("x/y.py", "python", "z\n", None)
    with pytest.raises(ValueError, match="fits no block"):
        list(blocks("<!-- test: 51 => 2 -->\n```bash\na 50\n```\n"))
