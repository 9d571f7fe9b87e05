"""Learning the outputs of a random network from fresh Gaussian inputs: the nonlinear task of Lillicrap et al. (2016)."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fa_sweep.checks import at_least, one_of, positive
from fa_sweep.errors import ConfigError
from fa_sweep.numerics.activations import ACTIVATIONS
from fa_sweep.numerics.streams import stream
from fa_sweep.tasks._base import Examples, Task, TaskConfig, TaskKind


@dataclass
class NonlinearTeacherConfig(TaskConfig):
    """Settings of a teacher network and its examples, whose inputs are x ~ N(0, I).

    Args:
        widths: the widths of the teacher's layers, from inputs to outputs.
        activation: the activation of the hidden layers; a key of `ACTIVATIONS`. The output layer is linear.
        negative_slope: the slope of leaky_relu for negative inputs.
        weight_gain: weights are drawn from U(-weight_gain / sqrt(fan_in), weight_gain / sqrt(fan_in)).
        bias_scale: biases are drawn from U(-bias_scale, bias_scale).
        held_out: the number of examples in the evaluation set.

    Raises:
        ConfigError: a value is out of range, or the activation is unknown.
    """

    widths: list[int]
    activation: str
    negative_slope: float
    weight_gain: float
    bias_scale: float
    held_out: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.widths) < 2 or min(self.widths) < 1:
            raise ConfigError(f"task.widths is {list(self.widths)}; give inputs, hidden layers and outputs, each at least 1")
        one_of("task.activation", self.activation, ACTIVATIONS)
        positive("task.weight_gain", self.weight_gain)
        at_least("task.held_out", self.held_out, 1)
        if not 0 <= self.bias_scale < np.inf:
            raise ConfigError(f"task.bias_scale is {self.bias_scale}; it must be 0 or more, and finite")


def make(config: NonlinearTeacherConfig, seed: int) -> Task:
    """Draw the teacher and the evaluation set of one seed. Training examples are drawn afresh at every step."""
    activation = ACTIVATIONS[config.activation](config.negative_slope)
    layers = []
    for number, (i, o) in enumerate(pairwise(config.widths), start=1):
        generator, limit = stream(seed, "task", number), config.weight_gain / np.sqrt(i)
        layers.append((generator.uniform(-limit, limit, (o, i)), generator.uniform(-1, 1, o) * config.bias_scale))

    def fresh(generator: np.random.Generator, n: int) -> Examples:
        x = h = generator.standard_normal((n, config.widths[0]))
        for number, (weight, bias) in enumerate(layers, start=1):
            h = h @ weight.T + bias
            if number < len(layers):
                activation.apply(h, h)
        return Examples(x, h)

    return Task(fresh(stream(seed, "task", kind=1), config.held_out), "regression", fresh=fresh)


def _numbers(config: NonlinearTeacherConfig) -> dict[str, int]:
    weights = sum(i * o for i, o in pairwise(config.widths))
    return {"task.held_out": config.held_out * (config.widths[0] + 2 * max(config.widths)), "task.widths": 2 * weights}


TASK = TaskKind(make, NonlinearTeacherConfig, seeded=True, numbers=_numbers)
