"""What the import asks of a tracking store: one contract for tables and for MLflow's client."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fa_sweep.tracking.content import DatasetContent, RunContent

ENDED = ("FINISHED", "FAILED")  # a run in another state was left half-made


class TrackingError(Exception):
    """MLflow could not take what the ledger holds; the message is one line."""


class StoreClosed(TrackingError):
    """A store, or an experiment of it, could not be opened: whatever sweep it was for."""


@dataclass(frozen=True)
class StoredRun:
    """A run as a store has it."""

    run_id: str
    status: str
    tags: dict[str, str]


class Store(ABC):
    """One experiment of a tracking store. Everything may be called again and leaves the same rows."""

    @abstractmethod
    def find(self, tags: Mapping[str, str]) -> list[StoredRun]:
        """Return the experiment's runs that have all these tags, deleted ones aside."""

    @abstractmethod
    def begin(self, content: RunContent) -> str:
        """Make a run that is RUNNING, with its tags. Returns its id."""

    @abstractmethod
    def end(self, run_id: str, content: RunContent, tags: Mapping[str, str]) -> None:
        """End a run, with more tags."""

    @abstractmethod
    def add(self, contents: Iterable[RunContent], parent: str | None) -> list[str]:
        """Add whole runs, those that are not there yet. Returns the ids of those it made."""

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
