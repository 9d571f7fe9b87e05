"""Distributions from which initial weights and feedback matrices are drawn.

Each distribution gives a "unit draw", which the caller multiplies by a scale. The scale is therefore the standard deviation of
`normal`, the limit of `uniform`, and the gain of `he`, `xavier` and `orthogonal`. Matrices are (O, I): the fan-in is I.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fa_sweep._typing import Array


@dataclass(frozen=True)
class Distribution:
    """A distribution of matrices (O, I).

    Attributes:
        fill: `fill(generator, out)` fills the C-contiguous array `out` (..., O, I) with random numbers. Several matrices get
            the same numbers whether they are drawn in one call or in several.
        gain: `gain(fan_in, fan_out)` is the factor that turns these numbers into a unit draw; None if the factor is 1.
        deviation: `deviation(fan_in, fan_out)` is the standard deviation of an entry of the unit draw.
        gaussian: whether the entries are independent normals.
    """

    fill: Callable[[np.random.Generator, Array], None]
    gain: Callable[[int, int], float] | None
    deviation: Callable[[int, int], float]
    gaussian: bool = False


def _normal(generator: np.random.Generator, out: Array) -> None:
    generator.standard_normal(out=out)


def _uniform(generator: np.random.Generator, out: Array) -> None:
    generator.random(out=out)
    np.multiply(out, 2.0, out=out)
    np.subtract(out, 1.0, out=out)


def _orthogonal(generator: np.random.Generator, out: Array) -> None:
    _normal(generator, out)
    tall = out.shape[-2] >= out.shape[-1]
    q, r = np.linalg.qr(out if tall else out.swapaxes(-1, -2))
    # LAPACK does not fix the signs on the diagonal of R. Making them positive makes the draw uniform over orthogonal matrices
    # (Mezzadri, 2007, "How to generate random matrices from the classical compact groups").
    signs = np.where(np.diagonal(r, axis1=-2, axis2=-1) < 0, -1.0, 1.0)
    q = q * signs[..., None, :]
    out[...] = q if tall else q.swapaxes(-1, -2)


def _he_gain(fan_in: int, fan_out: int) -> float:
    return float(np.sqrt(2.0 / fan_in))


def _xavier_gain(fan_in: int, fan_out: int) -> float:
    return float(np.sqrt(6.0 / (fan_out + fan_in)))


DISTRIBUTIONS: dict[str, Distribution] = {
    "normal": Distribution(_normal, None, lambda i, o: 1.0, gaussian=True),
    "uniform": Distribution(_uniform, None, lambda i, o: 1.0 / np.sqrt(3.0)),
    "he": Distribution(_normal, _he_gain, _he_gain, gaussian=True),  # He et al. (2015): N(0, 2 / fan_in)
    # Glorot and Bengio (2010): U(+-sqrt(6 / (fan_in + fan_out)))
    "xavier": Distribution(_uniform, _xavier_gain, lambda i, o: _xavier_gain(i, o) / float(np.sqrt(3.0))),
    "orthogonal": Distribution(_orthogonal, None, lambda i, o: 1.0 / np.sqrt(max(i, o))),  # Saxe et al. (2014)
}


def draw_into(name: str, generator: np.random.Generator, out: Array, fans: tuple[int, int] | None = None) -> None:
    """Fill an array with unit draws of a distribution.

    Args:
        name: a key of `DISTRIBUTIONS`.
        generator: the random stream.
        out: the array to fill, (..., O, I), C-contiguous, float64.
        fans: the (fan-in, fan-out) that the gain is computed from; None for (I, O).
    """
    distribution = DISTRIBUTIONS[name]
    distribution.fill(generator, out)
    if distribution.gain is not None:
        np.multiply(out, distribution.gain(*(fans or (out.shape[-1], out.shape[-2]))), out=out)


def draw(name: str, generator: np.random.Generator, *shape: int) -> Array:
    """Return unit draws of the named distribution as a float64 array of the given shape (..., O, I)."""
    out = np.empty(shape)
    draw_into(name, generator, out)
    return out


def deviation(name: str, fan_in: int, fan_out: int) -> float:
    """Return the standard deviation of an entry of a unit draw of the named distribution."""
    return float(DISTRIBUTIONS[name].deviation(fan_in, fan_out))
