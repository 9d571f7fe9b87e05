"""Activation functions and their derivatives.

Every function writes into an array that the caller provides, and accepts arrays of any shape.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fa_sweep._typing import Array


@dataclass(frozen=True)
class Activation:
    """An activation function f and its derivative.

    `apply(z, out)` fills `out` with h = f(z). `derivative(h, out)` fills `out` with f'(z), computed from h alone. `derivative`
    is None if f' is 1 everywhere.
    """

    apply: Callable[[Array, Array], None]
    derivative: Callable[[Array, Array], None] | None


def _relu(z: Array, out: Array) -> None:
    np.maximum(z, 0.0, out=out)


def _relu_derivative(h: Array, out: Array) -> None:
    np.greater(h, 0.0, out=out)  # f'(0) is taken as 0


def _leaky_relu(negative_slope: float) -> Activation:
    def apply(z: Array, out: Array) -> None:
        np.maximum(z, negative_slope * z, out=out)

    def derivative(h: Array, out: Array) -> None:
        np.copyto(out, negative_slope)
        np.copyto(out, 1.0, where=h > 0.0)

    return Activation(apply, derivative)


def _tanh(z: Array, out: Array) -> None:
    np.tanh(z, out=out)


def _tanh_derivative(h: Array, out: Array) -> None:
    np.multiply(h, h, out=out)
    np.subtract(1.0, out, out=out)


def _sigmoid(z: Array, out: Array) -> None:
    # 1 / (1 + exp(-z)), written with tanh because exp could overflow
    np.multiply(z, 0.5, out=out)
    np.tanh(out, out=out)
    np.multiply(out, 0.5, out=out)
    np.add(out, 0.5, out=out)


def _sigmoid_derivative(h: Array, out: Array) -> None:
    np.subtract(1.0, h, out=out)
    np.multiply(out, h, out=out)


def _linear(z: Array, out: Array) -> None:
    np.copyto(out, z)


# Each entry takes `model.negative_slope`, which only leaky_relu (Maas et al., 2013) uses.
ACTIVATIONS: dict[str, Callable[[float], Activation]] = {
    "relu": lambda _: Activation(_relu, _relu_derivative),
    "tanh": lambda _: Activation(_tanh, _tanh_derivative),
    "sigmoid": lambda _: Activation(_sigmoid, _sigmoid_derivative),
    "leaky_relu": _leaky_relu,
    "linear": lambda _: Activation(_linear, None),
}
