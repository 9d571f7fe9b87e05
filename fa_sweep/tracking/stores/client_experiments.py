"""The experiments of an import, used through MLflow's client."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from fa_sweep.errors import Garbled, StoreClosed
from fa_sweep.tracking import tagnames
from fa_sweep.tracking.places import COPIES, PLACES, experiment_name, experiment_note
from fa_sweep.tracking.stores.artifacts import Home, place
from fa_sweep.tracking.stores.patience import PASSES
from fa_sweep.tracking.uris import is_sql, public

if TYPE_CHECKING:
    from mlflow import MlflowClient

T = TypeVar("T")
Ask = Callable[[Callable[[], Any]], Any]


class ClientExperiments:
    """Finds the experiment of each place, and creates it when it is first needed.

    If the store is a database, the artifacts of a new experiment go into the working folder. A server chooses the place itself.

    Attributes:
        ids: The ids of the experiments that exist, by place.
        notice: A line for the user about where artifacts are kept, or an empty string.
        takes_artifacts: Whether the store accepts artifacts from here.
    """

    def __init__(self, client: "MlflowClient", uri: str, home: Home, ask: Ask) -> None:
        """Look for the experiments.

        Args:
            client: MLflow's client.
            uri: The store's URI.
            home: The place for artifacts in this working folder, and the setting tracking.experiment.
            ask: Makes a request and repeats it if it fails.

        Raises:
            StoreClosed: If the experiment of sweeps or that of runs is deleted.
        """
        self._client, self._uri, self._ask, self._experiment = client, uri, ask, home.experiment
        self._homes = {where: Home(home.outputs, experiment_name(home.experiment, where)) for where in PLACES}
        self._deleted: set[str] = set()
        self._described: set[str] = set()
        self.ids: dict[str, str] = {}
        self.notice = ""
        self.takes_artifacts = True
        self.look()

    def look(self) -> None:
        """Look for the experiments that were not there before. Another command may have created them."""
        for where in PLACES:
            if where not in self.ids:
                self._find(where)

    def open(self, where: str) -> str:
        """Return the id of the experiment of a place, to add runs to it. It is created if it does not exist.

        Raises:
            StoreClosed: If the experiment is deleted, or if the store does not create it.
        """
        for _ in range(PASSES):
            if where in self.ids or self._find(where):
                break
            self._create(where)
        else:
            raise StoreClosed(f"{public(self._uri)} did not make experiment {self._homes[where].experiment!r}")
        self._require_active(where)
        for _ in range(PASSES):
            if where in self._described:
                break
            self._describe(where)
            self._find(where)
        self._described.add(where)  # a store that does not keep descriptions is not asked again
        return self.ids[where]

    def _describe(self, where: str) -> None:
        note = experiment_note(self._experiment, where)
        self._ask(lambda: self._client.set_experiment_tag(self.ids[where], tagnames.NOTE, note))

    def _find(self, where: str) -> bool:
        name = self._homes[where].experiment

        def get() -> Any:
            found = self._client.get_experiment_by_name(name)
            if found is not None and (not found.experiment_id or found.name != name):
                raise Garbled(f"{public(self._uri)} was asked for an experiment and answered with something else")
            return found

        found = self._ask(get)
        if found is None:
            return False
        if found.lifecycle_stage != "active":
            self._deleted.add(where)
            if where != COPIES:
                self._require_active(where)
        self.ids[where] = str(found.experiment_id)
        if tagnames.NOTE in (found.tags or {}):
            self._described.add(where)
        placing = place(found.artifact_location, self._homes[where], None) if is_sql(self._uri) else None
        if placing is not None and placing.notice and not self.notice:
            self.takes_artifacts = not found.artifact_location.startswith("mlflow-artifacts:")
            self.notice = placing.notice
        return True

    def _require_active(self, where: str) -> None:
        if where in self._deleted:
            said, name = repr(self._experiment), self._homes[where].experiment
            said += ", which is deleted" if name == self._experiment else f", and {name!r} is deleted"
            raise StoreClosed(f"tracking.experiment is {said}; restore it or name another")

    def _create(self, where: str) -> None:
        from mlflow.exceptions import MlflowException

        home = self._homes[where]
        location = home.location if is_sql(self._uri) else None
        try:
            self._ask(lambda: self._client.create_experiment(home.experiment, artifact_location=location))
        except MlflowException as error:  # another command created it first, or an earlier answer was lost
            if getattr(error, "error_code", None) != "RESOURCE_ALREADY_EXISTS":
                raise
