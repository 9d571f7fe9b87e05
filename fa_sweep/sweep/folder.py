"""A sweep's folder: its job table, its record, its shards, and what became of it.

jobs.parquet     every job with its run id, factors, overrides and resolved settings, reused ones included
sweep.json       the record: command line, time, tracking target, environment (see record.py)
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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from fa_sweep.errors import ConfigError, Unreadable
from fa_sweep.process.notices import say_once
from fa_sweep.settings.identity import sweep_hash
from fa_sweep.settings.schema import TrackingConfig
from fa_sweep.sweep.catalogue import TRACKED, Catalogue, Entry
from fa_sweep.sweep.environment import environment
from fa_sweep.sweep.failures import FAILURES, Failed, failures_bytes, read_failures
from fa_sweep.sweep.jobs import TABLE, Job, jobs_bytes, read_jobs
from fa_sweep.sweep.ledger import Ledger, Records
from fa_sweep.sweep.record import FORMAT, RECORD, SweepRecord, preset_of, process_started, read_record
from fa_sweep.sweep.storage import digest, lock, read_json, write_and_hold, write_bytes, write_json

OUTPUTS = Path("outputs")
ELSEWHERE_S = 86400


def fresh_id() -> str:
    """Return a folder name: UTC time and a random suffix, for two sweeps may start in one second."""
    return f"{datetime.now(UTC):%Y-%m-%d_%H-%M-%S}_{secrets.token_hex(3)}"


@dataclass(frozen=True)
class Sweep:
    """A sweep (or single run) as its folder tells it.

    `_lock` is the open record of a sweep that this process conducts: it is locked until `close`, or until the process ends.
    """

    folder: Path
    _lock: list[IO[bytes]] = field(default_factory=list, compare=False, repr=False)

    @property
    def id(self) -> str:
        """The folder's name."""
        return self.folder.name

    @cached_property
    def jobs(self) -> list[Job]:
        """Every job, in the order given. Raises Unreadable, or ConfigError for a piece that is no longer installed."""
        return read_jobs(self.folder, self.record.jobs_sha256)

    @cached_property
    def record(self) -> SweepRecord:
        """What is known of the sweep as a whole. Raises Unreadable."""
        record = read_record(self.folder)
        if record is None:
            raise Unreadable(f"{self.folder / RECORD} is missing")
        return record

    @property
    def hash(self) -> str:
        """Hash of its set of run ids."""
        return sweep_hash(job.id for job in self.jobs)

    @property
    def failures(self) -> dict[str, Failed]:
        """The error of each run that ended in one, by run id; a file that cannot be read is said, and tells nothing."""
        try:
            return read_failures(self.folder)
        except Unreadable as error:
            say_once(f"{error}; why runs failed is not known")
            return {}

    def records(self, outputs: Path = OUTPUTS, *, quiet: bool = False) -> Records:
        """Return the finished runs among its jobs, from whichever sweep trained them; `quiet` as in `Ledger.find`."""
        return Records(Ledger(outputs, also=self.folder).find(self.jobs, quiet=quiet), self.jobs)

    def add_failures(self, errors: Mapping[str, Failed]) -> None:
        """Keep the errors of runs that ended in one. Raises CannotWrite."""
        write_bytes(failures_bytes(self.failures | dict(errors)), self.folder / FAILURES)

    @property
    def tracked(self) -> dict[str, Any]:
        """What MLflow was told; empty until it has all of it, and where the note is damaged: the import finds what is there."""
        try:
            noted = read_json(self.folder / TRACKED)
        except Unreadable:
            return {}
        return noted if isinstance(noted.get("run_id"), str) else {}

    def mark_tracked(self, values: dict[str, Any]) -> None:
        """Note that MLflow has the sweep. Raises CannotWrite."""
        write_json(values, self.folder / TRACKED)

    @contextmanager
    def claimed(self, *, wait: bool = False) -> Iterator[bool]:
        """Hold the right to import it, and say whether it was free; it goes with this process, however that ends.

        Whoever conducts a sweep has the right from its first moment on.
        """
        with ExitStack() as stack:
            free = True
            if not self._lock:
                try:
                    file = stack.enter_context((self.folder / RECORD).open("r+b"))  # NFS locks only what may be written
                    lock(file, wait=wait)
                except BlockingIOError:
                    free = False
                except OSError:  # another's file, or a file system without locks
                    free = wait or not self._seems_running
            yield free

    @property
    def is_running(self) -> bool:
        """Whether some process conducts it."""
        with self.claimed() as free:
            return bool(self._lock) or not free

    @property
    def _seems_running(self) -> bool:
        """Whether its process is alive, as far as can be told without a lock: another machine's is believed to be for a day."""
        if self.record.host != platform.node():
            return time.time() - self.record.created_at_ms / 1000 < ELSEWHERE_S
        return self.record.is_process_alive

    def close(self) -> None:
        """Let others import it: this process is done with it."""
        while self._lock:
            self._lock.pop().close()


def make_folder(folder: Path, setting: str, *, new: bool, outputs: Path = OUTPUTS) -> None:
    """Make the folder that a setting names, for a sweep or a single run; `new`: it must not be there yet.

    One that later commands would not find in `outputs` is linked in its `sweeps`, or it is said that it will not be found.
    Raises ConfigError for one that holds a run, that cannot be made, or whose name `outputs` has already.
    """
    link = _link_to(folder, outputs)
    try:
        if (folder / RECORD).exists():
            raise ConfigError(f"{setting} is {folder}; it holds another run: name a new folder")
        linked = link is not None and link.is_symlink() and link.resolve() == folder.resolve()
        if link is not None and not linked and os.path.lexists(link):
            raise ConfigError(f"{setting} is {folder}; {link} is another's: name a folder whose last part is new")
        folder.mkdir(parents=True, exist_ok=not new)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name, or ConfigError
        if isinstance(error, ConfigError):
            raise
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{setting} is {_short(folder)}; it cannot be made: {reason}; name a new folder") from error
    if link is not None and not linked:
        try:
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(folder.resolve(), target_is_directory=True)
        except OSError as error:
            missing = f"later commands will not find what {folder} holds: {link} cannot be made: {error.strerror}"
            print(f"fa_sweep: {missing}", file=sys.stderr)


def _short(folder: Path) -> str:
    text = str(folder)
    return text if len(text) <= 120 else f"{text[:60]}...{text[-40:]}"


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


def create_sweep(
    folder: Path,
    jobs: Sequence[Job],
    tracking: TrackingConfig,
    *,
    flags: Sequence[str] = (),
    overrides: Sequence[str] = (),
    single: bool,
    resume: str = "true",
) -> Sweep:
    """Write the folder of a sweep that this process is about to conduct, and hold it; `single`: of one run outside any sweep.

    Raises CannotWrite; then there is no sweep.
    """
    table = jobs_bytes(jobs)
    write_bytes(table, folder / TABLE)
    record = SweepRecord(
        format=FORMAT,
        flags=list(flags),
        overrides=list(overrides),
        preset=preset_of(overrides),
        single=single,
        created_at_ms=int(datetime.now(UTC).timestamp() * 1000),
        planned=len(jobs),
        reused=sum(job.reused for job in jobs),
        hash=sweep_hash(job.id for job in jobs),
        tracking=TrackingConfig(**asdict(tracking)),
        environment=environment(),
        host=platform.node(),
        pid=os.getpid(),
        started=process_started(os.getpid()),
        resume=resume,
        jobs_sha256=digest(table),
    )
    sweep = Sweep(folder, [write_and_hold(record.content(), folder / RECORD)])
    sweep.__dict__.update(jobs=list(jobs), record=record)  # known already: a hundred thousand jobs take a while to read
    return sweep


def all_sweeps(outputs: Path = OUTPUTS) -> list[Sweep]:
    """Return every sweep and single run under `outputs`, oldest first; one whose record cannot be read is said and left out."""
    return [sweep for sweep, _ in catalogued(outputs)]


def catalogued(outputs: Path = OUTPUTS) -> list[tuple[Sweep, Entry]]:
    """Return every sweep and single run under `outputs` with what the catalogue knows of it, oldest first."""
    found = []
    for folder, entry in Catalogue(outputs).entries.items():
        if entry.fault:
            say_once(f"{entry.fault}; its sweep is left out")
        elif entry.created_at_ms:
            found.append((Sweep(Path(folder)), entry))
    return sorted(found, key=lambda one: (one[1].created_at_ms, one[0].id))
