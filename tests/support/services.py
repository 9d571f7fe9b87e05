"""Starts servers for tests on free loopback ports and ends their process groups; `INSTALLED` tells which ones are available."""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from support.waiting import PATIENCE, until

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
POSTGRES = max((str(p.parent) for p in Path("/usr/lib/postgresql").glob("*/bin/initdb")), default=None)

INSTALLED: dict[str, Callable[[], bool]] = {
    "chromium": lambda: CHROMIUM is not None,
    "dask": lambda: find_spec("distributed") is not None,
    "mlflow": lambda: find_spec("mlflow") is not None,
    "postgresql": lambda: POSTGRES is not None,
    "slurm": lambda: os.getuid() == 0 and all(map(shutil.which, ("slurmctld", "slurmd", "munged"))),
}


def free_port() -> int:
    """Return a port that nobody listens on. Until this process ends, no other process of the tests gets the same port.

    Ports are chosen below the range from which the system serves outgoing connections.
    """
    while True:
        port = 10_000 + secrets.randbelow(20_000)
        mark = socket.socket(socket.AF_UNIX)
        try:
            mark.bind(f"\0fa_sweep tests: port {port}")
            with socket.socket() as free:
                free.bind(("127.0.0.1", port))
        except OSError:
            mark.close()
            continue
        _MARKS.append(mark)
        return port


_MARKS: list[socket.socket] = []


@contextmanager
def closed_port() -> Iterator[int]:
    """Yield a port that refuses connections for as long as the block runs."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


def end(process: "subprocess.Popen[bytes]", how: int = signal.SIGTERM) -> None:
    """End the process group of a process that leads its own session: the process and its children, and nothing else."""
    os.killpg(process.pid, how)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def answers(process: "subprocess.Popen[bytes]", url: str) -> bool:
    """Whether a web server answers at `url`; fails the test if the server's process has ended."""
    assert process.poll() is None, f"the server at {url} has ended"
    try:
        urllib.request.urlopen(url, timeout=30).close()
    except OSError:
        return False
    return True


@contextmanager
def mlflow_server(store: str, artifacts: Path) -> Iterator[str]:
    """Run an MLflow server over a store and yield its address."""
    port = free_port()
    command = ["-m", "mlflow", "server", "--backend-store-uri", store, "--artifacts-destination", str(artifacts)]
    # Otherwise the server starts seven more processes for jobs such as evaluations, which no test asks for.
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    process = subprocess.Popen(
        [sys.executable, *command, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        until(lambda: answers(process, f"http://127.0.0.1:{port}/health"), "mlflow server")
        yield f"http://127.0.0.1:{port}"
    finally:
        end(process)


@contextmanager
def postgres() -> Iterator[str]:
    """Run a temporary PostgreSQL server and yield the URI of an empty database."""
    # PostgreSQL refuses to run as root.
    who = pwd.getpwnam("postgres") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    os.chown(folder, who.pw_uid, who.pw_gid)
    port = free_port()
    as_who = {"cwd": folder, "user": who.pw_uid, "group": who.pw_gid} if os.getuid() == 0 else {"cwd": folder}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    init = [f"{POSTGRES}/initdb", "--pgdata", "data", "--username", "tester", "--auth", "trust", "--no-sync"]
    subprocess.run(init, check=True, timeout=PATIENCE, **as_who, **quiet)  # type: ignore[call-overload]
    serve = [f"{POSTGRES}/postgres", "-D", "data", "-p", str(port), "-k", str(folder), "-c", "listen_addresses=127.0.0.1"]
    process = subprocess.Popen(serve, start_new_session=True, **as_who, **quiet)  # type: ignore[call-overload]
    try:
        connect = [f"{POSTGRES}/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
        until(lambda: subprocess.run(connect, check=False).returncode == 0, "postgres")
        yield f"postgresql+psycopg://tester@127.0.0.1:{port}/postgres"
    finally:
        end(process, signal.SIGINT)  # PostgreSQL's fast shutdown: it disconnects all clients
        shutil.rmtree(folder, ignore_errors=True)


SLURM_CONF = """
ClusterName=t
SlurmctldHost={host}(127.0.0.1)
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmctldPort={controller}
SlurmdPort={node}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
SlurmUser=root
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
KillWait=1
MessageTimeout=100
TCPTimeout=60
SlurmdTimeout=0
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=1000 State=UNKNOWN
PartitionName=p Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


@contextmanager
def slurm() -> Iterator[dict[str, str]]:
    """Run SLURM with one node, and munge; yield the environment that SLURM's commands and their callers need."""
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    folder.chmod(0o755)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    host = socket.gethostname().split(".")[0]
    conf = folder / "slurm.conf"
    conf.write_text(SLURM_CONF.format(host=host, folder=folder, controller=free_port(), node=free_port()))
    environment = {**os.environ, "SLURM_CONF": str(conf)}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}

    def idle() -> bool:
        said = subprocess.run(["sinfo", "-h", "-o", "%T"], env=environment, capture_output=True, text=True, check=False)
        return said.stdout.strip() == "idle"

    started = [_munge(folder / "munge", quiet)]
    try:
        until((folder / "munge/socket").exists, "munged")
        for daemon in ("slurmctld", "slurmd"):
            started.append(subprocess.Popen([daemon, "-D", "-f", str(conf)], env=environment, **quiet))  # type: ignore[call-overload]
        until(idle, "slurm")
        yield environment
        subprocess.run(["scancel", "--full", "--signal", "KILL", "--user", "root"], env=environment, check=True)
        until(idle, "the end of SLURM's tasks, which the end of its daemons would not be")
    finally:
        for process in reversed(started):
            end(process)
        shutil.rmtree(folder, ignore_errors=True)


def _munge(folder: Path, quiet: dict[str, Any]) -> "subprocess.Popen[bytes]":
    """Start munged, by which SLURM's daemons authenticate each other, with a new key and as the user `munge`."""
    who = pwd.getpwnam("munge")
    folder.mkdir(mode=0o711)
    key = folder / "key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    for path in (folder, key):
        os.chown(path, who.pw_uid, who.pw_gid)
    files = [f"--{name}={folder}/{file}" for name, file in MUNGE_FILES.items()]
    return subprocess.Popen(["munged", "-F", *files], user=who.pw_uid, group=who.pw_gid, **quiet)


MUNGE_FILES = {"key-file": "key", "socket": "socket", "pid-file": "pid", "seed-file": "seed", "log-file": "log"}
