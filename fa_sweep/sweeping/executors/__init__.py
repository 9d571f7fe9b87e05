"""Executors: each trains shards on one backend (this machine, Dask or SLURM). Their common contract is `base.Executor`."""

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib.util import find_spec
from pathlib import Path

from fa_sweep.checks import one_of
from fa_sweep.errors import ConfigError, ShardLost
from fa_sweep.sweeping.executors.base import Executor, ExecutorSettings, Progress, Result
from fa_sweep.sweeping.executors.local import open_local, start_server
from fa_sweep.sweeping.failures import Failed
from fa_sweep.sweeping.work import Trained

__all__ = [
    "Executor", "ExecutorSettings", "Failed", "Progress", "Result", "ShardLost", "Trained",
    "check_executor", "expect_work", "open_executor",
]  # fmt: skip


def open_executor(settings: ExecutorSettings, processes: int, folder: Path) -> AbstractContextManager[Executor]:
    """Open the executor that the settings name.

    Args:
        settings: the name of the backend and its options.
        processes: how many processes should train at once. It is ignored if a Dask scheduler's address is given, because the
            scheduler already has its workers.
        folder: the sweep's folder. SLURM's tasks write their shards into it.

    Returns:
        A context manager that yields the executor. On leaving, it ends everything that it has started. On entering, it raises
        ConfigError if the Dask scheduler does not answer or submitit does not accept an option.

    Raises:
        ConfigError: the settings do not fit the executor, or something that it needs is missing.
    """
    check_executor(settings)
    if settings.name == "dask":
        from fa_sweep.sweeping.executors.dask import open_dask  # needs an optional dependency

        return open_dask(settings.address, processes)
    if settings.name == "slurm":
        from fa_sweep.sweeping.executors.slurm import open_slurm  # needs an optional dependency

        return open_slurm(settings.slurm, processes, folder)
    return open_local(processes)


def expect_work(name: str, processes: int) -> None:
    """Start early whatever a backend takes some time to start. This costs little, even if nothing is trained in the end.

    Args:
        name: the name of the executor.
        processes: how many processes will train at once.
    """
    if name == "local" and processes > 1:
        start_server()


def check_executor(settings: ExecutorSettings) -> None:
    """Check that an executor is known and available here, and that it uses all options that are set.

    Raises:
        ConfigError: the executor is unknown or not available, or it does not use an option.
    """
    name = settings.name
    one_of("hydra.launcher.executor", name, EXECUTORS)
    for setting, value, other in (("address", settings.address, "dask"), ("slurm", settings.slurm, "slurm")):
        if value and name != other:
            raise ConfigError(
                f"hydra.launcher.{setting} is {value}; executor {name} has no use for it: "
                f"choose hydra.launcher.executor={other}"
            )
    EXECUTORS[name]()


def _nothing_needed() -> None:
    pass


def _dask_needed() -> None:
    if find_spec("distributed") is None:
        raise ConfigError("hydra.launcher.executor is dask; it needs an extra: pip install 'fa-sweep[dask]'")


def _slurm_needed() -> None:
    if find_spec("submitit") is None:
        raise ConfigError("hydra.launcher.executor is slurm; it needs an extra: pip install 'fa-sweep[slurm]'")
    if shutil.which("sbatch") is None:
        raise ConfigError(
            "hydra.launcher.executor is slurm; there is no sbatch on this machine: start the command on a machine that has it"
        )


EXECUTORS: dict[str, Callable[[], None]] = {"local": _nothing_needed, "dask": _dask_needed, "slurm": _slurm_needed}
