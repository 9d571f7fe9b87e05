"""Feedback at a chosen angle to the forward weights: backpropagation at 0 degrees, a random matrix at 90 degrees."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fa_sweep._typing import Array
from fa_sweep.errors import ConfigError
from fa_sweep.feedback._base import Chance, FeedbackConfig, FeedbackMode, Forward, Lane
from fa_sweep.feedback._draws import fixed_matrices
from fa_sweep.numerics.layout import scaled_to_one


@dataclass
class PartialConfig(FeedbackConfig):
    """The settings of partial alignment.

    Attributes:
        angle_deg: the angle t between B and W, in degrees: 0 is backpropagation, 90 is random feedback.
    """

    angle_deg: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.angle_deg <= 180:
            raise ConfigError(f"feedback.angle_deg is {self.angle_deg}; it must be at least 0 and at most 180")


class Partial(FeedbackMode[PartialConfig]):
    """Feedback B = cos t W + sin t |W| R, where R is random, of norm 1, and orthogonal to the initial W.

    B has the shape of W here. At initialisation it has the norm of W and the angle t to it. As W changes, R may cease to be
    orthogonal to W; norm and angle then hold only approximately.
    """

    Config = PartialConfig
    numerics = 1

    def __init__(self, lanes: Sequence[Lane | None], forward: Forward) -> None:
        super().__init__(lanes, forward)
        angles = np.radians([lane.feedback.angle_deg if lane else 0.0 for lane in lanes])
        # Set cos(90 degrees) and sin(180 degrees) to exactly 0. NumPy returns a rounding error instead.
        self._cos = self.per_lane(np.where(angles == np.pi / 2, 0.0, np.cos(angles)).tolist())
        self._sin = self.per_lane(np.where(angles == np.pi, 0.0, np.sin(angles)).tolist())
        self._directions = [_orthogonal(r, w) for r, w in zip(fixed_matrices(lanes, forward), forward.weights[1:], strict=True)]
        self.matrices = [np.zeros_like(weight) for weight in forward.weights[1:]]

    @staticmethod
    def chance(config: Any) -> Chance:
        """Measure chance angles with B made from a newly drawn R ("own").

        At 0 and 180 degrees B contains no R, so there is nothing to draw ("none").
        """
        return "own" if 0 < config.angle_deg < 180 else "none"

    def refresh(self) -> None:
        """Recompute the matrices from the current forward weights."""
        for weight, direction, matrix in zip(self.forward.weights[1:], self._directions, self.matrices, strict=True):
            np.multiply(direction, self._sin * self.layout.norm_at_any_scale(weight).astype(weight.dtype), out=matrix)
            np.add(matrix, self._cos * weight, out=matrix)


def _orthogonal(drawn: Array, weight: Array) -> Array:
    """Return the component of each lane's matrix (O, I, R) that is orthogonal to its weight, scaled to norm 1."""
    found = np.zeros_like(weight)
    for lane in range(weight.shape[-1]):
        # Only directions matter here. Without the scaling, squares of entries like 1e-200 or 1e200 would underflow or overflow.
        r, w = (scaled_to_one(np.ascontiguousarray(a[..., lane], np.float64).ravel())[0] for a in (drawn, weight))
        if w.any():
            r = r - (r @ w) / (w @ w) * w
        norm = np.sqrt(r @ r)
        found[..., lane] = (r / norm if norm > 0 else r).reshape(weight.shape[:2])
    return found


MODE = Partial
