"""Runs each command in a forked process, because a new interpreter would spend half its time importing libraries.

This file is started as a program. Each line of its input is one command in JSON. It answers each command with two lines: first
the id of the forked process, and, when that process has ended, its exit status. The driver imports only third-party libraries.
Each forked process imports fa_sweep itself, with `runpy`, as `python -m` does. The modules, signal handlers and caches of
fa_sweep are therefore new for every command.
"""

import sys

sys.path.pop(0)  # remove this file's folder, so that the modules in it are not imported in place of libraries

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
    gc.freeze()  # otherwise the garbage collector of each forked process touches every object, and so copies its memory
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
