"""Imports runs to a tracking server many times, each time with a fault in another request.

In the end, every run must be in the store once, under a parent that is FINISHED.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import ClassVar

from torture.case import Common, Outcome, Task, traceback_in
from torture.program import Ended, Program, end_all
from torture.proxy import FAULTS, Proxy
from torture.truth import Truth, content, ledger, stored, tracked_in, wrong_in_store

SWEEP = ["-m", "feedback=symmetric,random", "seed=0,1", "train.steps=61", "train.eval_every=20", "train.hold=1", "report=false"]
PER_TASK = 15
LIMIT_S = 60.0
HELD = dict.fromkeys(FAULTS, "every run once, its parent FINISHED, nothing RUNNING, after at most two more of the same command")
HELD |= {"silent": "ended within 45 s, which it says; every run once, its parent FINISHED, after the same command"}


@dataclass
class Server:
    """An `mlflow server` with a database of its own, and a proxy in front of it. Both start when the object is made.

    Attributes:
        program: the program under attack, whose installation runs the server.
        folder: a new folder for the database and the artifacts.
        marker: the value of MARKER in the environment of the server's processes.
    """

    program: Program
    folder: Path
    marker: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        self.database, port = self.folder / "server.db", free_port()
        self.address = f"127.0.0.1:{port}"
        command = [self.program.python, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{self.database}"]
        command += ["--artifacts-destination", str(self.folder / "artifacts"), "--host", "127.0.0.1", "--port", str(port)]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        environment = self.program.environment(self.marker, {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"})
        self.process = subprocess.Popen([*command, "--workers", "1"], env=environment, start_new_session=True, **quiet)  # type: ignore[call-overload]
        self.proxy = Proxy(port)
        deadline = time.monotonic() + 180
        while not answers(f"http://127.0.0.1:{port}/health"):
            assert time.monotonic() < deadline, "mlflow server does not start"
            time.sleep(0.2)

    def close(self) -> None:
        """Stop the server and the proxy."""
        self.proxy.close()
        os.killpg(self.process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        end_all(self.marker)


@dataclass
class Stores(Common):
    """Plants each of eight faults in each request of an import, and also tries a server that never answers."""

    name = "stores"
    folder: Path = field(default_factory=Path)
    servers: list[Server] = field(default_factory=list)
    idle: "SimpleQueue[Server]" = field(default_factory=SimpleQueue)
    requests: int = 0
    trained: Path = field(default_factory=Path)
    truth: Truth = field(default_factory=lambda: Truth({}, {}))
    held: ClassVar[Mapping[str, str]] = HELD

    def prepare(self, folder: Path) -> None:
        """Train the sweep, start a server, and note the results and the number of requests of an undisturbed import."""
        self.folder, self.trained = folder, folder / "trained/work"
        self.trained.mkdir(parents=True)
        done = self.program.run(SWEEP, self.trained)
        assert done.status == 0, done.err
        undisturbed, server = folder / "undisturbed/work", self._take()
        shutil.copytree(self.trained, undisturbed, symlinks=True)
        server.proxy.arm()
        done = self._import(server, undisturbed, "undisturbed")
        assert done.status == 0, done.err
        self.requests = server.proxy.count
        self.idle.put(server)
        runs = [run for run in stored(server.database) if "fa_sweep.run_id" in run.tags]
        self.truth = Truth(dict(ledger(self.trained / "outputs")), {run.tags["fa_sweep.run_id"]: content(run) for run in runs})

    def tasks(self) -> Sequence[Task]:
        """Return tasks of PER_TASK faults each, and the task with the server that never answers."""
        pairs = [(fault, at) for at in range(1, self.requests + 1) for fault in FAULTS]
        self.random("order").shuffle(pairs)
        groups = [pairs[start : start + PER_TASK] for start in range(0, len(pairs), PER_TASK)]
        tasks = [self.task(number, partial(self._faults, pairs=group)) for number, group in enumerate(groups)]
        return [*tasks[:3], self.task(len(tasks), self._silent), *tasks[3:]]

    def _take(self) -> Server:
        """Return a server that no other task uses. It is started if all others are in use."""
        with suppress(Empty):
            return self.idle.get_nowait()
        server = Server(self.program, self.folder / f"server-{uuid.uuid4().hex[:6]}")
        self.servers.append(server)
        return server

    def _faults(self, folder: Path, pairs: list[tuple[str, int]]) -> list[Outcome]:
        server, outcomes = self._take(), []
        try:
            for fault, at in pairs:
                cwd, experiment = folder / f"{fault}-{at}" / "work", f"{fault} at {at} {uuid.uuid4().hex[:6]}"
                shutil.copytree(self.trained, cwd, symlinks=True)
                server.proxy.arm(fault, at)
                first = self._import(server, cwd, experiment)
                struck = server.proxy.struck
                server.proxy.arm()
                if struck:
                    outcomes.append(Outcome(fault, f"at request {at}", self._wrong(server, cwd, experiment, first)))
        finally:
            self.idle.put(server)
        return outcomes

    def _wrong(self, server: Server, cwd: Path, experiment: str, first: Ended) -> str:
        """Return what is wrong in the store. While the command reports a failed import, run it again first, at most twice."""
        if wrong := traceback_in(first.said) or ("" if first.status is not None else "the first command hangs"):
            return wrong
        again = 0
        while "did not take" in first.said + first.err and again < 2:  # the program tells the user to run the command again
            first, again = self._import(server, cwd, experiment), again + 1
            if wrong := traceback_in(first.said):
                return wrong
        runs = tracked_in(stored(server.database), experiment)
        problems = wrong_in_store(runs, self.truth) if runs else ["nothing is there"]
        return "; ".join(problems)

    def _silent(self, folder: Path) -> list[Outcome]:
        """Import to a port that accepts connections but never answers, and then to a real server."""
        server, cwd = self._take(), folder / "work"
        shutil.copytree(self.trained, cwd, symlinks=True)
        try:
            with socket.socket() as deaf:
                deaf.bind(("127.0.0.1", 0))
                deaf.listen(50)
                uri = f"tracking.uri=http://127.0.0.1:{deaf.getsockname()[1]}"
                first = self.program.run([*SWEEP, uri, "tracking.experiment=silent"], cwd, limit=90)
            problems = [found] if (found := traceback_in(first.said)) else []
            if first.seconds > 45:
                problems.append(f"took {first.seconds:.0f} s")
            self._import(server, cwd, "silent")
            runs = tracked_in(stored(server.database), "silent")
            problems += wrong_in_store(runs, self.truth)
        finally:
            self.idle.put(server)
        return [Outcome("silent", "a port that accepts and never answers", "; ".join(problems))]

    def _import(self, server: Server, cwd: Path, experiment: str) -> Ended:
        target = [f"tracking.uri={server.proxy.address}", f"tracking.experiment={experiment}"]
        return self.program.quick([*SWEEP, *target], cwd, limit=LIMIT_S)

    def close(self) -> None:
        """Stop the servers."""
        for server in self.servers:
            server.close()


def free_port() -> int:
    """Return a free port of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def answers(url: str) -> bool:
    """Whether a web server answers at a URL."""
    try:
        urllib.request.urlopen(url, timeout=5).close()  # noqa: S310  a server of our own
    except OSError:
        return False
    return True
