"""Splits of one set of examples into those to train on and those held out."""

from dataclasses import dataclass

import numpy as np

from fa_sweep._typing import Array
from fa_sweep.checks import one_of
from fa_sweep.errors import ConfigError
from fa_sweep.tasks._base import Examples, TaskConfig


@dataclass
class SplitConfig(TaskConfig):
    """`held_out`: examples to evaluate on, the others train.

    `split`: `permuted` holds out the last of `numpy.random.default_rng(split_seed).permutation`; `stratified` as much of
    each class, to one example.
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
    """Return (training, held out). `labels` (examples,) are the classes, None for regression."""
    train, held = split_rows(config, len(examples.inputs), labels, source)
    return Examples(examples.inputs[train], examples.targets[train]), Examples(examples.inputs[held], examples.targets[held])


def split_rows(config: SplitConfig, n: int, labels: Array | None, source: str) -> tuple[Array, Array]:
    """Return the numbers of the examples to train on and of those held out, of n in all; `labels` as above."""
    if not 0 < config.held_out < n:
        raise ConfigError(f"task.held_out is {config.held_out}; {source} has {n} examples, so give 1 to {n - 1}")
    generator = np.random.default_rng(config.split_seed)
    order = generator.permutation(n)
    if config.split == "stratified":
        if labels is None:
            raise ConfigError("task.split is 'stratified'; without classes choose task.split=permuted")
        # The k-th of m members of a class sorts at (k + 1/2) / m: any stretch of the order has the classes in proportion.
        places = np.empty(n)
        for label in np.unique(labels):
            members = order[labels[order] == label]
            places[members] = (np.arange(len(members)) + generator.uniform(0.25, 0.75)) / len(members)
        order = np.argsort(places, kind="stable")
    return order[: n - config.held_out], order[n - config.held_out :]
