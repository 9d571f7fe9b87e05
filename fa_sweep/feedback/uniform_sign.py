"""Uniform sign-concordant feedback (uSF; Liao et al., 2016): s_l = c sign(W_{l+1})^T delta_{l+1}.

Liao et al. use c = 1. Here c follows the standard deviation of the layer's initial weights, so that at the start the signals
are about as large as with backpropagation.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fa_sweep.feedback._base import Chance, Forward, Lane
from fa_sweep.feedback._signs import SignSymmetry
from fa_sweep.numerics.distributions import deviation


class UniformSign(SignSymmetry):
    """Feedback matrices c sign(W_{l+1}).

    c is `feedback.scale` times the standard deviation of the layer's initial weights. Nothing is drawn, except which signs are
    reversed if `feedback.concordance` is below 1. For c = 1 as in Liao et al., set `feedback.scale` to the inverse of that
    standard deviation. For c that follows the norm of W, as in Moskovitz et al. (2018), set `feedback.follow_norm`.
    """

    def __init__(self, lanes: Sequence[Lane | None], forward: Forward) -> None:
        super().__init__(lanes, forward)
        self.magnitudes = [self._sizes(weight.shape[1], weight.shape[0]) for weight in forward.weights[1:]]

    @staticmethod
    def chance(config: Any) -> Chance:
        """Measure chance angles with newly drawn reversals of signs ("own").

        If no sign is reversed, or all are, nothing is random ("none").
        """
        return "own" if 0 < config.concordance < 1 else "none"

    def _sizes(self, fan_in: int, fan_out: int) -> np.ndarray:
        sizes = [
            lane.feedback.scale * lane.init.scale * deviation(lane.init.distribution, fan_in, fan_out) if lane else None
            for lane in self.lanes
        ]
        return self.per_lane(sizes)


MODE = UniformSign
