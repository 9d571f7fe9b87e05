"""Gaussian inputs with Gaussian targets that have nothing to do with them: memorisation alone (Song et al., 2021)."""

from dataclasses import dataclass

import numpy as np

from fa_sweep.checks import at_least
from fa_sweep.numerics.streams import stream
from fa_sweep.tasks._base import Examples, Task, TaskConfig, TaskKind


@dataclass
class RandomLabelsConfig(TaskConfig):
    """`examples` of x ~ N(0, I / inputs), y ~ N(0, I)."""

    examples: int
    inputs: int
    outputs: int

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("examples", "inputs", "outputs"):
            at_least(f"task.{name}", getattr(self, name), 1)


def make(config: RandomLabelsConfig, seed: int) -> Task:
    """Return the examples of one seed, both to train and to evaluate on."""
    generator = stream(seed, "task")
    x = generator.standard_normal((config.examples, config.inputs)) / np.sqrt(config.inputs)
    examples = Examples(x, generator.standard_normal((config.examples, config.outputs)))
    return Task(examples, "regression", training=examples)


def _numbers(config: RandomLabelsConfig) -> dict[str, int]:
    wider = "task.inputs" if config.inputs > config.examples else "task.examples"
    return {wider: 2 * config.examples * (config.inputs + config.outputs)}


TASK = TaskKind(make, RandomLabelsConfig, seeded=True, numbers=_numbers)
