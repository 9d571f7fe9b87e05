"""Tasks: the one table of them, a module each."""

from collections import OrderedDict
from typing import Any

from fa_sweep.checks import shown
from fa_sweep.process.resources import require_memory
from fa_sweep.registry import Pieces
from fa_sweep.tasks._base import METRICS, Examples, SuccessConfig, Task, TaskConfig, TaskKind

TASKS: Pieces[TaskKind] = Pieces(__name__, "TASK", group="fa_sweep.tasks")

_made: OrderedDict[tuple[str, str], Task] = OrderedDict()
_KEPT = 8  # tasks, the latest: a file of images is read once a sweep
_KEPT_BYTES = 2**30  # of all but the latest


def make_task(config: TaskConfig, seed: int = 0, dtype: str = "float64") -> Task:
    """Build the task that the settings name.

    Args:
        config: the task's settings.
        seed: whose task to build, where each seed has its own.
        dtype: of the examples: float32 is half the memory, and rounded as the engine would round it.

    Raises:
        ConfigError: a file cannot be used, or the examples find no room in memory; the message names it.
    """
    kind = TASKS[config.name]
    if kind.seeded and seed != 0:
        return _make(kind, config, seed).astype(dtype)
    key = repr(config), dtype
    if key not in _made:
        _made[key] = _make(kind, config, 0).astype(dtype)
        while len(_made) > _KEPT or (len(_made) > 1 and sum(task.nbytes for task in _made.values()) > _KEPT_BYTES):
            _made.popitem(last=False)
    return _made[key]


def task_of(run: Any, seed: int = 0) -> Task:
    """Build the task of a run's settings, for one seed, in the run's floating-point type."""
    return make_task(run.task, seed, run.dtype)


def _make(kind: TaskKind, config: TaskConfig, seed: int) -> Task:
    if kind.numbers is not None:
        require_memory({_setting(config, field): 8 * count for field, count in kind.numbers(config).items()})
    return kind.make(config, seed)


def _setting(config: TaskConfig, field: str) -> str:
    value = shown(getattr(config, field.partition(".")[2], ""))
    return f"{field}={value.replace(' ', '')}"


__all__ = ["METRICS", "TASKS", "Examples", "SuccessConfig", "Task", "TaskConfig", "TaskKind", "make_task", "task_of"]
