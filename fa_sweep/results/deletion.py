"""Remove sweeps from the ledger. Runs that other sweeps use are kept: their shards move to the folders of those sweeps."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fa_sweep.errors import CannotWrite, ConfigError, Unreadable
from fa_sweep.results.listing import folder_size
from fa_sweep.sweeping.catalogue import Catalogue
from fa_sweep.sweeping.folder import OUTPUTS, Sweep, all_sweeps, remove_folder
from fa_sweep.sweeping.jobs import read_job_run_ids
from fa_sweep.sweeping.record import RECORD
from fa_sweep.sweeping.shards import SHARDS
from fa_sweep.sweeping.storage import read_bytes, sync_folder, write_bytes
from fa_sweep.tracking.removal import delete_runs


@dataclass
class Deletion:
    """What the deletion of sweeps removes and keeps.

    Attributes:
        sweeps: The sweeps to remove.
        size: The size of their folders in bytes.
        moves: The shards that other sweeps use, by the folder of the sweep that they move to.
        outputs: The folder of the ledger.
        used: The ids of the runs that other sweeps use.
    """

    sweeps: list[Sweep]
    size: int
    moves: dict[Path, list[Path]] = field(default_factory=dict)
    outputs: Path = OUTPUTS
    used: set[str] = field(default_factory=set)

    @property
    def moved_size(self) -> int:
        """The size in bytes of the shards that are kept."""
        return sum(path.stat().st_size for shards in self.moves.values() for path in shards if path.exists())

    def delete_from_mlflow(self) -> int:
        """Mark the runs of the sweeps as deleted in MLflow, but for those that other sweeps use.

        Returns:
            How many were marked, among them the runs of the sweeps themselves and of their groups.

        Raises:
            TrackingError: A store cannot be reached or written.
        """
        return sum(delete_runs(sweep, self.used, self.outputs) for sweep in self.sweeps if sweep.tracked)

    def carry_out(self) -> None:
        """Move the shards that other sweeps use, then remove the folders and the reports.

        After an interruption, the same deletion can be planned and carried out again.

        Raises:
            CannotWrite: A file cannot be moved or removed.
        """
        try:
            for folder, shards in self.moves.items():
                _move(shards, folder / SHARDS)
            for sweep in self.sweeps:
                (sweep.folder / RECORD).unlink(missing_ok=True)  # without its record, a folder is no sweep
                remove_folder(sweep.folder.resolve(), self.outputs)
                if sweep.folder.is_symlink():  # it has another name than the folder
                    sweep.folder.unlink()
                shutil.rmtree(self.outputs / "reports" / sweep.id, ignore_errors=True)
        except OSError as error:
            where = error.filename or "a file of the sweep"
            raise CannotWrite(error.errno or 0, f"{where} cannot be removed: {error.strerror or error}") from error


def plan_deletion(sweeps: Sequence[Sweep], outputs: Path = OUTPUTS) -> Deletion:
    """Find out what removing sweeps means for others.

    Args:
        sweeps: The sweeps to remove.
        outputs: The folder of the ledger.

    Raises:
        ConfigError: A sweep is still running or belongs to another ledger, or another sweep cannot be read, so that nobody
            knows which runs it uses.
    """
    catalogue = Catalogue(outputs)
    known = {os.path.realpath(folder) for folder in catalogue.entries}
    for sweep in sweeps:
        if sweep.is_running:
            raise ConfigError(f"{sweep.id} is still running; stop its command first, or wait for it")
        if os.path.realpath(sweep.folder) not in known:
            raise ConfigError(
                f"{sweep.folder} is not a sweep under {outputs} here, so nobody knows which other sweeps use its runs; "
                "go to the folder whose outputs hold it, and delete it there"
            )
    gone = {os.path.realpath(sweep.folder) for sweep in sweeps}
    for folder, entry in catalogue.entries.items():
        if entry.fault and os.path.realpath(folder) not in gone:
            raise ConfigError(f"{entry.fault}; mend or remove it first, because it may use runs of these sweeps")
    moves: dict[Path, list[Path]] = {}
    moved: set[Path] = set()
    used: set[str] = set()
    for other in all_sweeps(outputs):
        if os.path.realpath(other.folder) in gone:
            continue
        try:
            run_ids = read_job_run_ids(other.folder, other.record.jobs_sha256)
        except Unreadable as error:
            raise ConfigError(f"{error}; mend or remove {other.id} first, because it may use runs of these sweeps") from error
        used |= run_ids
        for paths in catalogue.places(run_ids).values():
            stay = [path for path in paths if os.path.realpath(path.parent.parent) not in gone or path in moved]
            if not stay:
                shard = paths[0]
                moves.setdefault(other.folder, []).append(shard)
                moved.add(shard)
    return Deletion(list(sweeps), sum(folder_size(sweep.folder) for sweep in sweeps), moves, outputs, used)


def _move(shards: Sequence[Path], folder: Path) -> None:
    """Move shards into a folder. Each is there under its name only once it is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    for shard in shards:
        target = folder / shard.name
        try:
            shard.replace(target)
        except OSError:  # another file system
            write_bytes(read_bytes(shard), target)
    sync_folder(folder)
