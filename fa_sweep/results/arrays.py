"""Results as labelled arrays (xarray), with one dimension per factor, one for the seed and one for the step."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from fa_sweep.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd
    import xarray

EVENTS = ("first_reach_step", "convergence_step", "diverged_at_step")


def dataset(runs: "pd.DataFrame", histories: "pd.DataFrame", factors: Sequence[str]) -> "xarray.Dataset":
    """Return runs and histories as one dataset (see `Result.to_xarray`).

    Args:
        runs: One row per run, with a column for each factor, the seed, the outcome, the events and `final.METRIC`.
        histories: One row per run and evaluation, with a column for each factor, the seed, the step and each metric.
        factors: The names of the factors. Jobs that differ in none of them differ in their seed.

    Raises:
        ConfigError: xarray is not installed.
    """
    if find_spec("xarray") is None:
        raise ConfigError("to_xarray needs an extra: pip install 'fa-sweep[xarray]'")
    import xarray as xr

    axes = [*factors, "seed"]
    levels = {name: list(dict.fromkeys(map(_plain, runs[name]))) for name in factors} | {"seed": sorted(set(runs["seed"]))}
    steps = np.unique(histories["step"].to_numpy())
    shape = tuple(len(levels[name]) for name in axes)
    places = {name: {level: number for number, level in enumerate(levels[name])} for name in axes}
    of_run = tuple(runs[name].map(lambda level, name=name: places[name][_plain(level)]).to_numpy(int) for name in axes)
    lines = dict(zip(zip(runs["run_id"], runs["group"].astype(str), strict=True), range(len(runs)), strict=True))
    row = np.array([lines[key] for key in zip(histories["run_id"], histories["group"].astype(str), strict=True)], int)
    of_point = (*(index[row] for index in of_run), np.searchsorted(steps, histories["step"].to_numpy()))
    known = {*factors, "run_id", "group", "seed", "step"}
    arrays: dict[str, tuple[list[str], Any]] = {"outcome": (axes, _filled(shape, of_run, runs["outcome"].to_numpy(object), ""))}
    for name in (*EVENTS, *(name for name in runs if name.startswith("final."))):
        arrays[name] = axes, _filled(shape, of_run, runs[name].to_numpy(float), np.nan)
    for name in (name for name in histories if name not in known):
        arrays[name] = [*axes, "step"], _filled((*shape, len(steps)), of_point, histories[name].to_numpy(float), np.nan)
    return xr.Dataset(arrays, coords={**levels, "step": steps})


def _filled(shape: tuple[int, ...], places: tuple[Any, ...], values: Any, empty: Any) -> Any:
    array = np.full(shape, empty, values.dtype)
    array[places] = values
    return array.astype(str) if values.dtype == object else array


def _plain(level: Any) -> Any:
    """Return a level that can be compared with others of its axis: nothing is an empty text, as missing levels are NaN."""
    return "" if level is None or (isinstance(level, float) and np.isnan(level)) else level
