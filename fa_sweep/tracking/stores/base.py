"""What the import asks of a tracking store: one contract for tables and for MLflow's client."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from fa_sweep.tracking import tagnames
from fa_sweep.tracking.content import DatasetContent, RunContent

ENDED = ("FINISHED", "FAILED")  # a run in another state was left half made


@dataclass(frozen=True)
class StoredRun:
    """A run as a store has it. `fingerprint`: of its values, empty where the store need not be asked twice."""

    run_id: str
    status: str
    tags: Mapping[str, str]
    started_at_ms: int = 0
    deleted: bool = False
    fingerprint: str = ""

    @property
    def complete(self) -> bool:
        """Whether it is a parent that was given all its children."""
        return self.status == "FINISHED" and self.tags.get(tagnames.COMPLETE) == "true"


class Store(ABC):
    """One experiment of a tracking store. Everything may be called again and leaves the same rows."""

    notices: list[str]  # what the user should know of this experiment, one line each

    @abstractmethod
    def exclusive(self, key: str, wait_s: float, waiting: Callable[[], None]) -> AbstractContextManager[bool]:
        """Keep other imports of the same key out; yields whether that was possible in time."""

    @abstractmethod
    def find(self, tags: Mapping[str, str]) -> list[StoredRun]:
        """Return the experiment's runs that have all these tags, deleted ones too, the newest first."""

    @abstractmethod
    def members(self, group: Mapping[str, str]) -> dict[str, StoredRun]:
        """Return the run of each job (by the job's id) among the runs with these tags; a deleted one where no other is."""

    @abstractmethod
    def begin(self, content: RunContent) -> str:
        """Make a sweep's parent, RUNNING, with its tags; or find it, if it is there. Returns its id."""

    @abstractmethod
    def end(self, run_id: str, content: RunContent, tags: Mapping[str, str]) -> None:
        """End a run, then give it more tags."""

    @abstractmethod
    def add(self, contents: Callable[[], Iterable[RunContent]], group: Mapping[str, str]) -> int:
        """Add whole runs with the group's tags: those that are not there yet, and not as deleted. Returns how many it added."""

    @abstractmethod
    def tag(self, run_id: str, name: str, value: str) -> None:
        """Give a run a tag."""

    @abstractmethod
    def log_points(self, run_id: str, points: Sequence[tuple[str, float, int]]) -> None:
        """Add (name, value, step) to a run, at the time that it started."""

    @abstractmethod
    def log_datasets(self, run_id: str, datasets: Sequence[DatasetContent]) -> None:
        """Name the data that a run used."""

    @abstractmethod
    def write_text(self, run_id: str, text: str, name: str) -> None:
        """Keep a text as an artifact."""

    @abstractmethod
    def add_file(self, run_id: str, path: Path, folder: str) -> None:
        """Keep a file as an artifact, in a folder of them."""

    @abstractmethod
    def close(self) -> None:
        """Let go of connections."""


def one_per_job(runs: Iterable[StoredRun]) -> dict[str, StoredRun]:
    """Return one run for each job: rather an active one than a deleted one, of several the one with the smallest id."""
    best: dict[str, StoredRun] = {}
    for run in runs:
        job_id = run.tags[tagnames.JOB_ID]
        if job_id not in best or (run.deleted, run.run_id) < (best[job_id].deleted, best[job_id].run_id):
            best[job_id] = run
    return best
