"""Write the runs and histories of sweeps to files for other programs."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from fa_sweep.checks import one_of
from fa_sweep.results.result import Result
from fa_sweep.sweeping.folder import Sweep
from fa_sweep.sweeping.storage import write_with

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
        return [write_with(partial(data.to_netcdf, engine="netcdf4"), folder / "results.nc")]
    frames = {"runs": result.runs, "histories": result.histories}
    if kind == "csv":
        return [write_with(partial(frame.to_csv, index=False), folder / f"{name}.csv") for name, frame in frames.items()]
    return [write_with(partial(frame.to_parquet, index=False), folder / f"{name}.parquet") for name, frame in frames.items()]
