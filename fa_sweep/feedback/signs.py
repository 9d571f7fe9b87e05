"""What the sign-symmetry modes share: feedback that knows the signs of the forward weights, not their sizes.

Sources: Liao, Leibo and Poggio (2016), "How important is weight symmetry in backpropagation?"; Xiao et al. (2019).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fa_sweep.checks import ConfigError
from fa_sweep.feedback.base import FeedbackConfig, FeedbackMode, Forward, Lane
from fa_sweep.streams import stream

Array = np.ndarray

CONCORDANCE = 2  # the kind of stream that decides which signs are kept


@dataclass
class SignConfig(FeedbackConfig):
    """`concordance`: each sign is the forward weight's with that probability, else the opposite; decided once."""

    concordance: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.concordance <= 1:
            raise ConfigError(f"feedback.concordance is {self.concordance}; it must be at least 0 and at most 1")


class SignSymmetry(FeedbackMode[SignConfig]):
    """Matrices of `magnitudes[l - 1]` times the signs of W_{l+1}, sign(0) = 0; a mode sets the magnitudes (O, I, R)."""

    Config = SignConfig
    magnitudes: list[Array]

    def __init__(self, lanes: Sequence[Lane | None], forward: Forward) -> None:
        super().__init__(lanes, forward)
        self.matrices = [np.zeros_like(weight) for weight in forward.weights[1:]]
        self._kept = [self._concordant(layer, weight) for layer, weight in enumerate(forward.weights[1:], start=2)]

    def _concordant(self, layer: int, weight: Array) -> Array | None:
        """Return 1 where a sign is kept and -1 where it is not, (O, I, R); None where all are."""
        if all(lane is None or lane.feedback.concordance == 1 for lane in self.lanes):
            return None
        kept = np.ones_like(weight)
        for position, lane in enumerate(self.lanes):
            if lane:
                uniform = stream(lane.seed, "feedback", layer, CONCORDANCE).uniform(size=weight.shape[:2])
                kept[..., position] = np.where(uniform < lane.feedback.concordance, 1.0, -1.0)
        return kept

    def refresh(self) -> None:
        """Take the signs of the current forward weights."""
        for weight, size, kept, matrix in zip(
            self.forward.weights[1:], self.magnitudes, self._kept, self.matrices, strict=True
        ):
            np.sign(weight, out=matrix)
            np.multiply(matrix, size, out=matrix)
            if kept is not None:
                np.multiply(matrix, kept, out=matrix)
