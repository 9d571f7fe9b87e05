"""Tasks: the one table of them, a constructor and the schema of its settings each."""

from collections.abc import Callable

from fa_sweep.tasks.base import Examples, SuccessConfig, Task, TaskConfig
from fa_sweep.tasks.xor import xor

TASKS: dict[str, tuple[Callable[[TaskConfig], Task], type[TaskConfig]]] = {
    "xor": (xor, TaskConfig),
}

__all__ = ["TASKS", "Examples", "SuccessConfig", "Task", "TaskConfig"]
