"""The base class of the sign-symmetry modes, whose feedback has the signs of the forward weights but not their magnitudes.

Sources: Liao, Leibo and Poggio (2016), "How important is weight symmetry in backpropagation?"; Xiao et al. (2019). For
`follow_norm`: Moskovitz, Litwin-Kumar and Abbott (2018), "Feedback alignment in deep convolutional networks".
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fa_sweep._typing import Array
from fa_sweep.errors import ConfigError
from fa_sweep.feedback._base import FeedbackConfig, FeedbackMode, Forward, Lane
from fa_sweep.numerics.streams import stream

CONCORDANCE = 2  # `kind` of the random stream that draws which signs are kept and which reversed


@dataclass
class SignConfig(FeedbackConfig):
    """The settings of the sign-symmetry modes.

    Attributes:
        concordance: the probability that an entry has the sign of its forward weight; otherwise it has the opposite sign. This
            is decided once per entry.
        follow_norm: whether each matrix is rescaled before every step to the current Frobenius norm of its forward weight,
            B <- |W| B / |B| (the strict normalisation of Moskovitz et al., 2018). `scale` and `match_norm` then have no effect.
    """

    concordance: float
    follow_norm: bool

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.concordance <= 1:
            raise ConfigError(f"feedback.concordance is {self.concordance}; it must be at least 0 and at most 1")


class SignSymmetry(FeedbackMode[SignConfig]):
    """Feedback matrices M * sign(W_{l+1}) with M = `magnitudes[l - 1]` and sign(0) = 0.

    A subclass sets `magnitudes`: for each weight from W_2 on, one array that broadcasts to (O, I, R).
    """

    Config = SignConfig
    numerics = 1
    magnitudes: list[Array]

    def __init__(self, lanes: Sequence[Lane | None], forward: Forward) -> None:
        super().__init__(lanes, forward)
        self.matrices = [np.zeros_like(weight) for weight in forward.weights[1:]]
        follows = [float(lane.feedback.follow_norm) if lane else None for lane in lanes]
        self._follows = self.per_lane(follows) if any(follows) else None
        self._turned = [self._concordant(layer, weight) for layer, weight in enumerate(forward.weights[1:], start=2)]

    def _concordant(self, layer: int, weight: Array) -> Array | None:
        """Return 1 where a sign is kept and -1 where it is reversed, (O, I, R); None if every lane keeps all signs."""
        if all(lane is None or lane.feedback.concordance == 1 for lane in self.lanes):
            return None
        kept = np.ones_like(weight)
        for position, lane in enumerate(self.lanes):
            if lane:
                uniform = stream(lane.seed, lane.purpose, layer, CONCORDANCE).uniform(size=weight.shape[:2])
                kept[..., position] = np.where(uniform < lane.feedback.concordance, 1.0, -1.0)
        return kept

    def refresh(self) -> None:
        """Recompute the matrices from the signs, and if required the norms, of the current forward weights."""
        for weight, size, turned, matrix in zip(
            self.forward.weights[1:], self.magnitudes, self._turned, self.matrices, strict=True
        ):
            np.sign(weight, out=matrix)
            np.multiply(matrix, size, out=matrix)
            if turned is not None:
                np.multiply(matrix, turned, out=matrix)
            if self._follows is not None:
                wanted, norm = self.layout.norm_at_any_scale(weight), self.layout.norm_at_any_scale(matrix)
                ratio = np.divide(wanted, norm, out=np.zeros_like(norm), where=norm > 0.0)  # B = 0 if W = 0
                np.multiply(matrix, np.where(self._follows > 0.0, ratio, 1.0).astype(matrix.dtype), out=matrix)
