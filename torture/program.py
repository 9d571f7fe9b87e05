"""Runs commands of the program under attack, watches them, and kills the processes that they leave."""

import json
import os
import queue
import resource
import select
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

MARKER = "FA_SWEEP_TORTURE"  # an environment variable that marks every process started here; its children inherit it
POLL_S = 0.005
MEMORY_BYTES = 4 * 2**30  # the limit of a command's address space, which protects the machine
_FOREIGN = ("MLFLOW_", "PG", "HYDRA_", "MPL", "PYTHONOPT", "PYTHONIO")


@dataclass(frozen=True)
class Ended:
    """A command that has ended.

    Attributes:
        status: the exit status. It is minus the signal's number if a signal ended the command, and None if the command took too
            long and was killed here.
        out: its standard output.
        err: its standard error.
        seconds: how long it took, without the time for which it waited for a core. Other work on the machine therefore does
            not count.
    """

    status: int | None
    out: str
    err: str
    seconds: float

    @property
    def said(self) -> str:
        """Everything that the command printed."""
        return f"{self.out}\n{self.err}"

    def lines(self, *words: str) -> list[str]:
        """Return the lines of standard error that contain any of the (lower-case) words. Without words: all non-empty lines."""
        lines = [line for line in self.err.replace("\r", "\n").splitlines() if line.strip()]
        return [line for line in lines if any(word in line.lower() for word in words)] if words else lines


@dataclass
class Started:
    """A running command in its own session. It writes into files, because a pipe stays open while orphans still hold it.

    Attributes:
        process: the command's first process.
        marker: the value of MARKER in the environment of all its processes.
        log: the path of its output files, without their suffixes .out and .err.
        since: when it was started, by the monotonic clock.
    """

    process: "subprocess.Popen[bytes]"
    marker: str
    log: Path
    since: float = field(default_factory=time.monotonic)
    delayed_s: float = 0.0
    """The seconds that the process has waited for a core so far."""

    def send(self, number: int, *, group: bool = False) -> bool:
        """Send a signal to the process or to its whole group. Return whether the process was still running."""
        if self.process.poll() is not None:
            return False
        if group:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)
        return True

    def ended(self) -> bool:
        """Whether the process has ended. This also updates `delayed_s`."""
        self.delayed_s = max(self.delayed_s, delay_of(self.process.pid))
        return self.process.poll() is not None

    def wait(self, limit: float) -> Ended:
        """Wait for the command to end. After `limit` seconds, not counting its waits for a core, kill all its processes."""
        deadline = time.monotonic() + limit
        while not self.ended() and time.monotonic() < deadline + self.delayed_s:
            time.sleep(POLL_S)
        status = self.process.poll()
        if status is None:
            end_all(self.marker)
            self.process.wait(10)
        return read_log(self.log, status, time.monotonic() - self.since - self.delayed_s)


def delay_of(pid: int) -> float:
    """Return the seconds that a process has waited for a core; 0 if the system does not report it."""
    with suppress(OSError, IndexError, ValueError):
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    return 0.0


def read_log(log: Path, status: int | None, seconds: float) -> Ended:
    """Return an ended command. Its output is read from the files `log` with the suffixes .out and .err."""
    out, err = (log.with_suffix(end).read_text(errors="replace") for end in (".out", ".err"))
    return Ended(status, out, err, seconds)


def left_over(marker: str) -> list[int]:
    """Return the ids of all processes with a given marker in their environment. Zombies do not count."""
    wanted = f"{MARKER}={marker}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return found


def end_all(marker: str) -> None:
    """Kill all processes with a given marker in their environment: a command, or all commands of a driver."""
    for _ in range(50):
        pids = left_over(marker)
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not pids:
            return
        time.sleep(0.02)


class Program:
    """The program under attack: `PYTHON -m fa_sweep` and `PYTHON -m analysis` of one installation.

    Args:
        python: the installation's interpreter.
    """

    def __init__(self, python: str = sys.executable) -> None:
        self.python = python
        self._idle: queue.SimpleQueue[Driver] = queue.SimpleQueue()
        self._drivers: list[Driver] = []
        self._lock = threading.Lock()

    def environment(self, marker: str, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment of a command: this process's own, without settings of MLflow, PostgreSQL, Hydra and others.

        Args:
            marker: the value of MARKER.
            extra: further variables.
        """
        own = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        return own | {"MLFLOW_DISABLE_TELEMETRY": "true", MARKER: marker} | dict(extra or {})

    def start(
        self, arguments: Sequence[str], cwd: Path, extra: Mapping[str, str] | None = None, module: str = "fa_sweep"
    ) -> Started:
        """Start a command in a new interpreter.

        Args:
            arguments: the command's arguments.
            cwd: its working folder. The output files are made beside this folder.
            extra: further environment variables.
            module: the module to run, `fa_sweep` or `analysis`.
        """
        marker = uuid.uuid4().hex
        log = cwd.parent / f"log-{marker}"
        with log.with_suffix(".out").open("wb") as out, log.with_suffix(".err").open("wb") as err:
            process = subprocess.Popen(
                [self.python, "-m", module, *arguments],
                cwd=cwd, env=self.environment(marker, extra), stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                start_new_session=True,
            )  # fmt: skip
        resource.prlimit(process.pid, resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        return Started(process, marker, log)

    def run(
        self,
        arguments: Sequence[str],
        cwd: Path,
        extra: Mapping[str, str] | None = None,
        module: str = "fa_sweep",
        limit: float = 120,
    ) -> Ended:
        """Run a command in a new interpreter, and kill it after `limit` seconds. See `start` for the arguments."""
        return self.start(arguments, cwd, extra, module).wait(limit)

    def quick(
        self,
        arguments: Sequence[str],
        cwd: Path,
        extra: Mapping[str, str] | None = None,
        module: str = "fa_sweep",
        limit: float = 30,
    ) -> Ended:
        """Run a command in a fork of a driver that has imported the libraries. This takes half as long as `run`."""
        driver = self._take()
        log = cwd.parent / f"log-{uuid.uuid4().hex}"
        command = {"module": module, "arguments": list(arguments), "cwd": str(cwd), "log": str(log)}
        status, seconds = driver.run(command, extra, limit)
        self._idle.put(driver)
        return read_log(log, status, seconds)

    def _take(self) -> "Driver":
        with suppress(queue.Empty):
            return self._idle.get_nowait()
        driver = Driver(self)
        with self._lock:
            self._drivers.append(driver)
        return driver

    def close(self) -> None:
        """Stop the drivers."""
        for driver in self._drivers:
            driver.close()


class Driver:
    """A process that has imported the program's libraries. It forks one process per command (see driver.py)."""

    def __init__(self, program: Program) -> None:
        self.marker = uuid.uuid4().hex
        self.process = subprocess.Popen(
            [program.python, str(Path(__file__).with_name("driver.py"))],
            env=program.environment(self.marker), stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
            start_new_session=True,
        )  # fmt: skip

    def run(self, command: Mapping[str, object], extra: Mapping[str, str] | None, limit: float) -> tuple[int | None, float]:
        """Run one command.

        Args:
            command: the module, arguments, working folder and log path, in the form that driver.py expects.
            extra: further environment variables.
            limit: the seconds after which the command is killed, not counting its waits for a core.

        Returns:
            The command's exit status (None if it was killed after the limit), and the seconds that it took.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        whole = {**command, "environment": dict(extra or {}), "memory": MEMORY_BYTES}
        self.process.stdin.write(json.dumps(whole).encode() + b"\n")
        pid = int(self._answer())
        started, delayed_s, in_time = time.monotonic(), 0.0, False
        while not in_time and time.monotonic() - started - delayed_s < limit:
            delayed_s = max(delayed_s, delay_of(pid))
            in_time = bool(select.select([self.process.stdout], [], [], POLL_S)[0])
        seconds = time.monotonic() - started - delayed_s
        if not in_time:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        status = int(self._answer())
        return (status if in_time else None), seconds

    def _answer(self) -> bytes:
        assert self.process.stdout is not None
        return self.process.stdout.readline()  # unbuffered: the next line stays in the pipe, where `select` sees it

    def close(self) -> None:
        """Stop the driver, and kill all processes that its commands left behind."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        end_all(self.marker)
        self.process.wait(5)
