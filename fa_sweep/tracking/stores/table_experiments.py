"""The experiments of an import, used through MLflow's tables."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from fa_sweep.errors import StoreClosed
from fa_sweep.tracking import tagnames
from fa_sweep.tracking.places import COPIES, PLACES, experiment_name, experiment_note
from fa_sweep.tracking.stores.artifacts import Home, local_folder, place, require_room
from fa_sweep.tracking.stores.rows import insert
from fa_sweep.tracking.stores.schema import table

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection


class Run(Protocol):
    """Does work in one transaction, which may be repeated."""

    def __call__(self, work: "Callable[[Connection], Any]") -> Any:
        """Return what `work` returns."""


class Experiment(NamedTuple):
    """An experiment that exists: its id, and the location for the artifacts of new runs."""

    id: int
    location: str


class TableExperiments:
    """Finds the experiment of each place, and creates it when it is first needed.

    Attributes:
        known: The experiments that exist, by place.
        notices: Lines for the user about where artifacts are kept.
    """

    def __init__(self, run: Run, dialect: str, file: "Path | None", home: Home) -> None:
        """Look for the experiments.

        Args:
            run: Does work in one transaction.
            dialect: SQLAlchemy's name of the database.
            file: The SQLite file; None for another kind of database.
            home: The place for artifacts in this working folder, and the setting tracking.experiment.

        Raises:
            StoreClosed: If the experiment of sweeps or that of runs is deleted, or if the path of the artifacts is too long.
        """
        self._run, self._dialect, self._file = run, dialect, file
        self._experiment = home.experiment
        self._homes = {where: Home(home.outputs, experiment_name(home.experiment, where)) for where in PLACES}
        self._deleted: set[str] = set()
        self._introduced: set[str] = set()
        self.known: dict[str, Experiment] = {}
        self.notices: list[str] = []
        for one in self._homes.values():
            require_room(one.location, dialect)
        self.look()

    def look(self) -> None:
        """Look for the experiments that were not there before. Another command may have created them."""
        from sqlalchemy import select

        t = table("experiments").c
        names = {self._homes[where].experiment: where for where in PLACES if where not in self.known}
        where = t.name.in_(list(names)) & (t.workspace == "default")
        query = select(t.name, t.experiment_id, t.artifact_location, t.lifecycle_stage).where(where)
        rows = self._run(lambda connection: connection.execute(query).all())
        for name, number, location, stage in sorted(rows, key=lambda row: PLACES.index(names[row[0]])):
            if stage != "active":
                self._deleted.add(names[name])
                if names[name] != COPIES:
                    self._require_active(names[name])
            self.known[names[name]] = Experiment(int(number), self._place(names[name], int(number), str(location or "")))

    def open(self, where: str) -> Experiment:
        """Return the experiment of a place, to add runs to it. It is created if it does not exist.

        Raises:
            StoreClosed: If the experiment is deleted.
        """
        from sqlalchemy.exc import IntegrityError

        if where not in self.known:
            with suppress(IntegrityError):  # another command created it first, or an earlier answer was lost
                self._run(lambda connection: self._create(connection, where))
            self.look()
        self._require_active(where)
        if where not in self._introduced:
            with suppress(IntegrityError):  # another command has just done the same
                self._run(lambda connection: self._introduce(connection, where))
            self._introduced.add(where)
        return self.known[where]

    def _require_active(self, where: str) -> None:
        if where in self._deleted:
            said, name = repr(self._experiment), self._homes[where].experiment
            said += ", which is deleted" if name == self._experiment else f", and {name!r} is deleted"
            raise StoreClosed(f"tracking.experiment is {said}; restore it or name another")

    def _create(self, connection: "Connection", where: str) -> None:
        now, home = time.time_ns() // 1_000_000, self._homes[where]
        values = {"name": home.experiment, "artifact_location": home.location, "lifecycle_stage": "active"}
        row = {**values, "workspace": "default", "creation_time": now, "last_update_time": now}
        connection.execute(table("experiments").insert(), row)

    def _introduce(self, connection: "Connection", where: str) -> None:
        """Describe an experiment that has no description."""
        from sqlalchemy import select

        tags, number = table("experiment_tags").c, self.known[where].id
        own = (tags.experiment_id == number) & (tags.key == tagnames.NOTE)
        if connection.execute(select(tags.key).where(own)).first() is None:
            row = (tagnames.NOTE, experiment_note(self._experiment, where), number)
            insert(connection, "experiment_tags", [row])

    def _place(self, where: str, number: int, location: str) -> str:
        """Return the artifact location for new runs. If the working folder was moved, update the locations in the tables."""
        home = self._homes[where]
        placing = place(location, home, self._file)
        require_room(placing.location, self._dialect)
        if placing.moved_from is not None:
            old = local_folder(placing.moved_from)
            # If the database was moved without the artifacts, the locations of its runs are still right.
            with_runs = home.folder.exists() or old is None or not old.exists()
            new = placing.location
            self._run(lambda connection: _move(connection, number, location.rstrip("/"), new, with_runs=with_runs))
        if placing.notice is not None and not self.notices:  # one of several experiments in the same situation is enough
            self.notices.append(placing.notice)
        return placing.location


def _move(connection: "Connection", number: int, old: str, new: str, *, with_runs: bool) -> None:
    from sqlalchemy import func, literal

    experiments, runs = table("experiments"), table("runs")
    connection.execute(experiments.update().where(experiments.c.experiment_id == number).values(artifact_location=new))
    if with_runs:
        rest = func.substr(runs.c.artifact_uri, len(old) + 1)
        there = (runs.c.experiment_id == number) & (func.substr(runs.c.artifact_uri, 1, len(old) + 1) == f"{old}/")
        connection.execute(runs.update().where(there).values(artifact_uri=literal(new) + rest))
