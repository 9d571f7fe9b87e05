"""Classifying points on intertwined spirals, one class per arm (after Lang and Witbrock, 1988)."""

from dataclasses import dataclass

import numpy as np

from fa_sweep.checks import at_least, positive
from fa_sweep.errors import ConfigError
from fa_sweep.numerics.streams import stream
from fa_sweep.tasks._base import Examples, Task, TaskConfig, TaskKind, one_hot


@dataclass
class SpiralsConfig(TaskConfig):
    """Settings of the spirals.

    The radius of each arm grows from 0 to 1. Noise is added afterwards.

    Args:
        classes: the number of arms.
        turns: the number of turns of each arm.
        noise: the standard deviation of the Gaussian noise that is added to both coordinates.
        points: the number of training examples per class.
        held_out: the number of evaluation examples per class.

    Raises:
        ConfigError: a number is out of range.
    """

    classes: int
    turns: float
    noise: float
    points: int
    held_out: int

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("task.classes", self.classes, 2)
        for name in ("points", "held_out"):
            at_least(f"task.{name}", getattr(self, name), 1)
        positive("task.turns", self.turns)
        if not 0 <= self.noise < np.inf:
            raise ConfigError(f"task.noise is {self.noise}; it must be 0 or more, and finite")


def make(config: SpiralsConfig, seed: int) -> Task:
    """Draw the training set and the evaluation set of one seed."""

    def points(generator: np.random.Generator, n: int) -> Examples:
        labels = np.repeat(np.arange(config.classes), n)
        radius = np.sqrt(generator.uniform(size=len(labels)))  # the square root spreads the points about evenly along the arm
        angle = 2 * np.pi * (config.turns * radius + labels / config.classes)
        x = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return Examples(x + config.noise * generator.standard_normal(x.shape), one_hot(labels, config.classes))

    training = points(stream(seed, "task"), config.points)
    return Task(points(stream(seed, "task", kind=1), config.held_out), "one_hot", training=training)


def _numbers(config: SpiralsConfig) -> dict[str, int]:
    # Per point, a one-hot target takes one number per class, and inputs and temporaries take 8.
    each = config.classes * (8 + config.classes)
    if config.classes > max(config.points, config.held_out):
        return {"task.classes": (config.points + config.held_out) * each}
    return {"task.points": config.points * each, "task.held_out": config.held_out * each}


TASK = TaskKind(make, SpiralsConfig, seeded=True, numbers=_numbers)
