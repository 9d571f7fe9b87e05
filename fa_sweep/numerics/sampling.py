"""Sampling: the order in which a run sees its training examples.

Axes: S steps, N examples per batch. The caller asks for the next S steps at a time. The order is the same whether the steps are
asked for in one call or in several.
"""

from collections.abc import Callable

import numpy as np

from fa_sweep._typing import Array

Order = Callable[[int], Array]


def _with_replacement(generator: np.random.Generator, examples: int, batch_size: int) -> Order:
    return lambda steps: generator.integers(examples, size=(steps, batch_size))


def _in_order(generator: np.random.Generator, examples: int, batch_size: int) -> Order:
    position = 0

    def take(steps: int) -> Array:
        nonlocal position
        order: Array = (position + np.arange(steps * batch_size).reshape(steps, batch_size)) % examples
        position = (position + steps * batch_size) % examples
        return order

    return take


def _permutation(generator: np.random.Generator, examples: int, batch_size: int) -> Order:
    whole = examples // batch_size
    left = np.empty((0, batch_size), dtype=np.intp)

    def take(steps: int) -> Array:
        nonlocal left
        parts = [left]
        while sum(map(len, parts)) < steps:
            parts.append(generator.permutation(examples)[: whole * batch_size].reshape(whole, batch_size))
        drawn = np.concatenate(parts)
        left = drawn[steps:]
        return drawn[:steps]

    return take


# Each entry takes (generator, number of examples, batch size) and returns a function: called with S, it returns the indices
# (S, N) of the examples of the next S steps. `fresh` is for tasks that make new examples at every step and have no fixed set.
SAMPLINGS: dict[str, Callable[[np.random.Generator, int, int], Order] | None] = {
    "with_replacement": _with_replacement,
    "permutation": _permutation,  # one new order per epoch; each epoch drops its last batch if that is incomplete
    "in_order": _in_order,  # cycles through the set; full-batch training if batch_size is the size of the set
    "fresh": None,
}
