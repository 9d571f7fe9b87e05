"""Parity of n bits: 1 where an odd number of inputs is 1. Two bits are XOR, in counting order."""

from dataclasses import dataclass

import numpy as np

from fa_sweep.errors import ConfigError
from fa_sweep.tasks._base import Examples, Task, TaskConfig, TaskKind

MOST_BITS = 16


@dataclass
class ParityConfig(TaskConfig):
    """`bits`: n, the number of inputs; `decision_boundary`: an output above it counts as 1."""

    bits: int
    decision_boundary: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 2 <= self.bits <= MOST_BITS:
            raise ConfigError(f"task.bits is {self.bits}; it must be at least 2 and at most {MOST_BITS}")


def make(config: ParityConfig, seed: int) -> Task:
    """Return all 2^n patterns, both to train and to evaluate on."""
    numbers = np.arange(2**config.bits)
    inputs = (numbers[:, None] >> np.arange(config.bits)[::-1]) & 1
    patterns = Examples(inputs.astype(float), (inputs.sum(1, keepdims=True) % 2).astype(float))
    return Task(patterns, "binary", training=patterns, decision_boundary=config.decision_boundary)


TASK = TaskKind(make, ParityConfig)
