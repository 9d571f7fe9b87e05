"""Optimisers: they turn pseudo-gradients into parameter updates.

Axes: P parameters, R runs. An optimiser gets the pseudo-gradients of all parameters as one block (P, R), already multiplied by
minus the learning rate, and overwrites the block with the update.

Weight decay is not part of an optimiser: in each step every weight is multiplied by `1 - lr * weight_decay`, and biases do not
decay. With sgd this equals the gradient of the usual L2 penalty.
"""

from collections.abc import Callable

import numpy as np

from fa_sweep._typing import Array

# step(update, magnitudes): overwrites `update` (P, R). `magnitudes` (P, R) bounds the rounding error of each pseudo-gradient;
# it is None unless the optimiser is in MEASURING and a batch has more than one example.
Optimiser = Callable[[Array, Array | None], None]

ROUNDINGS = 16  # tolerance for the rounding of the terms of a sum, in units of eps (see `zero_within`)


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
            # Terms that cancel leave a rounding error. Its sign depends on the memory layout and would cause a full step.
            np.copyto(update, 0.0, where=np.abs(update) <= magnitudes)
        np.sign(update, out=update)  # sign(0) = 0: a parameter without a gradient does not change
        np.multiply(update, lr, out=update)

    return step


# Each entry takes a block (P, R), of which only shape and type matter, learning rates (R,) and momenta (R,). It returns None
# if the block of pseudo-gradients is already the update.
OPTIMISERS: dict[str, Callable[[Array, Array, Array], Optimiser | None]] = {
    "sgd": _sgd,
    "momentum": _momentum,  # Polyak (1964), v <- momentum v - lr G, W <- W + v
    "manhattan": _manhattan,  # W <- W - lr sign(G), sign(G) = 0 where |G| is within rounding of 0
}
# Optimisers that need `magnitudes`: a pseudo-gradient counts as 0 up to `zero_within` times the sum of its |terms|.
MEASURING = frozenset({"manhattan"})


def zero_within(examples: int, dtype: np.dtype) -> float:
    """Return the tolerance, relative to the sum of |terms|, within which a sum over N examples counts as 0: (N + 16) eps.

    Summing N terms in any order leaves a rounding error of at most N eps. The other 16 eps allow for the rounding of the terms
    themselves. The largest error measured where the exact sum is 0 was 9 eps (parity tasks, 4 to 256 examples).

    Args:
        examples: the number N of examples that are summed over.
        dtype: the floating-point type, which gives eps.
    """
    return (examples + ROUNDINGS) * float(np.finfo(dtype).eps)


def numerics(name: str, examples: int) -> int:
    """Return the numerics version of an optimiser, which is part of the ids of its runs unless it is 0.

    Version 1 of manhattan counts a sum that is 0 up to rounding as 0. With one example per batch nothing is summed, so the
    numbers did not change and the version stays 0.

    Args:
        name: a key of `OPTIMISERS`.
        examples: the batch size.
    """
    return 1 if name == "manhattan" and examples > 1 else 0
