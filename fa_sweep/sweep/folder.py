"""A sweep's folder: its job table, its record, its shards, and what became of it.

jobs.parquet     every job with its run id, factors, overrides and resolved settings, reused ones included
sweep.json       command line, time, tracking target, environment
multirun.yaml    Hydra's own configuration of the sweep
shards/          histories of the runs that this sweep trained
failures.json    runs that ended in an error
tracked.json     written when MLflow has all of it

Sweeps lie in outputs/sweeps, single runs in outputs/runs; there is a link in the former to those that lie elsewhere.
"""

import os
import platform
import secrets
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

try:
    from fcntl import LOCK_EX, LOCK_NB, flock
except ImportError:  # Windows: two commands that import one sweep at once are not kept apart
    flock = None  # type: ignore[assignment]

from fa_sweep.checks import ConfigError
from fa_sweep.identity import sweep_hash
from fa_sweep.schema import TrackingConfig
from fa_sweep.sweep.environment import environment
from fa_sweep.sweep.jobs import TABLE, Job, read_jobs, write_jobs
from fa_sweep.sweep.ledger import Records, find_runs
from fa_sweep.sweep.storage import read_json, write_json

OUTPUTS = Path("outputs")
ELSEWHERE_S = 86400
RECORD, _FAILURES, _TRACKED = "sweep.json", "failures.json", "tracked.json"


def fresh_id() -> str:
    """Return a folder name: UTC time and a random suffix, for two sweeps may start in one second."""
    return f"{datetime.now(UTC):%Y-%m-%d_%H-%M-%S}_{secrets.token_hex(3)}"


@dataclass(frozen=True)
class Sweep:
    """A sweep (or single run) as its folder tells it."""

    folder: Path

    @property
    def id(self) -> str:
        """The folder's name."""
        return self.folder.name

    @cached_property
    def jobs(self) -> list[Job]:
        """Every job, in the order given."""
        return read_jobs(self.folder)

    @cached_property
    def record(self) -> dict[str, Any]:
        """What is known of the sweep as a whole."""
        return read_json(self.folder / RECORD)

    @property
    def hash(self) -> str:
        """Hash of its set of run ids."""
        return sweep_hash(job.id for job in self.jobs)

    @property
    def failures(self) -> dict[str, str]:
        """The error of each run that ended in one."""
        return read_json(self.folder / _FAILURES)

    def records(self, outputs: Path = OUTPUTS) -> Records:
        """Return the finished runs among its jobs, from whichever sweep trained them."""
        return Records(find_runs(outputs, (job.run_id for job in self.jobs), also=self.folder))

    def add_failures(self, errors: dict[str, str]) -> None:
        """Keep the errors of runs that ended in one."""
        write_json(self.failures | errors, self.folder / _FAILURES)

    @property
    def tracked(self) -> dict[str, Any]:
        """What MLflow was told; empty until it has all of it."""
        return read_json(self.folder / _TRACKED)

    def mark_tracked(self, values: dict[str, Any]) -> None:
        """Note that MLflow has the sweep."""
        write_json(values, self.folder / _TRACKED)

    @contextmanager
    def claimed(self, *, wait: bool = False) -> Iterator[bool]:
        """Hold the right to import it, and say whether it was free; it goes with this process, however that ends."""
        free = True
        with ExitStack() as stack:
            try:
                file = stack.enter_context((self.folder / RECORD).open("r+b"))  # NFS locks only what may be written
                if flock is not None:
                    flock(file, LOCK_EX if wait else LOCK_EX | LOCK_NB)
            except BlockingIOError:
                free = False
            except OSError:
                pass  # another's file, or a file system without locks
            yield free

    @property
    def is_running(self) -> bool:
        """Whether the process that conducts it is alive; where that is another machine's, it is believed to be for a day."""
        if self.record.get("host") != platform.node():
            return bool(time.time() - self.record["created_at_ms"] / 1000 < ELSEWHERE_S)
        try:
            os.kill(int(self.record.get("pid", "")), 0)
        except (ProcessLookupError, ValueError):
            return False
        except PermissionError:
            return True
        return True


def make_folder(folder: Path, setting: str, *, new: bool, outputs: Path = OUTPUTS) -> None:
    """Make the folder that a setting names, for a sweep or a single run; `new`: it must not be there yet.

    One that later commands would not find in `outputs` is linked in its `sweeps`, or it is said that it will not be found.
    Raises ConfigError for one that holds a run, that cannot be made, or whose name `outputs` has already.
    """
    link = _link_to(folder, outputs)
    if (folder / RECORD).exists():
        raise ConfigError(f"{setting} is {folder}; it holds another run: name a new folder")
    linked = link is not None and link.is_symlink() and link.resolve() == folder.resolve()
    if link is not None and not linked and os.path.lexists(link):
        raise ConfigError(f"{setting} is {folder}; {link} is another's: name a folder whose last part is new")
    try:
        folder.mkdir(parents=True, exist_ok=not new)
    except OSError as error:
        raise ConfigError(f"{setting} is {folder}; it cannot be made: {error.strerror}; name a new folder") from error
    if link is not None and not linked:
        try:
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(folder.resolve(), target_is_directory=True)
        except OSError as error:
            missing = f"later commands will not find what {folder} holds: {link} cannot be made: {error.strerror}"
            print(f"fa_sweep: {missing}", file=sys.stderr)


def remove_folder(folder: Path, outputs: Path = OUTPUTS) -> None:
    """Remove the folder of a sweep that trained nothing, and the link to it."""
    if link := _link_to(folder, outputs):
        link.unlink(missing_ok=True)
    shutil.rmtree(folder)


def _link_to(folder: Path, outputs: Path) -> Path | None:
    """Return the place of a link to a folder; None for one that is found without."""
    whole = folder.resolve()
    found = whole.parent.parent == outputs.resolve() or whole.parent in {place.resolve() for place in outputs.glob("*")}
    return None if found else outputs / "sweeps" / whole.name


def create_sweep(folder: Path, jobs: Sequence[Job], command: str, tracking: TrackingConfig, *, single: bool) -> Sweep:
    """Write the folder of a sweep that is about to be trained; `single`: of one run outside any sweep."""
    folder.mkdir(parents=True, exist_ok=True)
    write_jobs(folder, jobs)
    record = {
        "command": command,
        "single": single,
        "created_at_ms": int(datetime.now(UTC).timestamp() * 1000),
        "planned": len(jobs),
        "reused": sum(job.reused for job in jobs),
        "hash": sweep_hash(job.id for job in jobs),
        "tracking": vars(tracking),
        "environment": environment(),
        "pid": os.getpid(),
        "host": platform.node(),
    }
    write_json(record, folder / RECORD)
    sweep = Sweep(folder)
    sweep.__dict__["jobs"] = list(jobs)  # known already: a hundred thousand take a while to read
    return sweep


def all_sweeps(outputs: Path = OUTPUTS) -> list[Sweep]:
    """Return every sweep and single run under `outputs`, oldest first."""
    begun: list[tuple[int, str, Sweep]] = []
    for path in outputs.glob(f"*/*/{RECORD}"):
        sweep = Sweep(path.parent)
        if (path.parent / TABLE).exists():
            try:
                begun.append((int(sweep.record["created_at_ms"]), sweep.id, sweep))
            except (OSError, ValueError, KeyError) as error:
                print(f"fa_sweep: {path} cannot be read, its sweep is left out: {error!r}", file=sys.stderr)
    return [sweep for *_, sweep in sorted(begun, key=lambda one: one[:2])]
