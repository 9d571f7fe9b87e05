"""Artifacts through MLflow's own client: written, then looked for."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fa_sweep.errors import StoreClosed
from fa_sweep.tracking.stores.patience import Patience

if TYPE_CHECKING:
    from mlflow import MlflowClient


class ClientArtifacts:
    """Where the artifacts of a store's runs go.

    `taken` says whether the store takes any; once it does not, `notice` says why.
    """

    def __init__(self, client: "MlflowClient", patience: Patience, uri_of: Callable[[str], str], *, threaded: bool) -> None:
        """Prepare to write.

        Args:
            client: MLflow's client of the store.
            patience: how long to wait for an answer.
            uri_of: returns where the store keeps the artifacts of a run.
            threaded: whether requests are made in a thread of their own, which can be left.
        """
        self._client, self._patience, self._uri_of, self._threaded = client, patience, uri_of, threaded
        self._places: dict[str, Any] = {}  # by run
        self.taken = True
        self.notice = ""

    def _ask(self, call: Callable[[], Any]) -> Any:
        return self._patience.ask(call, threaded=self._threaded)

    def _artifacts_of(self, run_id: str) -> Any:
        """Return where a run's artifacts go. MLflow's client would remember an answer that makes no sense as a place, too."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
        from mlflow.utils.uri import add_databricks_profile_info_to_artifact_uri

        if run_id not in self._places:
            own = self._client.tracking_uri
            uri = add_databricks_profile_info_to_artifact_uri(self._uri_of(run_id), own)  # type: ignore[no-untyped-call]
            self._places[run_id] = get_artifact_repository(uri, tracking_uri=own)
        return self._places[run_id]

    def write(self, run_id: str, path: Path, folder: str | None) -> None:
        """Keep an artifact, unless the store's artifacts are out of this machine's reach: runs are tracked without, too.

        MLflow's client takes any answer with status 200 for a yes, so the artifact is looked for afterwards.
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
    """Yield an error, and what it came from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_out_of_reach(error: BaseException) -> bool:
    """Whether a file or a server could not be reached, as opposed to a server that answered with a refusal."""
    answered = {kind.__name__ for kind in type(error).__mro__} & {"RetryError", "HTTPError"}
    return isinstance(error, OSError) and not answered
