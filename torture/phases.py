"""Recognises from outside which phase a command is in, and measures how long each phase of an undisturbed command takes."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torture.program import POLL_S, Program, Started

PHASES = ("imports", "composing", "training", "shards", "database", "import", "report", "ending")
SIGTERM_BIT = 1 << 14


@dataclass
class Watch:
    """Tells which phases a command has reached, mostly by the files that have been made or changed since the watch began."""

    cwd: Path
    started: Started
    composing_s: float
    """When the command begins to compose its jobs, in seconds after its start. The caller states it, as no file shows it."""
    before: frozenset[Path] = field(init=False)
    database: tuple[int, int] | None = field(init=False)

    def __post_init__(self) -> None:
        self.before, self.database = frozenset(self._folders()), self._database()

    def _folders(self) -> list[Path]:
        return [*self.cwd.glob("outputs/sweeps/*"), *self.cwd.glob("outputs/runs/*")]

    @property
    def folder(self) -> Path | None:
        """The folder of the sweep or single run that this command made; None if there is none yet."""
        return next((folder for folder in self._folders() if folder not in self.before), None)

    def begun(self, phase: str) -> bool:
        """Whether the command has begun a phase."""
        if phase == "imports":
            return catches_sigterm(self.started.process.pid)
        if phase == "composing":
            return time.monotonic() - self.started.since >= self.composing_s
        if phase == "database":  # either the database or the temporary file that is later renamed to it
            return any("mlflow" in path.name and path.suffix != ".lock" for path in self.cwd.glob("outputs/*"))
        if phase == "import":
            return self._database() not in (None, self.database)
        folder = self.folder
        if folder is None:
            return False
        seen: dict[str, Callable[[Path], bool]] = {
            "training": lambda folder: (folder / "jobs.parquet").exists(),
            "shards": lambda folder: any((folder / "shards").glob("*")),
            "report": lambda folder: (folder / "tracked.json").exists(),
            "ending": lambda folder: (self.cwd / "outputs/reports" / folder.name / "report.html").exists(),
        }
        return seen[phase](folder)

    def _database(self) -> tuple[int, int] | None:
        """Return the database's time of modification (ns) and size (bytes); None if there is no database."""
        try:
            found = (self.cwd / "outputs/mlflow.db").stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size

    def wait_for(self, phase: str, limit: float) -> bool:
        """Wait until a phase has begun. Return False if the command ends first, or after `limit` seconds."""
        deadline = time.monotonic() + limit
        while not self.started.ended() and time.monotonic() < deadline:
            if self.begun(phase):
                return True
            time.sleep(POLL_S)
        return False


def catches_sigterm(pid: int) -> bool:
    """Whether a process has a handler for SIGTERM, which shows that the program's first lines have run."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    caught = next((line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")), "0")
    return bool(int(caught, 16) & SIGTERM_BIT)


def measure(program: Program, arguments: Sequence[str], cwd: Path) -> Mapping[str, float]:
    """Run a command undisturbed, and return how long each phase lasts.

    Args:
        program: the program under attack.
        arguments: the command's arguments.
        cwd: a new working folder.

    Returns:
        The seconds of each phase that the command was seen to reach, in the order in which the phases began.

    Raises:
        RuntimeError: if the command fails.
    """
    refused = cwd.parent / "refused"
    refused.mkdir()
    composing_s = program.run(["seed=x"], refused).seconds
    started = program.start(arguments, cwd)
    watch, begins = Watch(cwd, started, composing_s), {"imports": 0.0}
    while not started.ended():
        for phase in PHASES[1:]:
            if phase not in begins and watch.begun(phase):
                begins[phase] = time.monotonic() - started.since
        time.sleep(POLL_S)
    ended = started.wait(1)
    if ended.status != 0:
        raise RuntimeError(f"undisturbed, {' '.join(arguments)} ended with {ended.status}: {ended.err}")
    moments = sorted(begins.items(), key=lambda item: item[1])
    ends = [moment for _, moment in moments[1:]] + [ended.seconds + started.delayed_s]
    return {phase: end - begin for (phase, begin), end in zip(moments, ends, strict=True)}
