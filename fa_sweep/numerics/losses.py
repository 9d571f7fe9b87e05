"""Losses: a value to report and the descent direction that training follows.

Axes: O outputs, N examples, R runs; `output` and `target` are (O, N, R), `rate` broadcasts against them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fa_sweep._typing import Array


@dataclass(frozen=True)
class Loss:
    """A loss per example, summed over the outputs.

    `value(output, target)` returns (N, R). `descend(output, target, rate, out)` fills `out` with -rate * dvalue/doutput:
    the step size rides on the error from the start, so that every gradient behind it is an update already. `one_hot`: whether
    targets have to be classes, one output each.
    """

    value: Callable[[Array, Array], Array]
    descend: Callable[[Array, Array, Array, Array], None]
    one_hot: bool = False


def error(loss: Loss, output: Array, target: Array) -> Array:
    """Return e = dvalue/doutput, (O, N, R)."""
    out = np.empty_like(output)
    loss.descend(output, target, np.ones(1, output.dtype), out)
    np.negative(out, out=out)
    return out


def _absolute_value(output: Array, target: Array) -> Array:
    summed: Array = np.add.reduce(np.abs(output - target), axis=0)
    return summed


def _absolute_descend(output: Array, target: Array, rate: Array, out: Array) -> None:
    np.subtract(target, output, out=out)
    np.copysign(rate, out, out=out)  # target == output gives +0.0, hence e = -1 there: sign(0) = -1, as the seed has it


def _squared_value(output: Array, target: Array) -> Array:
    difference = output - target
    summed: Array = 0.5 * np.add.reduce(difference * difference, axis=0)
    return summed


def _squared_descend(output: Array, target: Array, rate: Array, out: Array) -> None:
    np.subtract(target, output, out=out)
    np.multiply(out, rate, out=out)


def _cross_entropy_value(output: Array, target: Array) -> Array:
    shifted = output - np.maximum.reduce(output, axis=0)  # the largest logit at 0: exp cannot overflow
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
    "absolute": Loss(_absolute_value, _absolute_descend),  # sum |y_hat - y|, its subgradient
    "squared": Loss(_squared_value, _squared_descend),  # 1/2 ||y_hat - y||^2
    "cross_entropy": Loss(_cross_entropy_value, _cross_entropy_descend, one_hot=True),  # softmax inside; targets one-hot
}
