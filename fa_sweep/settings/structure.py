"""Decides which runs can be trained together in one stack, and returns their layer widths and memory layout."""

from collections.abc import Hashable
from dataclasses import is_dataclass
from typing import Any

from fa_sweep.feedback import MODES
from fa_sweep.numerics.layout import Layout, layout_of
from fa_sweep.roles import SHARED_IN_STACK, names_with
from fa_sweep.settings.schema import RunConfig
from fa_sweep.tasks import task_of


def structure(run: RunConfig) -> tuple[Hashable, ...]:
    """Return a key that is equal for runs that can be trained together in one stack.

    It consists of the settings whose role is in `SHARED_IN_STACK`.
    """
    return tuple(_shared(getattr(run, name)) for name in names_with(RunConfig, *SHARED_IN_STACK))


def _shared(value: Any) -> Hashable:
    if not is_dataclass(value):
        return repr(value)
    kind = type(value)
    return repr([(name, getattr(value, name)) for name in names_with(kind, *SHARED_IN_STACK)])


def is_alike(run: RunConfig, other: RunConfig) -> bool:
    """Whether a quick check shows that two runs have the same structure.

    The check is quick because the runs of a sweep usually share the objects that hold their groups of settings. False means
    only that `structure` must decide.
    """
    shared = names_with(RunConfig, *SHARED_IN_STACK)
    return all(getattr(run, name) is getattr(other, name) or getattr(run, name) == getattr(other, name) for name in shared)


def slice_key(run: RunConfig) -> tuple[str, Hashable]:
    """Return a key that is equal for all runs in one slice of a stack.

    It consists of the feedback mode and those of its options that determine its arrays or when they are redrawn.
    """
    return run.feedback.mode, MODES[run.feedback.mode].slice_key(run.feedback)


def widths_of(run: RunConfig) -> list[int]:
    """Return the layer widths n_0 ... n_L. The task determines the first and the last."""
    task = task_of(run)
    return [task.inputs, *run.model.hidden, task.outputs]


def layout_for(run: RunConfig) -> Layout:
    """Return the layout in memory that suits a run's layer widths, batch size and floating-point type."""
    return layout_of(widths_of(run), run.train.batch_size, run.dtype)
