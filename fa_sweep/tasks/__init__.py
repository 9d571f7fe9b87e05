"""The table of tasks (one module per task), and functions that build a task from its settings."""

from collections import OrderedDict
from typing import Any

from fa_sweep.checks import shown
from fa_sweep.process.resources import require_memory
from fa_sweep.registry import Pieces
from fa_sweep.tasks._base import METRICS, Examples, SuccessConfig, Task, TaskConfig, TaskKind

TASKS: Pieces[TaskKind] = Pieces(__name__, "TASK", group="fa_sweep.tasks")

_made: OrderedDict[tuple[str, str], Task] = OrderedDict()
# The last few tasks are kept, so that a sweep reads a file of images only once. The newest task is kept whatever its size.
_KEPT = 8
_KEPT_BYTES = 2**30  # limit for all kept tasks together


def make_task(config: TaskConfig, seed: int = 0, dtype: str = "float64") -> Task:
    """Return the task that the settings name. It is built unless an earlier call has built and kept it.

    Args:
        config: the task's settings.
        seed: the seed whose task is returned. It is ignored if all seeds share one task (see `TaskKind`).
        dtype: floating-point type of the examples, "float64" or "float32". float32 takes half the memory. The
            examples are rounded to it just as the engine would round them.

    Returns:
        The task. It may be shared with other callers, so its arrays must not be changed.

    Raises:
        ConfigError: a file cannot be used, or the examples do not fit into memory. The message names the file or the setting.
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


def forget_tasks() -> None:
    """Forget the tasks that were built, so that the next one is built anew from its files."""
    _made.clear()


def task_of(run: Any, seed: int = 0) -> Task:
    """Build the task of a run for one seed, in the run's floating-point type.

    Args:
        run: the run's settings (`RunConfig`).
        seed: the seed whose task is built. The run's own seed is ignored. The default suffices if only shapes are needed.
    """
    return make_task(run.task, seed, run.dtype)


def _make(kind: TaskKind, config: TaskConfig, seed: int) -> Task:
    if kind.numbers is not None:
        require_memory({_setting(config, field): 8 * count for field, count in kind.numbers(config).items()})
    return kind.make(config, seed)


def _setting(config: TaskConfig, field: str) -> str:
    value = shown(getattr(config, field.partition(".")[2], ""))
    return f"{field}={value.replace(' ', '')}"


__all__ = [
    "METRICS",
    "TASKS",
    "Examples",
    "SuccessConfig",
    "Task",
    "TaskConfig",
    "TaskKind",
    "forget_tasks",
    "make_task",
    "task_of",
]
