"""Optimisers: how the mode's pseudo-gradient, already times minus the learning rate, becomes the update of the parameters.

Axes: P parameters, R runs. Each works in place on one block (P, R). Weight decay stands beside them, decoupled: every weight
keeps the fraction `1 - lr * weight_decay` a step, biases all of themselves (for sgd this is the gradient of the usual penalty).
"""

from collections.abc import Callable

import numpy as np

Array = np.ndarray
Optimiser = Callable[[Array], None]


def _sgd(block: Array, lr: Array, momentum: Array) -> Optimiser | None:
    return None


def _momentum(block: Array, lr: Array, momentum: Array) -> Optimiser:
    velocity = np.zeros_like(block)

    def step(update: Array) -> None:
        np.multiply(velocity, momentum, out=velocity)
        np.add(velocity, update, out=velocity)
        np.copyto(update, velocity)

    return step


def _manhattan(block: Array, lr: Array, momentum: Array) -> Optimiser:
    def step(update: Array) -> None:
        np.sign(update, out=update)  # sign(0) = 0: what got no gradient stays
        np.multiply(update, lr, out=update)

    return step


# Each is made for a block like (P, R), learning rates and momenta (R,); None says that the update is right as it is.
OPTIMISERS: dict[str, Callable[[Array, Array, Array], Optimiser | None]] = {
    "sgd": _sgd,
    "momentum": _momentum,  # Polyak (1964), v <- momentum v - lr G, W <- W + v
    "manhattan": _manhattan,  # W <- W - lr sign(G)
}
