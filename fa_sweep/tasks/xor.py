"""XOR in the order of the blog post that this project started from."""

from dataclasses import dataclass

import numpy as np

from fa_sweep.tasks._base import Examples, Task, TaskConfig, TaskKind


@dataclass
class XorConfig(TaskConfig):
    """`decision_boundary`: an output above it counts as 1."""

    decision_boundary: float


def make(config: XorConfig, seed: int) -> Task:
    """Return the four patterns, both to train and to evaluate on."""
    patterns = Examples(
        inputs=np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]),
        targets=np.array([[1.0], [1.0], [0.0], [0.0]]),
    )
    return Task(patterns, "binary", training=patterns, decision_boundary=config.decision_boundary)


TASK = TaskKind(make, XorConfig)
