"""Splits one set of examples into a training set and a held-out evaluation set."""

from dataclasses import dataclass

import numpy as np

from fa_sweep._typing import Array
from fa_sweep.checks import one_of
from fa_sweep.errors import ConfigError
from fa_sweep.tasks._base import Examples, TaskConfig


@dataclass
class SplitConfig(TaskConfig):
    """Settings of a task that splits one set of examples in two.

    Args:
        split: "permuted" holds out the last examples of a random permutation. "stratified" also gives every class its share of
            the held-out examples, to within one example. It requires classes.
        split_seed: the seed of the permutation, `numpy.random.default_rng(split_seed)`. It does not depend on a run's seed.
        held_out: the number of examples to evaluate on. All others are trained on.

    Raises:
        ConfigError: the split is unknown, or its seed is negative.
    """

    split: str
    split_seed: int
    held_out: int

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("task.split", self.split, ("permuted", "stratified"))
        if self.split_seed < 0:
            raise ConfigError(f"task.split_seed is {self.split_seed}; it must be at least 0")


def split_examples(config: SplitConfig, examples: Examples, labels: Array | None, source: str) -> tuple[Examples, Examples]:
    """Split examples into a training set and a held-out set.

    Args:
        config: the settings of the split.
        examples: all examples.
        labels: (examples,), the class of each; None for regression.
        source: where the examples come from, for messages only.

    Returns:
        The training set and the held-out set.

    Raises:
        ConfigError: `held_out` leaves one of the sets empty, or the split is stratified and there are no classes.
    """
    train, held = split_rows(config, len(examples.inputs), labels, source)
    return Examples(examples.inputs[train], examples.targets[train]), Examples(examples.inputs[held], examples.targets[held])


def split_rows(config: SplitConfig, n: int, labels: Array | None, source: str) -> tuple[Array, Array]:
    """Choose which of n examples to train on and which to hold out.

    Args:
        config: the settings of the split.
        n: the number of examples.
        labels: (n,), the class of each; None for regression.
        source: where the examples come from, for messages only.

    Returns:
        The indices of the examples in the training set, and of those in the held-out set.

    Raises:
        ConfigError: `held_out` leaves one of the sets empty, or the split is stratified and there are no classes.
    """
    if not 0 < config.held_out < n:
        raise ConfigError(f"task.held_out is {config.held_out}; {source} has {n} examples, so give 1 to {n - 1}")
    generator = np.random.default_rng(config.split_seed)
    order = generator.permutation(n)
    if config.split == "stratified":
        if labels is None:
            raise ConfigError("task.split is 'stratified'; without classes choose task.split=permuted")
        # Within each class, the k-th of its m members (k from 0) is placed at about (k + 1/2) / m. Every stretch of the
        # resulting order therefore contains the classes in proportion.
        places = np.empty(n)
        for label in np.unique(labels):
            members = order[labels[order] == label]
            places[members] = (np.arange(len(members)) + generator.uniform(0.25, 0.75)) / len(members)
        order = np.argsort(places, kind="stable")
    return order[: n - config.held_out], order[n - config.held_out :]
