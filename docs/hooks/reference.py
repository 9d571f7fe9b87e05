"""The generated pages of the reference: settings, command line, Python."""

import importlib
import inspect
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import fa_sweep
from docs.hooks.settings import Setting, sections
from fa_sweep import _HOMES
from fa_sweep.cli.verbs import VERBS

ROOT = Path(__file__).resolve().parents[2]

GENERATED = "This page is generated from the program."


def pages() -> dict[str, str]:
    """Return the text of each generated page, by its place on the site."""
    return {
        "reference/settings.md": settings_page(),
        "reference/command-line.md": command_line_page(),
        "reference/python.md": python_page(),
    }


def settings_page() -> str:
    """Return the page that lists all settings."""
    text = [
        "# Settings",
        f"{GENERATED} A setting is written as `name=value`, and `group=option` chooses a whole file of settings in `conf/`. "
        "A sweep (`-m`) also takes `name=a,b` and `'name=range(10)'`. Without a range, every value of the type is allowed.",
    ]
    for section in sections():
        text += [f"## {section.title}", section.intro, *map(_entry, section.settings)]
    return "\n\n".join(part for part in text if part) + "\n"


def _entry(setting: Setting) -> str:
    facts = [setting.kind, f"allowed: {setting.allowed}"] if setting.allowed else [setting.kind]
    if setting.allowed.startswith("one of "):
        facts = [setting.allowed]
    if setting.default is not None:
        facts.append(f"default: {setting.default}")
    return f"**`{setting.name}`** ({'; '.join(facts)})  \n{setting.meaning[:1].upper()}{setting.meaning[1:]}"


def command_line_page() -> str:
    """Return the page that shows the help of the program and of each of its verbs."""
    text = [
        "# Command line",
        f"{GENERATED} `fa-sweep` is the same as `python -m fa_sweep`. The exit status is 0 for success, 1 if runs failed or "
        "are missing, 2 if the command was refused, 130 after Ctrl-C and 143 after SIGTERM.",
        "## Training",
        "Without a verb, the command trains a run or, with `-m`, a sweep.",
        # The settings that the help ends with have a page of their own.
        _block(_help().partition("== Settings")[0].strip()),
    ]
    for verb in VERBS:
        text += [f"## `{verb}`", _block(_help(verb))]
    return "\n\n".join(text) + "\n"


def _help(*words: str) -> str:
    """Return what the program prints for `--help`, as in a terminal of 100 columns without colours."""
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "fa_sweep", *words, "--help"]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _block(text: str) -> str:
    return f"```text\n{text}\n```"


def python_page() -> str:
    """Return the page of the Python interface: each public name, from its docstring."""
    classes = [name for name in fa_sweep.__all__ if inspect.isclass(getattr(fa_sweep, name))]
    errors = [name for name in classes if issubclass(getattr(fa_sweep, name), Exception)]
    others = [name for name in fa_sweep.__all__ if name not in classes]
    text = [
        "# Python",
        f"{GENERATED} Everything here is imported from `fa_sweep` itself and is loaded when it is first used.",
    ]
    for title, names in (
        ("Functions", others),
        ("Classes", [name for name in classes if name not in errors]),
        ("Errors", errors),
    ):
        text.append(f"## {title}")
        text += [f"::: {home(name)}.{name}\n    options:\n      heading_level: 3" for name in sorted(names)]
    text += ["## Columns of `sweeps()`", "::: fa_sweep.results.listing.Listed\n    options:\n      heading_level: 3"]
    plans = ("Plan", "Need")
    text += ["## Plans", *(f"::: fa_sweep.results.plans.{name}\n    options:\n      heading_level: 3" for name in plans)]
    text += ["## Queries", "::: fa_sweep.results.query\n    options:\n      members: false\n      heading_level: 3"]
    return "\n\n".join(text) + "\n"


def home(name: str) -> str:
    """Return the module in which a public name is defined."""
    return str(getattr(importlib.import_module(_HOMES[name]), name).__module__)
