"""XOR in the order of the blog post that this project started from."""

import numpy as np

from fa_sweep.tasks.base import Examples, Task, TaskConfig


def xor(config: TaskConfig) -> Task:
    """Return the four patterns, both to train and to evaluate on."""
    patterns = Examples(
        inputs=np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]),
        targets=np.array([[1.0], [1.0], [0.0], [0.0]]),
    )
    return Task(config.name, training=patterns, evaluation=patterns, decision_boundary=config.decision_boundary)
