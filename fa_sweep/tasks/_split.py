"""Splits one set of examples into examples to train on, to validate on, and to test on."""

from dataclasses import dataclass, field

import numpy as np

from fa_sweep._typing import Array
from fa_sweep.checks import at_least, one_of
from fa_sweep.errors import ConfigError
from fa_sweep.roles import added
from fa_sweep.tasks._base import Examples, TaskConfig


@dataclass
class SplitConfig(TaskConfig):
    """Settings of a task that splits one set of examples.

    Args:
        split: "permuted" takes the test examples from the end of a random permutation, and the validation examples from just
            before them. "stratified" also gives every class its share of each part, to within one example. It requires classes.
        split_seed: the seed of the permutation, `numpy.random.default_rng(split_seed)`. It does not depend on a run's seed.
        held_out: the number of test examples. They are never trained on.
        validation: the number of validation examples, which are never trained on either; 0 for none.
        evaluate_on: the examples to evaluate on, "validation" or "test". "auto" stands for the validation examples if there are
            any, otherwise for the test examples.

    Raises:
        ConfigError: the split is unknown, its seed or a number is negative, or there are no validation examples to evaluate on.
    """

    split: str
    split_seed: int
    held_out: int
    validation: int = field(metadata=added(0))
    evaluate_on: str = field(metadata=added("test"))

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("task.split", self.split, ("permuted", "stratified"))
        if self.split_seed < 0:
            raise ConfigError(f"task.split_seed is {self.split_seed}; it must be at least 0")
        at_least("task.validation", self.validation, 0)
        one_of("task.evaluate_on", self.evaluate_on, ("auto", "validation", "test"))
        if self.evaluate_on == "auto":
            self.evaluate_on = "validation" if self.validation else "test"
        if self.evaluate_on == "validation" and not self.validation:
            raise ConfigError("task.evaluate_on is 'validation', but task.validation is 0; give task.validation some examples")


def split_examples(config: SplitConfig, examples: Examples, labels: Array | None, source: str) -> tuple[Examples, Examples]:
    """Split examples into a training set and an evaluation set.

    Args:
        config: the settings of the split.
        examples: all examples.
        labels: (examples,), the class of each; None for regression.
        source: where the examples come from, for messages only.

    Returns:
        The training set and the evaluation set.

    Raises:
        ConfigError: one of the sets would be empty, or the split is stratified and there are no classes.
    """
    train, evaluation = split_rows(config, len(examples.inputs), labels, source)
    parts = (Examples(examples.inputs[part], examples.targets[part]) for part in (train, evaluation))
    return next(parts), next(parts)


def split_rows(
    config: SplitConfig, n: int, labels: Array | None, source: str, *, test_is_elsewhere: bool = False
) -> tuple[Array, Array]:
    """Choose which of n examples to train on and which to evaluate on.

    Args:
        config: the settings of the split.
        n: the number of examples.
        labels: (n,), the class of each; None for regression.
        source: where the examples come from, for messages only.
        test_is_elsewhere: the test examples are not among the n examples, so none are held out for them.

    Returns:
        The indices of the training examples, and of the examples that `evaluate_on` names.

    Raises:
        ConfigError: no examples are left to train on, or the split is stratified and there are no classes.
    """
    held_out = 0 if test_is_elsewhere else config.held_out
    kept = n - held_out - config.validation
    if not test_is_elsewhere and not 0 < held_out < n:
        raise ConfigError(f"task.held_out is {held_out}; {source} has {n} examples, so give 1 to {n - 1}")
    if kept < 1:
        most = n - held_out - 1
        raise ConfigError(f"task.validation is {config.validation}; {source} has {n} examples, so give at most {most}")
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
    test = slice(n - held_out, None)
    return order[:kept], order[slice(kept, n - held_out) if config.evaluate_on == "validation" else test]


def parts_in_words(config: SplitConfig, train: int, test: int) -> str:
    """Say how many examples are trained on, and which are evaluated on.

    Args:
        config: the settings of the split.
        train: the number of training examples.
        test: the number of test examples.
    """
    if not config.validation:
        return f"{train} examples to train on, {test} to evaluate on"
    parts = f"{train} examples to train on, {config.validation} for validation, {test} for the test"
    if config.evaluate_on == "test":
        return f"{parts}; evaluated on the test examples"
    return f"{parts}; evaluated on the validation examples, with task.evaluate_on=test on the test examples"
