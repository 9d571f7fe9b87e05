"""Runs command lines in forked processes: thousands of starts would spend their time on importing libraries.

Run as a program. Each line of its input is a command in JSON, each command is answered by two lines: the process's id and, at
its end, its exit status. Only libraries of others are imported here; the program itself is imported by each forked process,
by `runpy` as `python -m` does, so that its own imports, its signal handlers and its caches are new for every command.
"""

import sys

sys.path.pop(0)  # this file's own folder: its neighbours are no libraries

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
    """Answer until the input ends."""
    for name in LIBRARIES:
        with suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # a forked process would copy the memory of every object that its collector touches
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
    """Make this process what a newly started command would be."""
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
