"""What runs must have in common to be trained in one stack, and the arrays that follow from it."""

from collections.abc import Hashable
from dataclasses import is_dataclass
from typing import Any

from fa_sweep.feedback import MODES
from fa_sweep.numerics.layout import Layout, layout_of
from fa_sweep.roles import SHARED_IN_STACK, names_with
from fa_sweep.settings.schema import RunConfig
from fa_sweep.tasks import task_of


def structure(run: RunConfig) -> tuple[Hashable, ...]:
    """Return what must be equal for two runs to share a stack: the settings whose role is in `SHARED_IN_STACK`."""
    return tuple(_shared(getattr(run, name)) for name in names_with(RunConfig, *SHARED_IN_STACK))


def _shared(value: Any) -> Hashable:
    if not is_dataclass(value):
        return repr(value)
    kind = type(value)
    return repr([(name, getattr(value, name)) for name in names_with(kind, *SHARED_IN_STACK)])


def is_alike(run: RunConfig, other: RunConfig) -> bool:
    """Whether two runs have one structure, as far as can be told at once: by the thousand they share their groups."""
    shared = names_with(RunConfig, *SHARED_IN_STACK)
    return all(getattr(run, name) is getattr(other, name) or getattr(run, name) == getattr(other, name) for name in shared)


def slice_key(run: RunConfig) -> tuple[str, Hashable]:
    """Return what runs share that lie in one slice of a stack: the mode, and what of its options shapes its arrays."""
    return run.feedback.mode, MODES[run.feedback.mode].slice_key(run.feedback)


def widths_of(run: RunConfig) -> list[int]:
    """Return the layer widths n_0 ... n_L, of which the task gives the first and the last."""
    task = task_of(run)
    return [task.inputs, *run.model.hidden, task.outputs]


def layout_for(run: RunConfig) -> Layout:
    """Return the layout that a run's structure asks for."""
    return layout_of(widths_of(run), run.train.batch_size, run.dtype)
