"""The 8 x 8 handwritten digits that come with scikit-learn: 1,797 images, ten classes (Alpaydin and Kaynak, 1998)."""

import numpy as np

from fa_sweep.tasks._base import Examples, Task, TaskKind, one_hot
from fa_sweep.tasks._split import SplitConfig, split_examples

LARGEST_PIXEL = 16.0


def make(config: SplitConfig, seed: int) -> Task:
    """Build the task from scikit-learn's digits, with pixels from 0 to 1. All seeds share this task and its split."""
    from sklearn.datasets import load_digits  # imported here, because it takes a second

    data = load_digits()
    labels = np.asarray(data.target)
    examples = Examples(np.asarray(data.data) / LARGEST_PIXEL, one_hot(labels, 10))
    training, held_out = split_examples(config, examples, labels, "scikit-learn's set")
    return Task(held_out, "one_hot", training=training)


TASK = TaskKind(make, SplitConfig)
