"""Create MLflow's client, and search for runs by their tags.

mlflow is imported inside the functions that need it, because the import takes seconds.
"""

import logging
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fa_sweep.errors import Garbled
from fa_sweep.tracking.database import plain
from fa_sweep.tracking.uris import absolute, sqlite_file

if TYPE_CHECKING:
    from mlflow import MlflowClient

_SET = (
    "MLFLOW_DISABLE_TELEMETRY", "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "MLFLOW_HTTP_REQUEST_MAX_RETRIES",
    "MLFLOW_HTTP_REQUEST_TIMEOUT",
)  # fmt: skip
REFUSED = (
    "INVALID_PARAMETER_VALUE", "PERMISSION_DENIED", "UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED", "RESOURCE_ALREADY_EXISTS",
    "RESOURCE_DOES_NOT_EXIST", "ENDPOINT_NOT_FOUND", "FEATURE_DISABLED", "NOT_IMPLEMENTED",
)  # fmt: skip


_variables: dict[str, str | None] = {}  # what `quiet` has changed, as it was before
_levels: dict[str, int] = {}


def put_back() -> None:
    """Give the environment and the loggers of this process back what `quiet` has changed."""
    while _variables:
        name, value = _variables.popitem()
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    while _levels:
        name, level = _levels.popitem()
        logging.getLogger(name).setLevel(level)


def quiet(timeout_s: float = 30.0) -> None:
    """Configure MLflow through the environment and import it: no telemetry, no log output and no repeated requests.

    MLflow's own retries are switched off because they can create a run twice; `Patience` repeats requests instead.

    Args:
        timeout_s: The time-out of MLflow's HTTP requests, in seconds.
    """
    for name in _SET:
        _variables.setdefault(name, os.environ.get(name))
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # otherwise MLflow prints two lines per run
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
    os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = str(max(1, math.ceil(timeout_s)))
    import mlflow  # noqa: F401

    for name in ("alembic", "mlflow"):  # after the import, which sets the levels too
        _levels.setdefault(name, logging.getLogger(name).level)
        logging.getLogger(name).setLevel(logging.ERROR)


def connect(uri: str, timeout_s: float = 30.0) -> "MlflowClient":
    """Return MLflow's client for a tracking URI. A SQLite database must already exist and have all its tables."""
    quiet(timeout_s)
    from mlflow import MlflowClient

    file = sqlite_file(uri)
    return MlflowClient(tracking_uri=f"sqlite:///{plain(file)}" if file else absolute(uri))


def is_refusal(error: Exception) -> bool:
    """Whether a store understood a request and refused it. Repeating the request is then pointless."""
    return getattr(error, "error_code", None) in REFUSED


def condition(tags: Mapping[str, str]) -> str:
    """Return a filter in MLflow's search language that selects the runs with these tags.

    The language cannot express a value that contains both kinds of quotes. Such a tag is left out of the filter, so the caller
    must check the tags of the runs that are found.
    """
    parts = []
    for name, value in tags.items():
        quote = next((quote for quote in "'\"" if quote not in value), None)
        if quote is not None:
            parts.append(f"tags.`{name}` = {quote}{value}{quote}")
    return " and ".join(parts)


def search(
    client: "MlflowClient", experiment_ids: Sequence[str], tags: Mapping[str, str], *, deleted: bool = False
) -> Iterator[list[Any]]:
    """Yield the runs of some experiments that have these tags, one page at a time.

    Args:
        client: MLflow's client.
        experiment_ids: The experiments' ids.
        tags: The tags and values that a run must have.
        deleted: Whether to include runs that are marked as deleted.
    """
    token = None
    while True:
        runs, token = page(client, experiment_ids, tags, token, deleted=deleted)
        yield runs
        if not token:
            return


def page(
    client: "MlflowClient", experiment_ids: Sequence[str], tags: Mapping[str, str], token: str | None, *, deleted: bool
) -> tuple[list[Any], str | None]:
    """Return one page of a search.

    Args:
        client: MLflow's client.
        experiment_ids: The experiments' ids.
        tags: The tags and values that a run must have.
        token: The token of the page; None for the first one.
        deleted: Whether to include runs that are marked as deleted.

    Returns:
        The runs, and the token of the next page; the token is empty or None on the last page.

    Raises:
        Garbled: If a run in the answer has no id.
    """
    from mlflow.entities import ViewType

    view = ViewType.ALL if deleted else ViewType.ACTIVE_ONLY
    found = client.search_runs(list(experiment_ids), condition(tags), run_view_type=view, max_results=1000, page_token=token)
    if not all(run.info.run_id for run in found):
        raise Garbled("a search was answered with runs that have no id")
    return [run for run in found if tags.items() <= run.data.tags.items()], found.token
