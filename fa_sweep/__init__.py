"""Run hundreds of experiments on learning without backpropagation at once, keep every run, and report the statistics.

    from fa_sweep import compose, train

    runs = [compose("feedback=random", f"seed={seed}") for seed in range(50)]
    histories = train(runs)
    histories.metrics["accuracy"]  # one row per evaluation, one column per run

Each name is imported when it is first used, so `import fa_sweep` alone loads nothing else.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fa_sweep.cli.composition import compose
    from fa_sweep.engine.training import Histories, train
    from fa_sweep.errors import ConfigError, FaSweepError, RunsFailed, TrackingError
    from fa_sweep.settings.schema import RunConfig
    from fa_sweep.sweep.folder import Sweep, all_sweeps

__version__ = "0.1.0"

_HOMES = {
    "ConfigError": "fa_sweep.errors",
    "FaSweepError": "fa_sweep.errors",
    "Histories": "fa_sweep.engine.training",
    "RunConfig": "fa_sweep.settings.schema",
    "RunsFailed": "fa_sweep.errors",
    "Sweep": "fa_sweep.sweep.folder",
    "TrackingError": "fa_sweep.errors",
    "all_sweeps": "fa_sweep.sweep.folder",
    "compose": "fa_sweep.cli.composition",
    "train": "fa_sweep.engine.training",
}

__all__ = [
    "ConfigError", "FaSweepError", "Histories", "RunConfig", "RunsFailed", "Sweep", "TrackingError", "all_sweeps", "compose",
    "train",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'fa_sweep' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
