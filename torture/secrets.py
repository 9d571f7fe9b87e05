"""Gives the program a password in every way in which a tracking URI can be given, and searches its output for the password.

The search covers everything that a command prints or writes.
"""

import base64
import json
import sqlite3
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Lock
from typing import ClassVar
from urllib.parse import quote, quote_plus

import pyarrow as pa
import pyarrow.parquet as pq

from torture.case import Common, Outcome, Task, traceback_in
from torture.program import Ended
from torture.stores import Server
from torture.truth import connect

SHORT = ["train.steps=61", "train.eval_every=20", "train.hold=1"]
SINGLE, SWEEP = ["seed=1", *SHORT], ["-m", "feedback=symmetric,random", "seed=1,2", *SHORT]
PLAIN, ODD = "Zq7vK9xS3cr3tBq", "Zq7v/K9@x:S3#cr?3t%&B q"
REFUSED = (["seed=x"], ["nosuch=1"], ["seed=["], ["--nosuch"], ["feedback=nosuch"], ["hydra.run.dir=/proc/x"], ["train.lr=${x"])
LIMIT_S = 120.0
HELD = {
    "override": "the password stands in no file, no table, no output, neither plain nor percent-encoded nor in base64",
    "configuration file": "likewise",
    "environment": "likewise",
    "message of an error": "likewise",
    "shown configuration": "likewise",
    "tracked on a server": "likewise, in the server's tables and artifacts too",
    "later command": "likewise",
}


@dataclass(frozen=True)
class Way:
    """One way to give a password to a command. Its texts may contain the placeholders {uri} and {password}.

    Attributes:
        kind: the row of the table that counts the case.
        arguments: the command's arguments.
        uri: the tracking URI. It contains {password}, and may contain {address}, the address of a real server.
        password: the password to plant.
        files: files to write first, by their path in the working folder.
        environment: further environment variables.
        module: the module to run.
        then: the arguments of a second command in the same folder, which does not get the password; empty for no such command.
    """

    kind: str
    arguments: Sequence[str]
    uri: str = "http://alice:{password}@127.0.0.1:1"
    password: str = PLAIN
    files: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    module: str = "fa_sweep"
    then: Sequence[str] = ()

    def filled(self, text: str, address: str) -> str:
        """Return a text with its placeholders filled. Inside the URI, the password is percent-encoded.

        Args:
            text: an argument, the content of a file or the value of an environment variable.
            address: host and port of the server that {address} stands for.
        """
        uri = self.uri.replace("{password}", quote(self.password, safe="")).replace("{address}", address)
        return text.replace("{uri}", uri).replace("{password}", self.password)


POSTGRES = "postgresql+psycopg://alice:{password}@127.0.0.1:1/db"
IN_QUERY = "postgresql+psycopg://127.0.0.1:1/db?user=alice&password={password}"
BY_TOKEN = "http://127.0.0.1:1/?token={password}"  # noqa: S105  planted
URIS = (
    POSTGRES,
    IN_QUERY,
    BY_TOKEN,
    "mysql+pymysql://alice:{password}@127.0.0.1:1/db",
    "sqlite:///outputs/own.db?password={password}",
)
UNPARSABLE = (
    "http://alice:{password}@[::1", "http://alice:{password}@127.0.0.1:port", "postgresql+psycopg:/alice:{password}@h/db",
    "postgresql://alice:{password}@127.0.0.1:99999999/db", "nosuch+driver://alice:{password}@h", "HTTP://alice:{password}@ /",
    "postgresql+psycopg://alice:{password}@127.0.0.1:1/db?sslpassword={password}&password", "alice:{password}@127.0.0.1",
)  # fmt: skip
GIVEN = 'tracking.uri="{uri}"'
OUTSIDE = {"MLFLOW_TRACKING_URI": "{uri}"}


def ways() -> list[Way]:
    """Return all ways to give a password."""
    return [*_overrides(), *_files(), *_environments(), *_messages(), *_shown(), *_tracked()]


def _overrides() -> list[Way]:
    given = [GIVEN, "tracking.uri='{uri}'", '++tracking.uri="{uri}"', "tracking.uri={uri}", 'tracking={uri:"{uri}"}']
    given += [
        '+tracking={uri:"{uri}",experiment:x,metrics:main,history:auto}',
        '+tracking.uri="{uri}"',
        'tracking@hydra.job="{uri}"',
    ]
    given += ['tracking.experiment="{uri}"', 'tracking.nosuch="{uri}"', 'hydra.job.env_set.MLFLOW_TRACKING_URI="{uri}"']
    loud = ["hydra/job_logging=default", "hydra/hydra_logging=default", "hydra.verbose=true"]
    found = [Way("override", [*SINGLE, text]) for text in given]
    found += [Way("override", [*SWEEP, text, "report=false"]) for text in given[:6]]
    found += [Way("override", [*SINGLE, GIVEN], uri, password) for uri in URIS for password in (PLAIN, ODD)]
    found += [Way("override", [*SWEEP, GIVEN, *more]) for more in ([], ["hydra/launcher=basic"], ["hydra.verbose=true"])]
    found += [Way("override", [*SINGLE, GIVEN, *loud]), Way("override", [*SWEEP, 'tracking.uri="{uri}","sqlite:///x.db"'])]
    return found


def _files() -> list[Way]:
    kind = "configuration file"
    added = {"own/tracking/mine.yaml": "uri: {uri}\nexperiment: x\nmetrics: main\nhistory: auto\n"}
    preset = {"own/experiment/mine.yaml": "# @package _global_\ntracking:\n  uri: {uri}\nseed: 4\n"}
    found = [Way(kind, ["--config-dir", "own", "tracking=mine", *rest], POSTGRES, files=added) for rest in (SINGLE, SWEEP)]
    command = ["--config-dir", "own", "+experiment=mine", *SHORT]
    return found + [Way(kind, command, uri, files=preset) for uri in (POSTGRES, BY_TOKEN)]


def _environments() -> list[Way]:
    found = [Way("environment", rest, uri, environment=OUTSIDE) for rest in (SINGLE, SWEEP) for uri in (POSTGRES, IN_QUERY)]
    own = {"OWN_URI": "{uri}", "OWN_PASSWORD": "{password}"}
    texts = ("tracking.uri=${oc.env:OWN_URI}", "tracking.uri=http://alice:${oc.env:OWN_PASSWORD}@127.0.0.1:1")
    found += [Way("environment", [*rest, text], environment=own) for text in texts for rest in (SINGLE, SWEEP)]
    login = {"MLFLOW_TRACKING_USERNAME": "alice", "MLFLOW_TRACKING_PASSWORD": "{password}", "PGPASSWORD": "{password}"}
    return [*found, Way("environment", [*SINGLE, "tracking.uri=http://127.0.0.1:1"], environment=login)]


def _messages() -> list[Way]:
    kind, whole = "message of an error", {"HYDRA_FULL_ERROR": "1"}
    found = [Way(kind, [GIVEN, *refused]) for refused in REFUSED]
    found += [Way(kind, ["-m", GIVEN, *refused, "seed=1,2"]) for refused in REFUSED[:3]]
    found += [Way(kind, [GIVEN, *refused], environment=whole) for refused in REFUSED[:3]]
    found += [Way(kind, [*SINGLE, GIVEN], uri) for uri in UNPARSABLE]
    asked = ["--experiment", "x", "--uri", "{uri}"]
    return found + [Way(kind, asked, uri, module="analysis") for uri in (*URIS, *UNPARSABLE[:3])]


def _shown() -> list[Way]:
    shown = [["--cfg", "job"], ["--cfg", "all"], ["--cfg", "hydra"], ["--cfg", "job", "--resolve"], ["--info", "all"]]
    shown += [["--info", "config"], ["--help"], ["--hydra-help"], ["dry_run=true"], ["--cfg", "job", "--package", "tracking"]]
    found = [Way("shown configuration", [GIVEN, *flags]) for flags in shown]
    return [*found, Way("shown configuration", ["--cfg", "job"], environment=OUTSIDE)]


def _tracked() -> list[Way]:
    kind, server, named = "tracked on a server", "http://alice:{password}@{address}", "tracking.experiment={experiment}"
    found = [Way(kind, [*rest, named, GIVEN], server, word) for rest in (SINGLE, SWEEP) for word in (PLAIN, ODD)]
    found += [Way(kind, [*SWEEP, named], server, environment=OUTSIDE)]
    return found + [Way("later command", [*rest, GIVEN], POSTGRES, then=["seed=9", *SHORT]) for rest in (SINGLE, SWEEP)]


@dataclass
class Secrets(Common):
    """About 100 ways to give a password."""

    name = "secrets"
    server: Server | None = None
    lock: Lock = field(default_factory=Lock)
    folder: Path = field(default_factory=Path)
    held: ClassVar[Mapping[str, str]] = HELD

    def prepare(self, folder: Path) -> None:
        """Note the folder for the server. The first task that needs the server starts it."""
        self.folder = folder

    def _server(self) -> Server:
        with self.lock:
            if self.server is None:
                self.server = Server(self.program, self.folder / "server")
            return self.server

    def tasks(self) -> Sequence[Task]:
        """Return one task per way."""
        all_ways = ways()
        self.random("order").shuffle(all_ways)
        return [self.task(number, partial(self._plant, way=way, number=number)) for number, way in enumerate(all_ways)]

    def _plant(self, folder: Path, way: Way, number: int) -> list[Outcome]:
        cwd, experiment = folder / "work", f"secrets {uuid.uuid4().hex}"
        cwd.mkdir(parents=True)
        address = self._server().address if "{address}" in way.uri else ""
        for name, text in way.files.items():
            (cwd / name).parent.mkdir(parents=True, exist_ok=True)
            (cwd / name).write_text(way.filled(text, address))
        arguments = [way.filled(text, address).replace("{experiment}", experiment) for text in way.arguments]
        environment = {name: way.filled(value, address) for name, value in way.environment.items()}
        run = self.program.run if number % 3 == 0 else self.program.quick
        ended = run(arguments, cwd, environment, way.module, limit=LIMIT_S)
        every = [ended, *([self.program.quick(way.then, cwd, limit=LIMIT_S)] if way.then else [])]
        problems = self._wrong(every, cwd, way)
        what = f"{way.module} {' '.join(way.arguments)}, {way.uri}".replace("{uri}", "URI")
        return [Outcome(way.kind, f"{what}{' by the environment' if way.environment else ''}", "; ".join(problems))]

    def _wrong(self, every: Sequence[Ended], cwd: Path, way: Way) -> list[str]:
        problems = ["hangs"] if any(ended.status is None for ended in every) else []
        if "HYDRA_FULL_ERROR" not in way.environment:
            problems += [found for ended in every if (found := traceback_in(ended.said))]
        needles = forms(way.password)
        for ended in every:
            problems += [
                f"printed: {line.strip()[:100]!r}" for line in ended.said.splitlines() if found_in(line.encode(), needles)
            ][:1]
        given = {cwd / name for name in way.files}
        places = [path for path in cwd.rglob("*") if path not in given]
        if way.kind == "tracked on a server":
            places += self._server().folder.rglob("*")
        kept = [str(path) for path in places if any(found_in(data, needles) for data in contents(path))]
        kept += [str(path) for path in places if found_in(str(path).encode(), needles)]
        return problems + ([f"kept in {', '.join(kept[:4])}"] if kept else [])

    def close(self) -> None:
        """Stop the server."""
        if self.server is not None:
            self.server.close()


def forms(password: str) -> list[bytes]:
    """Return a password in every form in which it may have been written: plain, escaped, percent-encoded or in base64."""
    texts = {
        password,
        quote(password, safe=""),
        quote(password),
        quote_plus(password),
        quote(quote(password, safe=""), safe=""),
    }
    texts |= {json.dumps(password)[1:-1], repr(password)[1:-1]}
    found = {text.encode() for text in texts}
    for data in (password.encode(), quote(password, safe="").encode()):
        # In base64, a password has three forms, depending on its position modulo 3. Both ends also depend on the
        # neighbouring bytes, so they are cut off.
        for before in (b"", b"a", b"ab", b"alice:"):
            found.add(base64.b64encode(before + data)[4 * ((len(before) + 2) // 3) : -4])
    return [form for form in found if len(form) >= 8]


def found_in(data: bytes, needles: Sequence[bytes]) -> bool:
    """Whether any of the forms occurs in the data."""
    return any(needle in data for needle in needles)


def contents(path: Path) -> Iterator[bytes]:
    """Yield the bytes of a file, and the columns of a Parquet file or the tables of an SQLite file as text.

    A plain search of the bytes would miss values that these formats compress or split. Links and folders yield nothing.
    """
    if not path.is_file() or path.is_symlink():
        return
    data = path.read_bytes()
    yield data
    if data[:4] == b"PAR1":
        with suppress(OSError, pa.ArrowException, ValueError):
            table = pq.ParquetFile(path).read()
            yield repr((table.to_pydict(), table.schema.metadata)).encode()
    if data[:15] == b"SQLite format 3":
        with suppress(sqlite3.Error), closing(connect(path)) as tables:
            names = [name for (name,) in tables.execute("select name from sqlite_master where type = 'table'")]
            for name in names:
                yield repr(tables.execute(f'select * from "{name}"').fetchall()).encode()  # noqa: S608  names of the file itself
