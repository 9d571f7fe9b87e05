"""Decide where the artifacts of an experiment go if MLflow keeps its runs in a database.

MLflow stores an absolute location with every experiment and every run. After somebody has copied or moved the working folder,
these locations still point into the original folder.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit
from urllib.request import url2pathname

from fa_sweep.errors import StoreClosed
from fa_sweep.tracking.limits import ARTIFACT_LOCATION, ARTIFACT_URI, short

RUN_PART = len("/artifacts") + 33  # a run appends /RUN_ID/artifacts to its experiment's location


@dataclass(frozen=True)
class Home:
    """The place of an experiment's artifacts in this working folder.

    Attributes:
        outputs: The folder `outputs/` of the working folder.
        experiment: The experiment's name.
    """

    outputs: Path
    experiment: str

    @property
    def folder(self) -> Path:
        """The folder of the experiment's artifacts."""
        name = re.sub(r"[^\w.-]+", "_", self.experiment).strip("._") or "experiment"
        return self.outputs.resolve() / "artifacts" / short(name, 60)

    @property
    def location(self) -> str:
        """The folder of the experiment's artifacts as a file URI, which is how MLflow stores it."""
        return self.folder.as_uri()

    def has(self, path: Path) -> bool:
        """Whether a path lies in `outputs` once links are resolved."""
        return path.resolve().is_relative_to(self.outputs.resolve())


@dataclass(frozen=True)
class Placing:
    """The decision about where an experiment keeps its artifacts.

    Attributes:
        location: The location for new runs.
        moved_from: The location in the original folder, if the working folder was copied or moved and the tables must be
            updated; otherwise None.
        notice: A line for the user, or None.
    """

    location: str
    moved_from: str | None = None
    notice: str | None = None


def local_folder(location: str) -> Path | None:
    """Return the folder that an artifact location names; None if the location is not a folder on this machine."""
    parts = urlsplit(location)
    if parts.scheme not in ("", "file") or parts.netloc not in ("", "localhost"):
        return None
    if not parts.scheme:
        return Path(location)
    # On POSIX a file name may be any bytes, but url2pathname decodes it as UTF-8.
    return Path(os.fsdecode(unquote_to_bytes(parts.path)) if os.name == "posix" else url2pathname(parts.path))


def place(location: str, home: Home, database: Path | None) -> Placing:
    """Decide where new runs of an experiment keep their artifacts.

    Args:
        location: The location that MLflow stores with the experiment.
        home: The place for the experiment's artifacts in this working folder.
        database: The SQLite file that holds the experiment; None for another kind of database.

    Returns:
        The location for new runs, the old location if the tables must be updated, and a notice for the user.
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
    """Check that the artifact locations of an experiment and its runs fit the columns of MLflow's tables.

    Args:
        location: The location of the experiment's artifacts.
        dialect: SQLAlchemy's name of the database. SQLite does not enforce the lengths, so it accepts every location.

    Raises:
        StoreClosed: If the location is too long.
    """
    longest = min(ARTIFACT_LOCATION, ARTIFACT_URI - RUN_PART)
    if dialect != "sqlite" and len(location) > longest:
        raise StoreClosed(
            f"the path of the artifacts has {len(location)} characters ({location[:60]}...), MLflow's tables take {longest}; "
            "work in a folder with a shorter path, or track through the database's server: tracking=server"
        )
