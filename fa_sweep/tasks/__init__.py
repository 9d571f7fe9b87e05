"""Tasks: the one table of them, a module each."""

from collections import OrderedDict

from fa_sweep.registry import Pieces
from fa_sweep.tasks.base import METRICS, Examples, SuccessConfig, Task, TaskConfig, TaskKind

TASKS: Pieces[TaskKind] = Pieces(__name__, "TASK", group="fa_sweep.tasks", besides=frozenset({"base", "split", "files"}))

_made: OrderedDict[tuple[str, int], Task] = OrderedDict()
_KEPT = 8  # tasks, the latest: a file of images is read once a sweep


def make_task(config: TaskConfig, seed: int = 0) -> Task:
    """Build the task that the settings name, for one seed. Raises ConfigError, naming file and fault, for bad files."""
    kind = TASKS[config.name]
    if kind.seeded:
        return kind.make(config, seed)
    key = (repr(config), 0)
    if key not in _made:
        _made[key] = kind.make(config, 0)
        if len(_made) > _KEPT:
            _made.popitem(last=False)
    return _made[key]


__all__ = ["METRICS", "TASKS", "Examples", "SuccessConfig", "Task", "TaskConfig", "TaskKind", "make_task"]
