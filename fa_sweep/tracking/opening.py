"""Open a tracking store, and turn its errors into messages of one line."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fa_sweep.errors import ConfigError, NotWritten, StoreClosed, TrackingError
from fa_sweep.settings.schema import TrackingConfig
from fa_sweep.tracking.stores import Store, open_store
from fa_sweep.tracking.uris import public, sqlite_file

Say = Callable[[str], None]


def silent(_: str) -> None:
    """Do nothing with a line for the user. This is the default for parameters called `say`."""


@contextmanager
def reported(uri: str) -> Iterator[None]:
    """Turn every error of a store, a database driver or the network into a TrackingError with a one-line message.

    ConfigError and TrackingError pass unchanged. A traceback would not help the user: the ledger still has every run, and the
    import can be repeated.

    Args:
        uri: The store's URI. The message names it without a password.

    Raises:
        TrackingError: For any error within the block.
    """
    try:
        yield
    except (TrackingError, ConfigError):
        raise
    except Exception as error:
        raise _tracking_error(error, uri) from error


def _tracking_error(error: Exception, uri: str) -> TrackingError:
    chain: list[BaseException] = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(cause)
    if sqlite_file(uri) and any(map(_of_the_disk, chain)):
        reason = next(str(one) for one in reversed(chain) if str(one))
        return NotWritten(f"{public(uri)} cannot be written: {' '.join(reason.split())[:200]}")
    network = [one for one in chain if isinstance(one, OSError) and one.strerror]
    if network and not sqlite_file(uri):
        return StoreClosed(f"{public(uri)} is out of reach: {network[-1].strerror}")
    return TrackingError(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")


def _of_the_disk(error: BaseException) -> bool:
    """Whether an error says that a database or a file on this machine cannot be written."""
    if isinstance(error, OSError):
        return not isinstance(error, (ConnectionError, TimeoutError))
    return type(error).__name__ in ("OperationalError", "DatabaseError")  # of sqlite3 and of SQLAlchemy, which is imported late


def open_for(tracking: TrackingConfig, outputs: Path, say: Say = silent) -> Store:
    """Open the store and the experiment that the settings name.

    Raises:
        StoreClosed: If either cannot be opened.
    """
    try:
        with reported(tracking.uri):
            return open_store(tracking.uri, tracking.experiment, outputs, tracking.timeout_s, say)
    except StoreClosed:
        raise
    except TrackingError as error:
        raise StoreClosed(str(error)) from error
