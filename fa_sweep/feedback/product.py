"""Product feedback alignment (PFA; Li and Benna, 2024): the feedback path is a product, of which one factor learns."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from fa_sweep.checks import ConfigError, at_least
from fa_sweep.distributions import draw_into
from fa_sweep.feedback.base import FeedbackConfig, FeedbackMode, Forward, Lane
from fa_sweep.streams import stream

Array = np.ndarray

FIXED, LEARNT = 3, 4  # the kinds of streams of B and R


@dataclass
class ProductConfig(FeedbackConfig):
    """`width` is k, the number of units between; `decay` is d, the fraction of R that a step loses."""

    width: int
    decay: float

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("feedback.width", self.width, 1)
        if not 0 <= self.decay < 1:
            raise ConfigError(f"feedback.decay is {self.decay}; it must be at least 0 and below 1")


class Product(FeedbackMode[ProductConfig]):
    """s_l = R^T B^T delta_{l+1}: B (n_{l+1}, k) fixed, N(0, 1/k); R (k, n_l) <- (1 - d) R + B^T u, u the step of W_{l+1}.

    With sgd, B^T u is -lr (B^T delta) h^T; with another optimiser R follows what W really did. The settings of draws are
    those of R, whose first draw stands as a weight of k outputs; `match_norm` fits B R to W.
    """

    Config = ProductConfig

    def __init__(self, lanes: Sequence[Lane | None], forward: Forward) -> None:
        super().__init__(lanes, forward)
        width = next(lane.feedback.width for lane in lanes if lane)
        shapes = [weight.shape for weight in forward.weights[1:]]
        self._fixed = [self.layout.zeros(o, width, runs) for o, _, runs in shapes]
        self._learnt = [self.layout.zeros(width, i, runs) for _, i, runs in shapes]
        self._keeps = self.per_lane([1.0 - lane.feedback.decay if lane else None for lane in lanes])
        for position, lane in enumerate(lanes):
            for layer, weight in enumerate(forward.weights[1:], start=2) if lane else ():
                assert lane is not None
                fixed, learnt = _draw(lane, layer, np.ascontiguousarray(weight[..., position], np.float64), width)
                self._fixed[layer - 2][..., position], self._learnt[layer - 2][..., position] = fixed, learnt
        self.matrices = [np.zeros_like(weight) for weight in forward.weights[1:]]
        self._steps = [np.zeros_like(learnt) for learnt in self._learnt]

    @staticmethod
    def examples_per_step(config: ProductConfig) -> float:
        """Return k / 3: B R and B^T u cost 2 k multiplications a weight."""
        return config.width / 3

    @staticmethod
    def slice_key(config: ProductConfig) -> Hashable:
        """Return k, which shapes the arrays."""
        return config.width

    def refresh(self) -> None:
        """Multiply the two factors."""
        for fixed, learnt, matrix in zip(self._fixed, self._learnt, self.matrices, strict=True):
            self.layout.propagate(fixed, learnt, matrix)

    def learn(self, updates: Sequence[Array]) -> None:
        """Let R follow W through B."""
        for fixed, learnt, step, update in zip(self._fixed, self._learnt, self._steps, updates[1:], strict=True):
            self.layout.propagate_back(fixed, update, step)
            np.multiply(learnt, self._keeps, out=learnt)
            np.add(learnt, step, out=learnt)


def _draw(lane: Lane, layer: int, weight: Array, width: int) -> tuple[Array, Array]:
    """Return one lane's B (O, k) and R (k, I)."""
    feedback = lane.feedback
    fixed = stream(lane.seed, "feedback", layer, FIXED).standard_normal((len(weight), width)) / np.sqrt(width)
    learnt = np.empty((width, weight.shape[1]))
    draw_into(feedback.distribution, stream(lane.seed, "feedback", layer, LEARNT), learnt)
    if feedback.sparsity > 0:
        zeros = stream(lane.seed, "feedback", layer, LEARNT + 1).permutation(learnt.size)
        learnt.flat[zeros[: min(learnt.size - 1, round(feedback.sparsity * learnt.size))]] = 0.0
    factor = np.linalg.norm(weight) / np.linalg.norm(fixed @ learnt) if feedback.match_norm else feedback.scale
    return fixed, learnt * factor


MODE = Product
