"""The files that the Markdown documents link to or name exist."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from support.places import ROOT

# Pages that exist on the site only; `docs.hooks.reference` makes them.
ON_THE_SITE = {ROOT / "docs/reference" / f"{name}.md" for name in ("settings", "command-line", "python")}
# `make findings` writes these files, and tests of their own check them.
GENERATED = ROOT / "analysis/findings"
# The guides tell readers to create these files.
EXAMPLES = {"fa_sweep/feedback/shrunk.py", "conf/feedback/shrunk.yaml", "fa_sweep/tasks/majority.py", "conf/task/majority.yaml"}
PLACEHOLDER = "NAME"
# CHANGELOG.md also names files of earlier versions.
HISTORIES = {"CHANGELOG.md"}
CODE_BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)[^)]*\)")
NAMED = re.compile(r"`((?:fa_sweep|hydra_plugins|tests|torture|benchmarks|conf|docs|analysis)/[\w./-]*)`")


def documents() -> list[Path]:
    """Return all Markdown files that git tracks, apart from the generated ones. Skip the test if this is not a checkout."""
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z", "*.md"], capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("git does not know this folder")
    return [path for name in listed.stdout.split("\0") if name and not (path := ROOT / name).is_relative_to(GENERATED)]


def missing_links(text: str, folder: Path) -> Iterator[str]:
    """Yield the relative links of a document that lead to no file. `folder` is the folder that the document is in."""
    for target in LINK.findall(CODE_BLOCK.sub("", text)):
        path = unquote(target.partition("#")[0])
        if not path or re.match(r"[a-z]+:", target):
            continue
        if not (folder / path).exists() and (folder / path).resolve() not in ON_THE_SITE:
            yield target


def missing_names(text: str) -> Iterator[str]:
    """Yield the paths in backticks that do not exist. They are relative to the root of the repository."""
    for name in NAMED.findall(text):
        if name not in EXAMPLES and PLACEHOLDER not in name and not (ROOT / name).exists():
            yield name


def test_relative_links_lead_to_files():
    found = documents()
    assert ROOT / "README.md" in found
    assert [(path.name, link) for path in found for link in missing_links(path.read_text(encoding="utf-8"), path.parent)] == []


def test_named_files_exist():
    found = [path for path in documents() if path.name not in HISTORIES]
    assert [(path.name, name) for path in found for name in missing_names(path.read_text(encoding="utf-8"))] == []


def test_the_check_notices_a_missing_file():
    text = "[a](nowhere.md) ![b](docs/none.png) [c](README.md#top) [d](#here) [e](https://x.org/y)\n```\n[f](code.md)\n```\n"
    assert list(missing_links(text, ROOT)) == ["nowhere.md", "docs/none.png"]
    assert list(missing_names("`fa_sweep/none.py`, `tests/test_documents.py`, `fa_sweep/feedback/`")) == ["fa_sweep/none.py"]
