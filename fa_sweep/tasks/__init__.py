"""Tasks: the one table of them, a constructor and the schema of its settings each."""

from collections.abc import Callable

from fa_sweep.tasks.base import Examples, SuccessConfig, Task, TaskConfig
from fa_sweep.tasks.xor import xor

TASKS: dict[str, tuple[Callable[[TaskConfig], Task], type[TaskConfig]]] = {
    "xor": (xor, TaskConfig),
}


def make_task(config: TaskConfig) -> Task:
    """Build the task that the settings name."""
    return TASKS[config.name][0](config)


__all__ = ["TASKS", "Examples", "SuccessConfig", "Task", "TaskConfig", "make_task"]
