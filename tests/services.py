"""Servers for tests: on loopback, on free ports, ended by their own process groups."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

POSTGRES = max((str(p.parent) for p in Path("/usr/lib/postgresql").glob("*/bin/initdb")), default=None)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def end(process: "subprocess.Popen[bytes]", how: int = signal.SIGTERM) -> None:
    """End a process that was started in a session of its own, with its children and nothing else."""
    os.killpg(process.pid, how)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)


def wait_for(ready: Callable[[], bool], what: str, seconds: float = 120) -> None:
    """Wait until something is there."""
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, f"{what} does not start"
        time.sleep(0.2)


def answers(url: str) -> bool:
    """Whether a web server does."""
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except OSError:
        return False
    return True


@contextmanager
def mlflow_server(store: str, artifacts: Path) -> Iterator[str]:
    """Serve a store; yields the address."""
    port = free_port()
    command = ["-m", "mlflow", "server", "--backend-store-uri", store, "--artifacts-destination", str(artifacts)]
    process = subprocess.Popen(
        [sys.executable, *command, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        wait_for(lambda: answers(f"http://127.0.0.1:{port}/health"), "mlflow server")
        yield f"http://127.0.0.1:{port}"
    finally:
        end(process)


@contextmanager
def postgres() -> Iterator[str]:
    """Run a PostgreSQL of one's own; yields the URI of an empty database."""
    # It refuses to be root.
    who = pwd.getpwnam("postgres") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    os.chown(folder, who.pw_uid, who.pw_gid)
    port = free_port()
    as_who = {"cwd": folder, "user": who.pw_uid, "group": who.pw_gid} if os.getuid() == 0 else {"cwd": folder}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    init = [f"{POSTGRES}/initdb", "--pgdata", "data", "--username", "tester", "--auth", "trust", "--no-sync"]
    subprocess.run(init, check=True, timeout=120, **as_who, **quiet)  # type: ignore[call-overload]
    serve = [f"{POSTGRES}/postgres", "-D", "data", "-p", str(port), "-k", str(folder), "-c", "listen_addresses=127.0.0.1"]
    process = subprocess.Popen(serve, start_new_session=True, **as_who, **quiet)  # type: ignore[call-overload]
    try:
        connect = [f"{POSTGRES}/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
        wait_for(lambda: subprocess.run(connect, check=False).returncode == 0, "postgres")
        yield f"postgresql+psycopg://tester@127.0.0.1:{port}/postgres"
    finally:
        end(process, signal.SIGINT)  # its fast shutdown: whoever is still connected is cut off
        shutil.rmtree(folder, ignore_errors=True)
