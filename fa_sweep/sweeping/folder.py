"""A sweep's folder on disk, and the object that represents it.

jobs.parquet     all jobs, including reused ones, with run id, factors, overrides and resolved settings
sweep.json       the record: command line, time, where MLflow keeps the sweep, environment (see record.py)
multirun.yaml    Hydra's own configuration of the sweep
shards/          the histories of the runs that this sweep trained
failures.json    the errors of runs that failed
tracked.json     written once MLflow has the whole sweep
labels.json      the sweep's name and tags, if it has any

Sweeps lie in outputs/sweeps and single runs in outputs/runs. If a folder lies elsewhere, outputs/sweeps has a link to it.
"""

import os
import platform
import re
import secrets
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from fa_sweep.errors import ConfigError, Unreadable
from fa_sweep.process.notices import say_once
from fa_sweep.process.secrets import redact
from fa_sweep.settings.identity import sweep_hash
from fa_sweep.settings.schema import TrackingConfig
from fa_sweep.sweeping.catalogue import TRACKED, Catalogue, Entry, read_tracking_note
from fa_sweep.sweeping.environment import environment
from fa_sweep.sweeping.failures import FAILURES, Failed, failures_bytes, read_failures
from fa_sweep.sweeping.jobs import NEXT_TABLE, TABLE, Job, jobs_bytes, read_jobs
from fa_sweep.sweeping.labels import LABELS, Labels, read_labels, write_labels
from fa_sweep.sweeping.ledger import Ledger, Records
from fa_sweep.sweeping.record import FORMAT, RECORD, SweepRecord, preset_of, process_started, read_record
from fa_sweep.sweeping.shards import SHARDS
from fa_sweep.sweeping.storage import digest, lock, remove_leavings, write_and_hold, write_bytes, write_json

OUTPUTS = Path("outputs")
NAME_IN_ID = 60  # the most characters of a sweep's name that its id contains
_OWN_FILES = (TABLE, NEXT_TABLE, FAILURES, TRACKED, LABELS, "multirun.yaml", "config.yaml", RECORD)
_LOGS = "slurm"
ELSEWHERE_S = 86400  # how long a process on another machine counts as alive, if the record cannot be locked


def fresh_id(name: object = "") -> str:
    """Return a new folder name: the time in UTC, a random part in case two sweeps start in the same second, and a name.

    Args:
        name: the name of the sweep. Characters that are no letters, digits, dots or hyphens become hyphens.
    """
    readable = re.sub(r"[^\w.]+", "-", redact(str(name)))[:NAME_IN_ID].strip("-.")
    return f"{datetime.now(UTC):%Y-%m-%d_%H-%M-%S}_{secrets.token_hex(3)}" + (f"_{readable}" if readable else "")


@dataclass(frozen=True)
class Sweep:
    """A sweep (or single run) and the files in its folder.

    If this process conducts the sweep, `_lock` holds the record's file, open and locked, until `close` is called or the process
    ends.
    """

    folder: Path
    _lock: list[IO[bytes]] = field(default_factory=list, compare=False, repr=False)

    @property
    def id(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def labels(self) -> Labels:
        """The name and the tags that the user gave to the sweep. Empty if they cannot be read, which the user is told."""
        return read_labels(self.folder)

    @property
    def title(self) -> str:
        """The sweep's name or, if it has none, its id."""
        return self.labels.name or self.id

    @cached_property
    def jobs(self) -> list[Job]:
        """All jobs of the sweep, in the order of their numbers.

        Raises:
            Unreadable: the job table or the record is damaged.
            ConfigError: a job needs a setting, mode or task that is no longer installed.
        """
        return read_jobs(self.folder, self.record.jobs_sha256)

    @cached_property
    def record(self) -> SweepRecord:
        """The record, which describes the sweep as a whole. Raises Unreadable if it is missing or damaged."""
        record = read_record(self.folder)
        if record is None:
            raise Unreadable(f"{self.folder / RECORD} is missing")
        return record

    @property
    def hash(self) -> str:
        """The hash of the set of all job ids."""
        return sweep_hash(job.id for job in self.jobs)

    @property
    def failures(self) -> dict[str, Failed]:
        """The error of each failed run, by run id. If the file cannot be read, the user is told, and this is empty."""
        try:
            return read_failures(self.folder)
        except Unreadable as error:
            say_once(f"{error}; the reasons for failed runs cannot be shown")
            return {}

    def records(self, outputs: Path = OUTPUTS, *, quiet: bool = False) -> Records:
        """Return the records of the sweep's finished runs, including those that other sweeps trained.

        Args:
            outputs: the folder in which to look for shards, in addition to the sweep's folder.
            quiet: do not report the shards that the catalogue lists as unusable, unless some run is not found.
        """
        return Records(Ledger(outputs, also=self.folder).find(self.jobs, quiet=quiet), self.jobs)

    def add_failures(self, errors: Mapping[str, Failed]) -> None:
        """Add errors of runs, by run id, to the sweep's file of failures. Raises CannotWrite."""
        write_bytes(failures_bytes(self.failures | dict(errors)), self.folder / FAILURES)

    def extend(self, jobs: Sequence[Job], design: Mapping[str, Any]) -> None:
        """Replace the jobs of a sweep that this process conducts, and what its design decided.

        If the process ends at any point of this, the folder is that of the sweep before or after it.

        Args:
            jobs: All jobs, the earlier ones among them.
            design: What the design decided so far, for the record.

        Raises:
            CannotWrite: A file could not be written.
        """
        table = jobs_bytes(jobs)
        write_bytes(table, self.folder / NEXT_TABLE)
        record = replace(
            self.record,
            planned=len(jobs),
            reused=sum(job.reused for job in jobs),
            hash=sweep_hash(job.id for job in jobs),
            jobs_sha256=digest(table),
            design=dict(design),
        )
        self._lock.append(write_and_hold(record.content(), self.folder / RECORD))
        write_bytes(table, self.folder / TABLE)
        (self.folder / NEXT_TABLE).unlink(missing_ok=True)
        self.__dict__.update(jobs=list(jobs), record=record)

    @property
    def tracked(self) -> dict[str, Any]:
        """The note that MLflow has the whole sweep. Empty until it does.

        A damaged note counts as empty too. The import then finds out what MLflow already has.
        """
        return read_tracking_note(self.folder)

    def mark_tracked(self, values: dict[str, Any]) -> None:
        """Write the note that MLflow has the whole sweep. Raises CannotWrite."""
        write_json(values, self.folder / TRACKED)

    @contextmanager
    def claimed(self, *, wait: bool = False) -> Iterator[bool]:
        """Claim the right to import the sweep into MLflow during the block. Yield whether this process may import it.

        The right is a lock on the record, so it ends with this process at the latest. The process that conducts the sweep has
        it from the creation of the record until `close`.

        Args:
            wait: wait until no other process has the right.
        """
        with ExitStack() as stack:
            free = True
            if not self._lock:
                try:
                    file = stack.enter_context(
                        (self.folder / RECORD).open("r+b")
                    )  # open for writing, as NFS requires for a lock
                    lock(file, wait=wait)
                except BlockingIOError:
                    free = False
                except OSError:  # another user's file, or a file system without locks
                    free = wait or not self._seems_running
            yield free

    @property
    def is_running(self) -> bool:
        """Whether this or another process is training the sweep or importing it into MLflow."""
        with self.claimed() as free:
            return bool(self._lock) or not free

    @property
    def _seems_running(self) -> bool:
        """Whether the conducting process seems to be alive. This is asked only if the record cannot be locked.

        A process on another machine counts as alive for a day (ELSEWHERE_S) after the sweep was created.
        """
        if self.record.host != platform.node():
            return time.time() - self.record.created_at_ms / 1000 < ELSEWHERE_S
        return self.record.is_process_alive

    def absolute(self) -> "Sweep":
        """Return this sweep with the absolute path of its folder, so that it can be read from any working folder."""
        found = replace(self, folder=self.folder.absolute())
        found.__dict__.update({name: value for name, value in vars(self).items() if name in ("jobs", "record")})
        return found

    def close(self) -> None:
        """Give up the right to import the sweep, because this process is done with it."""
        while self._lock:
            self._lock.pop().close()


def make_folder(folder: Path, setting: str, *, new: bool, outputs: Path = OUTPUTS) -> None:
    """Make the folder of a sweep or a single run.

    Later commands look for sweeps in `outputs`. If the folder lies elsewhere, a link to it is made in `outputs/sweeps`. If the
    link cannot be made, the user is warned that later commands will not find the folder.

    Args:
        folder: the folder.
        setting: the name of the setting that gives the folder, for error messages.
        new: whether the folder must not exist yet.
        outputs: the folder of all outputs.

    Raises:
        ConfigError: the folder already holds a run or cannot be made, or `outputs/sweeps` has another entry with its name.
    """
    link = _link_to(folder, outputs)
    try:
        if (folder / RECORD).exists():
            raise ConfigError(f"{setting} is {folder}; it holds another run: name a new folder")
        linked = link is not None and link.is_symlink() and link.resolve() == folder.resolve()
        if link is not None and not linked and os.path.lexists(link):
            raise ConfigError(f"{setting} is {folder}; {link} belongs to another run: choose a folder with another name")
        folder.mkdir(parents=True, exist_ok=not new)
    except (OSError, ValueError) as error:  # ValueError: the name contains a NUL. ConfigError is a ValueError, too.
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
    """Remove the folder of a sweep or a single run, and the link to it.

    A single run may have been put into a folder that holds other files. If the folder is not one that this program names
    itself, only the sweep's own files are removed, and the folder stays if it then still holds anything.
    """
    if link := _link_to(folder, outputs):
        link.unlink(missing_ok=True)
    if folder.resolve().parent in {(outputs / name).resolve() for name in ("sweeps", "runs")}:
        shutil.rmtree(folder)
        return
    for path in [*(folder / SHARDS).glob("*.parquet"), *(folder / name for name in _OWN_FILES)]:
        path.unlink(missing_ok=True)
    shutil.rmtree(folder / _LOGS, ignore_errors=True)
    for place in (folder / SHARDS, folder):
        if place.is_dir():
            remove_leavings(place)
            if not any(place.iterdir()):
                place.rmdir()


def _link_to(folder: Path, outputs: Path) -> Path | None:
    """Return the path of the link that makes a folder findable, or None if it lies in `outputs` and needs no link."""
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
    name: str = "",
    design: Mapping[str, Any] | None = None,
    outcomes: Sequence[str] = (),
    margin: float | None = None,
) -> Sweep:
    """Write the job table and the record of a sweep that this process is about to conduct, and lock the record.

    Args:
        folder: the sweep's folder.
        jobs: all jobs, including reused ones.
        tracking: where MLflow is to keep the sweep.
        flags: the command line's flags for Hydra.
        overrides: the command line's overrides.
        single: whether this is a single run outside any sweep.
        resume: the value of the setting `resume`.
        name: the name of the sweep; empty for none.
        design: what the design of the sweep decided so far; None for a grid.
        outcomes: the value of the setting `outcomes`.
        margin: the value of the setting `margin`.

    Returns:
        The sweep. Call its method `close` once this process is done with it.

    Raises:
        CannotWrite: a file could not be written. The folder then has no record, so it does not count as a sweep.
    """
    table = jobs_bytes(jobs)
    write_bytes(table, folder / TABLE)
    if name:
        write_labels(folder, name)
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
        design=dict(design or {}),
        outcomes=list(outcomes),
        margin=margin,
    )
    sweep = Sweep(folder, [write_and_hold(record.content(), folder / RECORD)])
    sweep.__dict__.update(jobs=list(jobs), record=record)  # reading a hundred thousand jobs again would take a while
    return sweep


def all_sweeps(outputs: Path = OUTPUTS) -> list[Sweep]:
    """Return all sweeps and single runs under `outputs`, oldest first.

    A sweep whose record cannot be read is reported and left out.
    """
    return [sweep for sweep, _ in catalogued(outputs)]


def catalogued(outputs: Path = OUTPUTS) -> list[tuple[Sweep, Entry]]:
    """Return all sweeps and single runs under `outputs` with their catalogue entries, oldest first.

    A sweep whose record cannot be read is reported and left out.
    """
    found = []
    for folder, entry in Catalogue(outputs).entries.items():
        if entry.fault:
            say_once(f"{entry.fault}; its sweep is left out")
        elif entry.created_at_ms:
            found.append((Sweep(Path(folder)), entry))
    return sorted(found, key=lambda one: (one[1].created_at_ms, one[0].id))
