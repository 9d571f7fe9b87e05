"""Where shards are trained: one contract, a backend a file."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib.util import find_spec

from fa_sweep.checks import ConfigError, one_of
from fa_sweep.sweep.executors.base import Executor, Progress, Result, Trained
from fa_sweep.sweep.executors.local import open_local

__all__ = ["Executor", "Progress", "Result", "Trained", "check_executor", "open_executor"]


def open_executor(name: str, address: str | None, processes: int) -> AbstractContextManager[Executor]:
    """Open a backend by name: `processes` of this machine, or a Dask scheduler at `address`, else a Dask cluster here."""
    check_executor(name, address)
    if name == "dask":
        from fa_sweep.sweep.executors.dask import open_dask  # an extra

        return open_dask(address, processes)
    return open_local(processes)


def check_executor(name: str, address: str | None) -> None:
    """Raise ConfigError for an executor that is unknown, not installed, or that has no use for an address."""
    one_of("hydra.launcher.executor", name, EXECUTORS)
    if address is not None and name != "dask":
        raise ConfigError(f"hydra.launcher.address is {address}; executor {name} has none: choose hydra.launcher.executor=dask")
    EXECUTORS[name]()


def _nothing_needed() -> None:
    pass


def _dask_needed() -> None:
    if find_spec("distributed") is None:
        raise ConfigError("hydra.launcher.executor is dask; it needs an extra: pip install 'fa-sweep[dask]'")


EXECUTORS: dict[str, Callable[[], None]] = {"local": _nothing_needed, "dask": _dask_needed}
