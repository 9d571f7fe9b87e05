"""Optimisers: how the mode's pseudo-gradient, already times minus the learning rate, becomes the update of the parameters.

Axes: P parameters, R runs. Each works in place on one block (P, R). Weight decay stands beside them, decoupled: every weight
keeps the fraction `1 - lr * weight_decay` a step, biases all of themselves (for sgd this is the gradient of the usual penalty).
"""

from collections.abc import Callable

import numpy as np

from fa_sweep._typing import Array

# step(update, magnitudes): `magnitudes` (P, R) are None but for the optimisers in MEASURING.
Optimiser = Callable[[Array, Array | None], None]

ROUNDINGS = 16  # what rounding may leave of a sum that is 0, besides one rounding per example, in units of eps


def _sgd(block: Array, lr: Array, momentum: Array) -> Optimiser | None:
    return None


def _momentum(block: Array, lr: Array, momentum: Array) -> Optimiser:
    velocity = np.zeros_like(block)

    def step(update: Array, magnitudes: Array | None) -> None:
        np.multiply(velocity, momentum, out=velocity)
        np.add(velocity, update, out=velocity)
        np.copyto(update, velocity)

    return step


def _manhattan(block: Array, lr: Array, momentum: Array) -> Optimiser:
    def step(update: Array, magnitudes: Array | None) -> None:
        if magnitudes is not None:
            # Terms that cancel leave a rounding error, whose sign would make a full step, and another in another layout.
            np.copyto(update, 0.0, where=np.abs(update) <= magnitudes)
        np.sign(update, out=update)  # sign(0) = 0: what got no gradient stays
        np.multiply(update, lr, out=update)

    return step


# Each is made for a block like (P, R), learning rates and momenta (R,); None says that the update is right as it is.
OPTIMISERS: dict[str, Callable[[Array, Array, Array], Optimiser | None]] = {
    "sgd": _sgd,
    "momentum": _momentum,  # Polyak (1964), v <- momentum v - lr G, W <- W + v
    "manhattan": _manhattan,  # W <- W - lr sign(G), sign(G) = 0 where |G| is within rounding of 0
}
# Those that are told how large a pseudo-gradient of 0 may be after rounding, `zero_within` of the sum of its terms' sizes.
MEASURING = frozenset({"manhattan"})


def zero_within(examples: int, dtype: np.dtype) -> float:
    """Return the fraction of the sum of |terms| up to which a sum over that many examples counts as 0: (N + 16) eps.

    N eps bounds what summing N terms may leave, in any order; the rest is for the roundings of the terms themselves. Measured
    where exact sums are 0 (parities, 4 to 256 examples): 9 eps at most.
    """
    return (examples + ROUNDINGS) * float(np.finfo(dtype).eps)


def numerics(name: str, examples: int) -> int:
    """Return the version of an optimiser's numbers on batches of that many examples, part of the ids of its runs unless 0.

    Manhattan, 1: what is 0 but for rounding counts as 0. With one example nothing is summed and nothing has changed.
    """
    return 1 if name == "manhattan" and examples > 1 else 0
