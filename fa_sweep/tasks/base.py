"""What every task is made of; the tasks themselves stand beside this file, one a file."""

import hashlib
from dataclasses import dataclass

import numpy as np

from fa_sweep.checks import one_of
from fa_sweep.losses import LOSSES

Array = np.ndarray

METRICS_AT_MOST = ("loss",)
METRICS_AT_LEAST = ("accuracy", "accuracy_sampled")


@dataclass
class SuccessConfig:
    """When an evaluation counts as a success: `metric` `at_least` or `at_most` `value`."""

    metric: str
    direction: str
    value: float

    def __post_init__(self) -> None:
        one_of("task.success.metric", self.metric, (*METRICS_AT_LEAST, *METRICS_AT_MOST))
        one_of("task.success.direction", self.direction, ("at_least", "at_most"))


@dataclass
class TaskConfig:
    """Settings that every task has; a task with options of its own extends it.

    `decision_boundary`: an output above it counts as class 1, for accuracy.
    """

    name: str
    loss: str
    decision_boundary: float
    success: SuccessConfig

    def __post_init__(self) -> None:
        one_of("task.loss", self.loss, LOSSES)


@dataclass(frozen=True)
class Examples:
    """Inputs (examples, n_0) and targets (examples, n_L)."""

    inputs: Array
    targets: Array


@dataclass(frozen=True)
class Task:
    """Examples to train on, drawn with replacement, and the whole set to evaluate on."""

    name: str
    training: Examples
    evaluation: Examples
    decision_boundary: float

    @property
    def digest(self) -> str:
        """Hash of the content of every array, 16 hex digits."""
        arrays = (self.training.inputs, self.training.targets, self.evaluation.inputs, self.evaluation.targets)
        return hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest()[:16]
