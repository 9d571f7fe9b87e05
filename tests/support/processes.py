"""Starts commands as subprocesses, and asks the system about processes."""

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
    """Return the command that runs fa_sweep with these arguments.

    Args:
        arguments: Arguments of the command line.
        constants: Module constants, such as waiting times, to override in the executor that the arguments choose.
    """
    if not constants:
        return [sys.executable, "-m", "fa_sweep", *arguments]
    executor = next(a.partition("=")[2] for a in arguments if a.startswith("hydra.launcher.executor="))
    lines = [f"import sys, fa_sweep.sweeping.executors.{executor} as executor", "from fa_sweep.cli.entry import main"]
    lines += [f"executor.{name} = {value}" for name, value in constants.items()]
    return [sys.executable, "-c", "; ".join([*lines, "sys.argv[0] = 'fa_sweep'", "sys.exit(main())"]), *arguments]


@contextlib.contextmanager
def started(
    arguments: list[str], folder: Path, environment: Mapping[str, str] | None = None, **more: Any
) -> Iterator["subprocess.Popen[str]"]:
    """Start a command in a folder, yield its process, and kill its whole process group at the end of the block.

    Args:
        arguments: The command.
        folder: Its working folder.
        environment: Variables to add to the environment.
        more: Further arguments of Popen; by default standard output and standard error share one pipe.
    """
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
    """Run a command in a folder to its end and return the outcome, whatever its status."""
    whole = {**os.environ, **(environment or {})}
    return subprocess.run(arguments, cwd=folder, env=whole, capture_output=True, text=True, timeout=PATIENCE, check=False)


def descendants(pid: int) -> list[int]:
    """List the ids of a process's children, their children and so on."""
    found = []
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            found += [int(child), *descendants(int(child))]
    return found


def state(pid: int) -> str:
    """Return a process's state letter (R running, S sleeping, Z zombie), or "" if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def is_gone(pid: int) -> bool:
    """Whether a process has ended, even if its parent has not collected it yet."""
    return state(pid) in ("", "Z", "X")
