"""Alignment angles, in degrees: signed cosines, NaN where undefined.

Axes: R runs last, N examples. Definitions:

- Signal angle: between the mode's s_l and backpropagation's, without the factor f'(z_l), per example of the evaluation set
  (held out, where the task holds examples out), then the mean over examples. Lillicrap et al. (2016, fig. 2) follow the angle
  between the changes that the two rules prescribe to hidden activity, in training. In a linear network that is the same
  quantity on other examples; with another activation theirs holds f'(z_l) and ours does not.
- Weight alignment: between vec(B) and vec(W^T).
"""

from collections.abc import Callable, Sequence

import numpy as np

from fa_sweep._typing import Array

SMALLEST = np.finfo(np.float64).tiny  # squares below it have lost digits: an angle from them would be a plausible lie


def products(inner: Callable[[Array, Array], Array], a: Array, b: Array) -> tuple[Array, Array, Array]:
    """Return (a.b, a.a, b.b) by an inner product of `fa_sweep.numerics.layout`."""
    return inner(a, b), inner(a, a), inner(b, b)


def angle_deg(dot: Array, squared_a: Array, squared_b: Array) -> Array:
    """Return the angle between two vectors from their products; NaN where either is zero or not finite."""
    with np.errstate(all="ignore"):
        squared = squared_a * squared_b
        defined = (np.minimum(squared_a, squared_b) >= SMALLEST) & (squared >= SMALLEST) & np.isfinite(squared)
        # sqrt(a.a * b.b) and not sqrt(a.a) * sqrt(b.b): for a = b it is a.a to the last bit, hence exactly 0 degrees
        cosine = np.clip(dot / np.sqrt(squared), -1.0, 1.0)
    return np.where(defined, np.degrees(np.arccos(np.where(defined, cosine, 0.0))), np.nan)


def whole(parts: Sequence[tuple[Array, Array, Array]]) -> Array:
    """Return the angle between two concatenations from the products of their parts."""
    dot, squared_a, squared_b = (np.add.reduce(part) for part in zip(*parts, strict=True))
    return angle_deg(dot, squared_a, squared_b)


def mean_defined(angles: Array) -> tuple[Array, Array]:
    """angles (N, R) -> mean over the examples where defined (NaN if nowhere), fraction undefined, both (R,)."""
    defined = np.isfinite(angles)
    count = np.add.reduce(defined, axis=0)
    total = np.add.reduce(np.where(defined, angles, 0.0), axis=0)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean, 1.0 - count / len(angles)
