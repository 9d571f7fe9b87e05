"""Loss functions: the value that is reported, and the descent direction that training follows.

Axes: O outputs, N examples, R runs. `output` and `target` are (O, N, R); `rate` broadcasts against them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fa_sweep._typing import Array


@dataclass(frozen=True)
class Loss:
    """A loss function, summed over the outputs of an example.

    Attributes:
        value: `value(output, target)` returns the loss of each example, (N, R).
        descend: `descend(output, target, rate, out)` fills `out` (O, N, R) with -rate * dvalue/doutput. Because the error
            already contains the step size, gradients that are computed from it need no further scaling.
        one_hot: whether the targets must be one-hot, one output per class.
    """

    value: Callable[[Array, Array], Array]
    descend: Callable[[Array, Array, Array, Array], None]
    one_hot: bool = False


def error(loss: Loss, output: Array, target: Array) -> Array:
    """Return the error e = dvalue/doutput, (O, N, R)."""
    out = np.empty_like(output)
    loss.descend(output, target, np.ones(1, output.dtype), out)
    np.negative(out, out=out)
    return out


def _absolute_value(output: Array, target: Array) -> Array:
    summed: Array = np.add.reduce(np.abs(output - target), axis=0)
    return summed


def _absolute_descend(output: Array, target: Array, rate: Array, out: Array) -> None:
    np.subtract(target, output, out=out)
    np.copysign(rate, out, out=out)  # target - output = +0.0 counts as positive, so e = -1 there


def _squared_value(output: Array, target: Array) -> Array:
    difference = output - target
    summed: Array = 0.5 * np.add.reduce(difference * difference, axis=0)
    return summed


def _squared_descend(output: Array, target: Array, rate: Array, out: Array) -> None:
    np.subtract(target, output, out=out)
    np.multiply(out, rate, out=out)


def _cross_entropy_value(output: Array, target: Array) -> Array:
    shifted = output - np.maximum.reduce(output, axis=0)  # the largest logit becomes 0, so exp cannot overflow
    log_normaliser = np.log(np.add.reduce(np.exp(shifted), axis=0))
    summed: Array = log_normaliser - np.add.reduce(shifted * target, axis=0)
    return summed


def _cross_entropy_descend(output: Array, target: Array, rate: Array, out: Array) -> None:
    np.subtract(output, np.maximum.reduce(output, axis=0), out=out)
    np.exp(out, out=out)
    np.divide(out, np.add.reduce(out, axis=0), out=out)
    np.subtract(target, out, out=out)
    np.multiply(out, rate, out=out)


LOSSES = {
    "absolute": Loss(_absolute_value, _absolute_descend),  # sum |y_hat - y|; descends along a subgradient
    "squared": Loss(_squared_value, _squared_descend),  # 1/2 ||y_hat - y||^2
    "cross_entropy": Loss(_cross_entropy_value, _cross_entropy_descend, one_hot=True),  # includes the softmax; targets one-hot
}
