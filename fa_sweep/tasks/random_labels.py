"""Gaussian inputs with unrelated Gaussian targets, which can only be memorised (Song et al., 2021)."""

from dataclasses import dataclass

import numpy as np

from fa_sweep.checks import at_least
from fa_sweep.numerics.streams import stream
from fa_sweep.tasks._base import Examples, Task, TaskConfig, TaskKind


@dataclass
class RandomLabelsConfig(TaskConfig):
    """Settings of a task with inputs x ~ N(0, I / inputs) and targets y ~ N(0, I).

    Args:
        examples: the number of examples.
        inputs: the length of x.
        outputs: the length of y.

    Raises:
        ConfigError: a number is below 1.
    """

    examples: int
    inputs: int
    outputs: int

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("examples", "inputs", "outputs"):
            at_least(f"task.{name}", getattr(self, name), 1)


def make(config: RandomLabelsConfig, seed: int) -> Task:
    """Draw the examples of one seed. They are both the training set and the evaluation set."""
    generator = stream(seed, "task")
    x = generator.standard_normal((config.examples, config.inputs)) / np.sqrt(config.inputs)
    examples = Examples(x, generator.standard_normal((config.examples, config.outputs)))
    return Task(examples, "regression", training=examples)


def _numbers(config: RandomLabelsConfig) -> dict[str, int]:
    wider = "task.inputs" if config.inputs > config.examples else "task.examples"
    return {wider: 2 * config.examples * (config.inputs + config.outputs)}


TASK = TaskKind(make, RandomLabelsConfig, seeded=True, numbers=_numbers)
