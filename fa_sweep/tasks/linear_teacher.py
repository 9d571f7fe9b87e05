"""Learning a random linear map, y = T x, from fresh Gaussian inputs: the first task of Lillicrap et al. (2016)."""

from dataclasses import dataclass

import numpy as np

from fa_sweep.checks import at_least, positive
from fa_sweep.numerics.streams import stream
from fa_sweep.tasks._base import Examples, Task, TaskConfig, TaskKind


@dataclass
class LinearTeacherConfig(TaskConfig):
    """Settings of a linear teacher T (outputs, inputs) and its examples (x, T x) with x ~ N(0, I).

    Args:
        inputs: the length of x.
        outputs: the length of y.
        teacher_scale: the entries of T are drawn from U(-teacher_scale, teacher_scale).
        held_out: the number of examples in the evaluation set.

    Raises:
        ConfigError: a number is out of range.
    """

    inputs: int
    outputs: int
    teacher_scale: float
    held_out: int

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("inputs", "outputs", "held_out"):
            at_least(f"task.{name}", getattr(self, name), 1)
        positive("task.teacher_scale", self.teacher_scale)


def make(config: LinearTeacherConfig, seed: int) -> Task:
    """Draw the teacher and the evaluation set of one seed. Training examples are drawn afresh at every step."""
    teacher = stream(seed, "task").uniform(-config.teacher_scale, config.teacher_scale, (config.outputs, config.inputs))

    def fresh(generator: np.random.Generator, n: int) -> Examples:
        x = generator.standard_normal((n, config.inputs))
        return Examples(x, x @ teacher.T)

    return Task(fresh(stream(seed, "task", kind=1), config.held_out), "regression", fresh=fresh)


def _numbers(config: LinearTeacherConfig) -> dict[str, int]:
    width = config.inputs + config.outputs
    largest = max(("held_out", "inputs", "outputs"), key=lambda name: int(getattr(config, name)))
    return {f"task.{largest}": config.held_out * width + config.inputs * config.outputs}


TASK = TaskKind(make, LinearTeacherConfig, seeded=True, numbers=_numbers)
