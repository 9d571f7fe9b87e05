"""The 8 x 8 handwritten digits that come with scikit-learn: 1,797 images, ten classes (Alpaydin and Kaynak, 1998)."""

import numpy as np

from fa_sweep.tasks._base import Examples, Task, TaskKind, one_hot
from fa_sweep.tasks._split import SplitConfig, parts_in_words, split_examples

LARGEST_PIXEL = 16.0


def make(config: SplitConfig, seed: int) -> Task:
    """Build the task from scikit-learn's digits, with pixels from 0 to 1. All seeds share this task and its split."""
    from sklearn.datasets import load_digits  # imported here, because it takes a second

    data = load_digits()
    labels = np.asarray(data.target)
    examples = Examples(np.asarray(data.data) / LARGEST_PIXEL, one_hot(labels, 10))
    training, evaluation = split_examples(config, examples, labels, "scikit-learn's set")
    parts = parts_in_words(config, len(training.inputs), config.held_out)
    return Task(evaluation, "one_hot", training=training, notes=(f"digits: {parts}",) if config.validation else ())


TASK = TaskKind(make, SplitConfig)
