"""Parity of n bits: the target is 1 if an odd number of inputs is 1. With n = 2 this is XOR.

The patterns are in counting order, as binary numbers from 0 to 2^n - 1.
"""

from dataclasses import dataclass

import numpy as np

from fa_sweep.errors import ConfigError
from fa_sweep.tasks._base import Examples, Task, TaskConfig, TaskKind

MOST_BITS = 16


@dataclass
class ParityConfig(TaskConfig):
    """Settings of the parity task.

    Args:
        bits: the number of inputs n.
        decision_boundary: outputs above this value count as 1.

    Raises:
        ConfigError: `bits` is out of range.
    """

    bits: int
    decision_boundary: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 2 <= self.bits <= MOST_BITS:
            raise ConfigError(f"task.bits is {self.bits}; it must be at least 2 and at most {MOST_BITS}")


def make(config: ParityConfig, seed: int) -> Task:
    """Build the task: all 2^n patterns are both the training set and the evaluation set."""
    numbers = np.arange(2**config.bits)
    inputs = (numbers[:, None] >> np.arange(config.bits)[::-1]) & 1
    patterns = Examples(inputs.astype(float), (inputs.sum(1, keepdims=True) % 2).astype(float))
    return Task(patterns, "binary", training=patterns, decision_boundary=config.decision_boundary)


TASK = TaskKind(make, ParityConfig)
