"""Write artifacts through MLflow's client and check that the store has them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fa_sweep.errors import StoreClosed
from fa_sweep.tracking.stores.patience import Patience

if TYPE_CHECKING:
    from mlflow import MlflowClient


class ClientArtifacts:
    """Writes the artifacts of runs. Once the store has refused one, nothing more is written.

    Attributes:
        taken: Whether the store still accepts artifacts. Once it is false, `write` does nothing.
        notice: A line for the user that says why the store accepts no artifacts; empty while it does.
    """

    def __init__(self, client: "MlflowClient", patience: Patience, uri_of: Callable[[str], str], *, threaded: bool) -> None:
        """Prepare to write; nothing is sent yet.

        Args:
            client: MLflow's client, connected to the store.
            patience: Repeats requests and limits how long they may take.
            uri_of: Returns the artifact location of a run, given the run's id.
            threaded: Whether each request runs in a thread of its own, which is abandoned if no answer comes.
        """
        self._client, self._patience, self._uri_of, self._threaded = client, patience, uri_of, threaded
        self._places: dict[str, Any] = {}  # by run id
        self.taken = True
        self.notice = ""

    def _ask(self, call: Callable[[], Any]) -> Any:
        return self._patience.ask(call, threaded=self._threaded)

    def _artifacts_of(self, run_id: str) -> Any:
        """Return MLflow's object that reads and writes a run's artifacts.

        It is not taken from MLflow's client, because the client would cache even a location from a garbled answer.
        """
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
        from mlflow.utils.uri import add_databricks_profile_info_to_artifact_uri

        if run_id not in self._places:
            own = self._client.tracking_uri
            uri = add_databricks_profile_info_to_artifact_uri(self._uri_of(run_id), own)  # type: ignore[no-untyped-call]
            self._places[run_id] = get_artifact_repository(uri, tracking_uri=own)
        return self._places[run_id]

    def write(self, run_id: str, path: Path, folder: str | None) -> None:
        """Write a file as an artifact, and check that the store lists it afterwards.

        The check is needed because MLflow's client regards every answer with status 200 as a success. If the store refuses or
        loses the artifact, `taken` becomes false and the import goes on without artifacts.

        Args:
            run_id: The run.
            path: The file. Its name becomes the artifact's name.
            folder: The folder among the run's artifacts; None for the top folder.

        Raises:
            StoreClosed: If the store does not answer in time.
            Exception: An error which says that a file or the server could not be reached.
        """
        if not self.taken:
            return
        name, size = f"{folder}/{path.name}" if folder else path.name, path.stat().st_size

        def done() -> bool:
            found = self._ask(lambda: self._artifacts_of(run_id).list_artifacts(folder))
            return any(one.path == name and one.file_size in (None, size) for one in found)

        def send() -> None:
            self._ask(lambda: self._artifacts_of(run_id).log_artifact(str(path), folder))

        try:
            self._patience.until(send, done, f"artifact {name} of run {run_id}")
        except Exception as error:
            if isinstance(error, StoreClosed) or any(map(_is_out_of_reach, causes(error))):
                raise
            self.taken = False
            reason = " ".join(str(error).split())[:200]
            self.notice = f"{self._patience.who} takes no artifacts from here: {type(error).__name__}: {reason}"


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, then its cause, then the cause of that, and so on."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_out_of_reach(error: BaseException) -> bool:
    """Whether an error says that a file or a server could not be reached. A server's refusal does not count."""
    answered = {kind.__name__ for kind in type(error).__mro__} & {"RetryError", "HTTPError"}
    return isinstance(error, OSError) and not answered
