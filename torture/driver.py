"""Runs each command in a forked process, because thousands of new interpreters would spend their time importing libraries.

This file is started as a program. It reads one command in JSON per line of its input. It answers each command with two lines:
the process's id, and, when the process has ended, its exit status. Only third-party libraries are imported here. Each forked
process imports fa_sweep itself, with `runpy`, as `python -m` does. Its modules, signal handlers and caches are therefore new
for every command.
"""

import sys

sys.path.pop(0)  # this file's own folder, so that the modules beside it are not imported in place of libraries

import gc
import importlib
import json
import os
import resource
import runpy
from contextlib import suppress
from typing import Any

LIBRARIES = (
    "numpy", "pyarrow.parquet", "scipy.stats", "hydra", "omegaconf", "rich.progress", "mlflow", "mlflow.tracking", "sqlalchemy",
    "mlflow.store.tracking.sqlalchemy_store", "mlflow.store.tracking.rest_store", "mlflow.store.db.utils", "pandas", "jinja2",
    "sklearn.datasets", "threadpoolctl",
)  # fmt: skip


def main() -> None:
    """Import the libraries, then run commands until the input ends."""
    for name in LIBRARIES:
        with suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # otherwise the collector of a forked process touches, and so copies, the memory of every object
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        command = json.loads(line)
        pid = os.fork()
        if pid == 0:
            answers.close()
            _become(command)
            runpy.run_module(command["module"], run_name="__main__", alter_sys=True)
            sys.exit(0)
        print(pid, file=answers, flush=True)
        _, ended = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(ended), file=answers, flush=True)


def _become(command: dict[str, Any]) -> None:
    """Give this process the session, output, folder, environment and arguments that a newly started command has."""
    os.setsid()
    for number, end in ((1, ".out"), (2, ".err")):
        file = os.open(command["log"] + end, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(file, number)
        os.close(file)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.chdir(command["cwd"])
    os.environ.update(command["environment"])
    resource.setrlimit(resource.RLIMIT_AS, (command["memory"], command["memory"]))
    sys.path.insert(0, command["cwd"])
    sys.argv = [command["module"], *command["arguments"]]


if __name__ == "__main__":
    main()
