"""In which order a run meets its examples.

Axes: S steps, N examples of a batch. A source is asked for the next S steps; how the steps are cut changes nothing.
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


# Each is made from (generator, number of examples, batch size) and then asked for the numbers (S, N) of the next S steps'
# examples. `fresh` stands for tasks that draw new examples at every step and have no set to take them from.
SAMPLINGS: dict[str, Callable[[np.random.Generator, int, int], Order] | None] = {
    "with_replacement": _with_replacement,
    "permutation": _permutation,  # epochs: every example once, in a new order; the last, partial batch is dropped
    "in_order": _in_order,  # over and over; with batch_size the whole set, full-batch training
    "fresh": None,
}
