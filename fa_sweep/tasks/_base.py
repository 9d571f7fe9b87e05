"""What every task is made of; the tasks themselves stand beside this file, one a file."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fa_sweep._typing import Array
from fa_sweep.checks import one_of
from fa_sweep.errors import ConfigError
from fa_sweep.numerics.losses import LOSSES
from fa_sweep.numerics.sampling import SAMPLINGS
from fa_sweep.roles import JUDGING, PROPOSING

# What an evaluation measures beside the loss, by what the targets are.
METRICS = {
    "binary": ("accuracy", "accuracy_sampled"),  # one output, above a boundary or not
    "one_hot": ("accuracy", "accuracy_sampled"),  # an output a class, the largest wins
    "regression": ("normalised_squared_error", "centred_squared_error"),
}


@dataclass
class SuccessConfig:
    """When an evaluation counts as a success: `metric` `at_least` or `at_most` `value`."""

    metric: str
    direction: str
    value: float

    def __post_init__(self) -> None:
        one_of("task.success.metric", self.metric, dict.fromkeys(["loss", *(m for names in METRICS.values() for m in names)]))
        one_of("task.success.direction", self.direction, ("at_least", "at_most"))


@dataclass
class TaskConfig:
    """Settings that every task has; a task with options of its own extends it.

    `loss` and `sampling` are what `train.loss` and `train.sampling` follow unless they are set themselves.
    """

    name: str
    loss: str = field(metadata=PROPOSING)
    sampling: str = field(metadata=PROPOSING)
    success: SuccessConfig = field(metadata=JUDGING)

    def __post_init__(self) -> None:
        one_of("task.loss", self.loss, LOSSES)
        one_of("task.sampling", self.sampling, SAMPLINGS)


@dataclass(frozen=True)
class Examples:
    """Inputs (examples, n_0) and targets (examples, n_L), float64; float32 where the runs are."""

    inputs: Array
    targets: Array

    def __post_init__(self) -> None:
        if len(self.inputs) != len(self.targets) or self.inputs.ndim != 2 or self.targets.ndim != 2:
            raise ConfigError(f"inputs {self.inputs.shape} and targets {self.targets.shape} are no examples, a row each")

    @property
    def nbytes(self) -> int:
        """The bytes of both arrays."""
        return int(self.inputs.nbytes + self.targets.nbytes)

    def astype(self, dtype: str) -> "Examples":
        """Return the examples in another floating-point type."""
        return Examples(self.inputs.astype(dtype, copy=False), self.targets.astype(dtype, copy=False))


@dataclass(frozen=True)
class Task:
    """Examples to train on, and the whole set to evaluate on.

    `training` is a finite set, or None where `fresh(generator, n)` draws n new examples instead; `targets` is a key of
    `METRICS`; an output above `decision_boundary` counts as class 1 where they are binary.
    """

    evaluation: Examples
    targets: str
    training: Examples | None = None
    fresh: Callable[[np.random.Generator, int], Examples] | None = None
    decision_boundary: float = 0.5

    @property
    def inputs(self) -> int:
        """n_0, the number of inputs."""
        return int(self.evaluation.inputs.shape[1])

    @property
    def outputs(self) -> int:
        """n_L, the number of outputs."""
        return int(self.evaluation.targets.shape[1])

    @property
    def nbytes(self) -> int:
        """The bytes of all examples."""
        return self.evaluation.nbytes + (self.training.nbytes if self.training else 0)

    def astype(self, dtype: str) -> "Task":
        """Return the task with its examples in another floating-point type; the same where they are in it already."""
        if self.evaluation.inputs.dtype == dtype:
            return self
        training = None if self.training is None else self.training.astype(dtype)
        return replace(self, evaluation=self.evaluation.astype(dtype), training=training)

    @property
    def digest(self) -> str:
        """Hash of the content of every array, 16 hex digits."""
        sets = [self.evaluation, *([self.training] if self.training else [])]
        arrays = [array for examples in sets for array in (examples.inputs, examples.targets)]
        return hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest()[:16]


@dataclass(frozen=True)
class TaskKind:
    """A piece of the table of tasks: `make(settings, seed)` builds the task from the schema `Config`.

    `seeded` says that each seed has a task of its own, from its stream `task`; otherwise `make` gets the seed 0.
    `numbers(settings)` says how many numbers the examples will hold, by the setting that asks for them, so that examples that
    do not fit into memory are refused before any is made.
    """

    make: Callable[[Any, int], Task]
    Config: type[TaskConfig] = TaskConfig
    seeded: bool = False
    numbers: Callable[[Any], dict[str, int]] | None = None


def one_hot(labels: Array, classes: int) -> Array:
    """labels (examples,) -> (examples, classes) of zeros and ones."""
    encoded = np.zeros((len(labels), classes))
    encoded[np.arange(len(labels)), labels] = 1.0
    return encoded
