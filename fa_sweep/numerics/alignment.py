"""Alignment angles, in degrees.

The cosine keeps its sign, so angles lie between 0 and 180 degrees. An undefined angle is NaN.

Axes: R runs (last), N examples. Definitions:

- Signal angle: the angle between the mode's signal s_l and that of backpropagation. Neither contains the factor f'(z_l). The
  angle is computed for each example of the evaluation set (held-out examples, if the task has any) and then averaged over the
  examples. Lillicrap et al. (2016, fig. 2) plot the angle between the changes that the two rules prescribe to the hidden
  activity during training. In a linear network, the two quantities differ only in the examples. With any other activation,
  theirs contains f'(z_l) and ours does not.
- Gradient angle: the angle between the mode's pseudo-gradient of the hidden layers' weights W_1 .. W_{L-1} and the true
  gradient, both summed over the whole evaluation set. `fa_sweep/engine/evaluation.py` computes it from the inner products of
  each layer.
- Local angle: the angle between the mode's signal s_l and W_{l+1}^T delta_{l+1}, where delta_{l+1} is the mode's own error of
  the layer above. It compares the feedback to one layer with one weight: deviations from backpropagation in the layers above
  do not count.
- Weight alignment: the angle between vec(B) and vec(W^T).
"""

from collections.abc import Callable, Sequence

import numpy as np

from fa_sweep._typing import Array

SMALLEST = np.finfo(np.float64).tiny  # smaller squares have lost digits, so angles computed from them would be wrong


def products(inner: Callable[[Array, Array], Array], a: Array, b: Array) -> tuple[Array, Array, Array]:
    """Return the inner products (a.b, a.a, b.b). `inner` is `Layout.inner` or `Layout.inner_per_example`."""
    return inner(a, b), inner(a, a), inner(b, b)


def angle_deg(dot: Array, squared_a: Array, squared_b: Array) -> Array:
    """Return the angle between two vectors a and b, given their inner products.

    Args:
        dot: a.b, of any shape.
        squared_a: a.a, of the same shape.
        squared_b: b.b, of the same shape.

    Returns:
        The angles in degrees, of the same shape; NaN where either vector is zero, not finite, or so small or large that its
        square cannot be represented.
    """
    with np.errstate(all="ignore"):
        squared = squared_a * squared_b
        defined = (np.minimum(squared_a, squared_b) >= SMALLEST) & (squared >= SMALLEST) & np.isfinite(squared)
        # sqrt(a.a * b.b) instead of sqrt(a.a) * sqrt(b.b): if a = b, it is exactly a.a, and the angle is exactly 0
        cosine = np.clip(dot / np.sqrt(squared), -1.0, 1.0)
    return np.where(defined, np.degrees(np.arccos(np.where(defined, cosine, 0.0))), np.nan)


def whole(parts: Sequence[tuple[Array, Array, Array]]) -> Array:
    """Return the angle in degrees between two vectors that are cut into parts, given the `products` of each pair of parts."""
    dot, squared_a, squared_b = (np.add.reduce(part) for part in zip(*parts, strict=True))
    return angle_deg(dot, squared_a, squared_b)


def mean_defined(angles: Array) -> tuple[Array, Array]:
    """Average angles over the examples for which they are defined.

    Args:
        angles: angles (N, R) in degrees, NaN where undefined.

    Returns:
        The mean (R,), NaN for a run without any defined angle, and the fraction of undefined angles (R,).
    """
    defined = np.isfinite(angles)
    count = np.add.reduce(defined, axis=0)
    total = np.add.reduce(np.where(defined, angles, 0.0), axis=0)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean, 1.0 - count / len(angles)
