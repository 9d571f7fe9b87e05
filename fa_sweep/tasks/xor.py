"""XOR, with the four patterns in the order of the blog post that this project started from."""

from dataclasses import dataclass

import numpy as np

from fa_sweep.tasks._base import Examples, Task, TaskConfig, TaskKind


@dataclass
class XorConfig(TaskConfig):
    """Settings of XOR.

    Args:
        decision_boundary: outputs above this value count as 1.
    """

    decision_boundary: float


def make(config: XorConfig, seed: int) -> Task:
    """Build the task: the four patterns are both the training set and the evaluation set."""
    patterns = Examples(
        inputs=np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]),
        targets=np.array([[1.0], [1.0], [0.0], [0.0]]),
    )
    return Task(patterns, "binary", training=patterns, decision_boundary=config.decision_boundary)


TASK = TaskKind(make, XorConfig)
