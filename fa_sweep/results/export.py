"""Write the runs and histories of sweeps to files for other programs."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from fa_sweep.checks import one_of
from fa_sweep.errors import CannotWrite
from fa_sweep.results.result import Result
from fa_sweep.sweeping.folder import Sweep

FORMATS = ("parquet", "csv", "netcdf")


def export(sweeps: Sequence[Sweep], kind: str, folder: Path) -> list[Path]:
    """Write the runs and histories of sweeps to files. A file of the same name is replaced once the new one is whole.

    Args:
        sweeps: The sweeps, at least one. A run that stands in several of them is written once.
        kind: "parquet" or "csv" for the files `runs` and `histories`, "netcdf" for the file `results.nc`, which needs the extra
            `xarray`.
        folder: The folder to write into. It is created if it does not exist.

    Returns:
        The paths of the files.

    Raises:
        ConfigError: The format is unknown, or needs an extra that is not installed.
        CannotWrite: A file cannot be written.
    """
    one_of("--format", kind, FORMATS)
    result = Result(sweeps)
    if kind == "netcdf":
        data = result.to_xarray()
        data = data.rename({name: str(name).replace("/", ".") for name in data})  # a slash would be a group in the file
        return [_written(folder / "results.nc", partial(data.to_netcdf, engine="netcdf4"))]
    frames = {"runs": result.runs, "histories": result.histories}
    if kind == "csv":
        return [_written(folder / f"{name}.csv", partial(frame.to_csv, index=False)) for name, frame in frames.items()]
    return [_written(folder / f"{name}.parquet", partial(frame.to_parquet, index=False)) for name, frame in frames.items()]


def _written(path: Path, write: Callable[[Path], Any]) -> Path:
    part = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(part)
        part.replace(path)
    except OSError as error:
        raise CannotWrite(error.errno or 0, f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
    return path
