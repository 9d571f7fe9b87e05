"""Product feedback alignment (PFA; Li and Benna, 2024): the feedback matrix is a product of a fixed and a learnt factor.

Sources: arXiv 2405.20594 and the authors' code, github.com/jil095/product_feedback_alignment (mode "tfa", recipe "tfawd").
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fa_sweep._typing import Array
from fa_sweep.checks import at_least
from fa_sweep.errors import ConfigError
from fa_sweep.feedback._base import Backward, Chance, FeedbackConfig, FeedbackMode, Forward, Lane
from fa_sweep.numerics.distributions import draw_into
from fa_sweep.numerics.layout import norm_of
from fa_sweep.numerics.streams import stream

FIXED, LEARNT, LEARNT_MASK, FIXED_MASK = 3, 4, 5, 6  # the kinds of the streams for B and R and for their zeros
TYPICAL_UNITS = 10  # the time estimate assumes n_{l+1} = 10, because it knows the mode's settings but no layer widths


@dataclass
class ProductConfig(FeedbackConfig):
    """The settings of product feedback alignment.

    Attributes:
        width: the inner dimension k of the product B R; null for `expansion` times n_{l+1}, as in the authors' code.
        expansion: the ratio of k to n_{l+1}, used if `width` is null.
        decay: the fraction d that R and every forward weight lose per step. Biases do not decay.
    """

    width: int | None
    expansion: int
    decay: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width is not None:
            at_least("feedback.width", self.width, 1)
        at_least("feedback.expansion", self.expansion, 1)
        if not 0 <= self.decay < 1:
            raise ConfigError(f"feedback.decay is {self.decay}; it must be at least 0 and below 1")

    def units_between(self, above: int) -> int:
        """Return k for a weight W_{l+1} whose output layer has `above` units."""
        return self.expansion * above if self.width is None else self.width


class Product(FeedbackMode[ProductConfig]):
    """Signals s_l = R^T B^T delta_{l+1} with B (n_{l+1}, k) fixed and R (k, n_l) learnt.

    R <- (1 - d) R + B^T u, where u is the update of the forward weight, W_{l+1} <- (1 - d) W_{l+1} + u. Hence R - B^T W shrinks
    by the factor 1 - d per step, and the feedback matrix B R approaches B B^T W. If k is much larger than n_{l+1}, that is
    nearly a multiple of W. If k is smaller than n_{l+1}, B B^T does not have full rank and the feedback cannot align fully.
    `train.weight_decay` adds to d, for W and R alike.

    Draws: the entries of B are U(+-sqrt(3 / k)), with standard deviation 1 / sqrt(k), whatever the settings. R has the
    distribution and the scale of the settings, with the fans of a weight from n_l to k units. With `match_norm`, R is scaled so
    that B R has the norm of the initial W. With `sparsity`, B and R both have entries that stay 0; the other entries of B are
    divided by sqrt(density), density being the fraction of entries that are not 0.

    Optimisers: with sgd and momentum, B^T u equals the gradient step of R itself. With manhattan, R follows the update that W
    really made.

    Differences from the authors' code: their biases decay as well, and with momentum their decay is part of the velocity.
    """

    Config = ProductConfig
    numerics = 1

    def __init__(self, lanes: Sequence[Lane | None], forward: Forward) -> None:
        super().__init__(lanes, forward)
        settings: ProductConfig = next(lane.feedback for lane in lanes if lane)
        shapes = [(*weight.shape, settings.units_between(weight.shape[0])) for weight in forward.weights[1:]]
        self._fixed = [self.layout.zeros(o, k, runs) for o, _, runs, k in shapes]
        self._learnt = [self.layout.zeros(k, i, runs) for _, i, runs, k in shapes]
        self._masks = [np.ones_like(learnt) if self._is_sparse() else None for learnt in self._learnt]
        if shapes:  # without a hidden layer there is no feedback, and hence no decay
            self.keeps = self.per_lane([1.0 - lane.feedback.decay if lane else None for lane in lanes])
        for position, lane in enumerate(lanes):
            for layer, weight in enumerate(forward.weights[1:], start=2) if lane else ():
                assert lane is not None
                self._draw(position, lane, layer, np.ascontiguousarray(weight[..., position], np.float64))
        self.matrices = [np.zeros_like(weight) for weight in forward.weights[1:]]
        self._steps = [np.zeros_like(learnt) for learnt in self._learnt]
        self._between: dict[tuple[int, int], Array] = {}

    @staticmethod
    def chance(config: Any) -> Chance:
        """Measure no chance angles ("none"): R learns, so a new draw would not have its distribution."""
        return "none"

    @staticmethod
    def examples_per_step(config: ProductConfig) -> float:
        """Return k / 6, because B^T u takes k multiplications per weight."""
        return config.units_between(TYPICAL_UNITS) / 6

    @staticmethod
    def slice_key(config: ProductConfig) -> Hashable:
        """Return the settings that decide k."""
        return (config.width, config.expansion if config.width is None else 0)

    def begin_evaluation(self) -> None:
        """Compute the product B R, which only evaluations need."""
        for fixed, learnt, matrix in zip(self._fixed, self._learnt, self.matrices, strict=True):
            self.layout.propagate(fixed, learnt, matrix)

    def signal(self, layer: int, backward: Backward, out: Array) -> None:
        """Compute R^T B^T delta_{l+1}."""
        fixed, learnt, delta = self._fixed[layer - 1], self._learnt[layer - 1], backward.deltas[layer + 1]
        key = layer, delta.shape[1]
        if key not in self._between:
            self._between[key] = self.layout.empty(fixed.shape[1], *delta.shape[1:])
        between = self._between[key]
        self.layout.propagate_back(fixed, delta, between)
        self.layout.propagate_back(learnt, between, out)

    def learn(self, updates: Sequence[Array]) -> None:
        """Apply to R the decay of W and the update B^T u."""
        parts = zip(self._fixed, self._learnt, self._steps, self._masks, updates[1:], self.kept[1:], strict=True)
        for fixed, learnt, step, mask, update, kept in parts:
            self.layout.propagate_back(fixed, update, step)
            np.multiply(learnt, kept, out=learnt)
            np.add(learnt, step, out=learnt)
            if mask is not None:
                np.multiply(learnt, mask, out=learnt)

    def _is_sparse(self) -> bool:
        return any(lane is not None and lane.feedback.sparsity > 0 for lane in self.lanes)

    def _draw(self, position: int, lane: Lane, layer: int, weight: Array) -> None:
        """Draw one lane's B (O, k) and R (k, I)."""
        feedback, width = lane.feedback, self._fixed[layer - 2].shape[1]
        fixed = stream(lane.seed, lane.purpose, layer, FIXED).uniform(-1.0, 1.0, (len(weight), width)) * np.sqrt(3.0 / width)
        learnt = np.empty((width, weight.shape[1]))
        draw_into(feedback.distribution, stream(lane.seed, lane.purpose, layer, LEARNT), learnt)
        mask = self._masks[layer - 2]
        if feedback.sparsity > 0 and mask is not None:
            kept = _wired(lane, layer, FIXED_MASK, fixed.shape)
            fixed *= kept / np.sqrt(kept.mean())
            mask[..., position] = _wired(lane, layer, LEARNT_MASK, learnt.shape)
            learnt *= mask[..., position]
        factor = norm_of(weight) / norm_of(fixed @ learnt) if feedback.match_norm else feedback.scale
        self._fixed[layer - 2][..., position], self._learnt[layer - 2][..., position] = fixed, learnt * factor


def _wired(lane: Lane, layer: int, kind: int, shape: tuple[int, ...]) -> Array:
    """Return a random mask: a fraction `sparsity` of the entries is 0 and the others are 1, at least one of them."""
    size = int(np.prod(shape))
    wired = np.ones(size)
    zeros = min(size - 1, round(lane.feedback.sparsity * size))
    wired[stream(lane.seed, lane.purpose, layer, kind).permutation(size)[:zeros]] = 0.0
    return wired.reshape(shape)


MODE = Product
