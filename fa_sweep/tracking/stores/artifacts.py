"""Where an experiment of a database keeps its artifacts, and what to do where that is not under this working folder.

MLflow notes an absolute place with every experiment and every run. In a folder that was copied or moved, that is a place in
the original.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit
from urllib.request import url2pathname

from fa_sweep.errors import StoreClosed
from fa_sweep.tracking.limits import ARTIFACT_LOCATION, ARTIFACT_URI, short

RUN_PART = len("/artifacts") + 33  # what a run adds to its experiment's location


@dataclass(frozen=True)
class Home:
    """Where this working folder keeps what belongs to an experiment."""

    outputs: Path
    experiment: str

    @property
    def folder(self) -> Path:
        """The folder of the experiment's artifacts."""
        name = re.sub(r"[^\w.-]+", "_", self.experiment).strip("._") or "experiment"
        return self.outputs.resolve() / "artifacts" / short(name, 60)

    @property
    def location(self) -> str:
        """The same as MLflow notes it."""
        return self.folder.as_uri()

    def has(self, path: Path) -> bool:
        """Whether a path lies under this working folder's outputs, links followed."""
        return path.resolve().is_relative_to(self.outputs.resolve())


@dataclass(frozen=True)
class Placing:
    """What to do about an experiment's artifacts.

    `location`: of new runs; `moved_from`: the location that the experiment and its runs are to be moved away from, since the
    whole folder was copied or moved; `notice`: what the user should know.
    """

    location: str
    moved_from: str | None = None
    notice: str | None = None


def local_folder(location: str) -> Path | None:
    """Return the folder that a location names; None where that is no folder of this machine."""
    parts = urlsplit(location)
    if parts.scheme not in ("", "file") or parts.netloc not in ("", "localhost"):
        return None
    if not parts.scheme:
        return Path(location)
    # A name need not be UTF-8, which url2pathname takes it for.
    return Path(os.fsdecode(unquote_to_bytes(parts.path)) if os.name == "posix" else url2pathname(parts.path))


def place(location: str, home: Home, database: Path | None) -> Placing:
    """Decide where new runs of an experiment keep their artifacts.

    Args:
        location: What the experiment's row says.
        home: Where this working folder keeps them.
        database: The SQLite file that the row is in; None for another database.
    """
    who = f"experiment {home.experiment!r}"
    folder = local_folder(location)
    if folder is None:
        if not location.startswith("mlflow-artifacts:"):
            return Placing(location)
        kept = f"{who} keeps its artifacts with an MLflow server; those of this command's runs are in {home.folder}"
        return Placing(home.location, notice=f"{kept} (tracking=server sends them there while the server runs)")
    if home.has(folder):
        return Placing(location)
    if database is not None and home.has(database) and folder.parent.name == "artifacts":
        moved = (
            f"{database.name} was copied or moved here: the artifacts of {who} are now in {home.folder}, no longer in {folder}"
        )
        return Placing(home.location, moved_from=location, notice=moved)
    return Placing(location, notice=f"{who} keeps its artifacts in another folder: {folder}")


def require_room(location: str, dialect: str) -> None:
    """Raise StoreClosed for a location that is too long for a database that insists on its columns' lengths."""
    longest = min(ARTIFACT_LOCATION, ARTIFACT_URI - RUN_PART)
    if dialect != "sqlite" and len(location) > longest:
        raise StoreClosed(
            f"the path of the artifacts has {len(location)} characters ({location[:60]}...), MLflow's tables take {longest}; "
            "work in a folder with a shorter path, or track through the database's server: tracking=server"
        )
