"""Run hundreds of experiments on learning without backpropagation at once, keep every run, and report the statistics.

    import fa_sweep as fa

    result = fa.sweep(feedback=["symmetric", "random"], seed=range(50))
    result.runs       # one row per run
    result.report()   # writes the report

Each name is imported when it is first used, so `import fa_sweep` alone loads nothing else.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fa_sweep.api import compose, decide, load, plan, runs, sweep, sweeps, tune
    from fa_sweep.engine.training import Histories, train
    from fa_sweep.errors import ConfigError, FaSweepError, TrackingError
    from fa_sweep.results.result import Result
    from fa_sweep.settings.schema import RunConfig

__version__ = "0.1.0"

_HOMES = {
    "ConfigError": "fa_sweep.errors",
    "FaSweepError": "fa_sweep.errors",
    "Histories": "fa_sweep.engine.training",
    "Result": "fa_sweep.results.result",
    "RunConfig": "fa_sweep.settings.schema",
    "TrackingError": "fa_sweep.errors",
    "compose": "fa_sweep.api",
    "decide": "fa_sweep.api",
    "load": "fa_sweep.api",
    "plan": "fa_sweep.api",
    "runs": "fa_sweep.api",
    "sweep": "fa_sweep.api",
    "sweeps": "fa_sweep.api",
    "train": "fa_sweep.engine.training",
    "tune": "fa_sweep.api",
}

__all__ = [
    "ConfigError", "FaSweepError", "Histories", "Result", "RunConfig", "TrackingError", "compose", "decide", "load", "plan",
    "runs", "sweep", "sweeps", "train", "tune",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'fa_sweep' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
