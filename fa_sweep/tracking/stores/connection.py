"""MLflow's own client: made ready, and asked for runs by their tags.

mlflow is imported inside the functions that need it: that takes seconds.
"""

import logging
import math
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fa_sweep.errors import Garbled
from fa_sweep.tracking.database import plain
from fa_sweep.tracking.uris import absolute, sqlite_file

if TYPE_CHECKING:
    from mlflow import MlflowClient

REFUSED = (
    "INVALID_PARAMETER_VALUE", "PERMISSION_DENIED", "UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED", "RESOURCE_ALREADY_EXISTS",
    "RESOURCE_DOES_NOT_EXIST", "ENDPOINT_NOT_FOUND", "FEATURE_DISABLED", "NOT_IMPLEMENTED",
)  # fmt: skip


def quiet(timeout_s: float = 30.0) -> None:
    """Set what MLflow takes from the environment: no telemetry, no lines of its own, nothing sent twice, and its time-out."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # two lines a run
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
    os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = str(max(1, math.ceil(timeout_s)))
    import mlflow  # noqa: F401

    for name in ("alembic", "mlflow"):  # after the import, which sets them
        logging.getLogger(name).setLevel(logging.ERROR)


def connect(uri: str, timeout_s: float = 30.0) -> "MlflowClient":
    """Return MLflow's client for a tracking URI. A SQLite database has to be there, whole."""
    quiet(timeout_s)
    from mlflow import MlflowClient

    file = sqlite_file(uri)
    return MlflowClient(tracking_uri=f"sqlite:///{plain(file)}" if file else absolute(uri))


def is_refusal(error: Exception) -> bool:
    """Whether a store understood a request and will not do it, however often it is asked."""
    return getattr(error, "error_code", None) in REFUSED


def condition(tags: Mapping[str, str]) -> str:
    """Return tags and their values in MLflow's language, which has no way to write a text that contains both quotes.

    Such a tag is left out: whoever asks has to look at what is found.
    """
    parts = []
    for name, value in tags.items():
        quote = next((quote for quote in "'\"" if quote not in value), None)
        if quote is not None:
            parts.append(f"tags.`{name}` = {quote}{value}{quote}")
    return " and ".join(parts)


def search(
    client: "MlflowClient", experiment_id: str, tags: Mapping[str, str], *, deleted: bool = False
) -> Iterator[list[Any]]:
    """Yield the runs of an experiment that have these tags, page by page; `deleted`: those that were deleted, too."""
    token = None
    while True:
        runs, token = page(client, experiment_id, tags, token, deleted=deleted)
        yield runs
        if not token:
            return


def page(
    client: "MlflowClient", experiment_id: str, tags: Mapping[str, str], token: str | None, *, deleted: bool
) -> tuple[list[Any], str | None]:
    """Return one page of a search, and the token of the next one. Raises Garbled for runs that have no id."""
    from mlflow.entities import ViewType

    view = ViewType.ALL if deleted else ViewType.ACTIVE_ONLY
    found = client.search_runs([experiment_id], condition(tags), run_view_type=view, max_results=1000, page_token=token)
    if not all(run.info.run_id for run in found):
        raise Garbled("a search was answered with runs that have no id")
    return [run for run in found if tags.items() <= run.data.tags.items()], found.token
