"""Commands in processes of their own, and what the system knows of them."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from support.waiting import PATIENCE


def line(*arguments: str, **constants: float) -> list[str]:
    """The command line with these arguments, in this environment; `constants`: times of the executor that is asked for."""
    if not constants:
        return [sys.executable, "-m", "fa_sweep", *arguments]
    executor = next(a.partition("=")[2] for a in arguments if a.startswith("hydra.launcher.executor="))
    lines = [f"import sys, fa_sweep.sweep.executors.{executor} as executor", "from fa_sweep.cli.entry import main"]
    lines += [f"executor.{name} = {value}" for name, value in constants.items()]
    return [sys.executable, "-c", "; ".join([*lines, "sys.argv[0] = 'fa_sweep'", "sys.exit(main())"]), *arguments]


@contextlib.contextmanager
def started(
    arguments: list[str], folder: Path, environment: Mapping[str, str] | None = None, **more: Any
) -> Iterator["subprocess.Popen[str]"]:
    """A command at work in a folder, in a session of its own; both its streams in one. Nothing of it is left afterwards."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT} | more
    process = subprocess.Popen(
        arguments, cwd=folder, env={**os.environ, **(environment or {})}, text=True, start_new_session=True, **streams
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in filter(None, (process.stdout, process.stderr)):
            stream.close()


def finished(
    arguments: list[str], folder: Path, environment: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """A command that is over, whatever became of it."""
    whole = {**os.environ, **(environment or {})}
    return subprocess.run(arguments, cwd=folder, env=whole, capture_output=True, text=True, timeout=PATIENCE, check=False)


def descendants(pid: int) -> list[int]:
    """Children, and theirs."""
    found = []
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            found += [int(child), *descendants(int(child))]
    return found


def state(pid: int) -> str:
    """R for running, S for asleep, Z for dead and not yet buried; nothing for one that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def is_gone(pid: int) -> bool:
    """Whether a process has ended, buried or not."""
    return state(pid) in ("", "Z", "X")
