"""Distributions of weight and feedback draws: unit draws, which a scale then multiplies.

Convention of every scale: it multiplies the unit draw. So it is the standard deviation of `normal`, the limit of
`uniform`, and the gain of `he`, `xavier` and `orthogonal`. An axis order of (O, I) holds throughout: the fan-in is I.
"""

from collections.abc import Callable

import numpy as np

Array = np.ndarray
Draw = Callable[[np.random.Generator, Array], None]


def _normal(generator: np.random.Generator, out: Array) -> None:
    generator.standard_normal(out=out)


def _uniform(generator: np.random.Generator, out: Array) -> None:
    generator.random(out=out)
    np.multiply(out, 2.0, out=out)
    np.subtract(out, 1.0, out=out)


def _he(generator: np.random.Generator, out: Array) -> None:
    _normal(generator, out)
    np.multiply(out, np.sqrt(2.0 / out.shape[-1]), out=out)


def _xavier(generator: np.random.Generator, out: Array) -> None:
    _uniform(generator, out)
    np.multiply(out, np.sqrt(6.0 / (out.shape[-2] + out.shape[-1])), out=out)


def _orthogonal(generator: np.random.Generator, out: Array) -> None:
    _normal(generator, out)
    tall = out.shape[-2] >= out.shape[-1]
    q, r = np.linalg.qr(out if tall else out.swapaxes(-1, -2))
    # LAPACK leaves the signs of R's diagonal open; fixing them makes the draw uniform over orthogonal matrices
    # (Mezzadri, 2007, "How to generate random matrices from the classical compact groups").
    signs = np.where(np.diagonal(r, axis1=-2, axis2=-1) < 0, -1.0, 1.0)
    q = q * signs[..., None, :]
    out[...] = q if tall else q.swapaxes(-1, -2)


# Each fills `out` (..., O, I), C-contiguous, with unit draws: the same numbers however the leading axes are cut.
DISTRIBUTIONS: dict[str, Draw] = {
    "normal": _normal,
    "uniform": _uniform,
    "he": _he,  # He et al. (2015): N(0, 2 / fan_in)
    "xavier": _xavier,  # Glorot and Bengio (2010): U(+-sqrt(6 / (fan_in + fan_out)))
    "orthogonal": _orthogonal,  # Saxe et al. (2014)
}


def draw(name: str, generator: np.random.Generator, *shape: int) -> Array:
    """Return unit draws of one distribution, shape (..., O, I), float64."""
    out = np.empty(shape)
    DISTRIBUTIONS[name](generator, out)
    return out
