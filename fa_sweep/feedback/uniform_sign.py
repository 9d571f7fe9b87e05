"""Uniform sign-concordant feedback (uSF; Liao et al., 2016): s_l = c sign(W_{l+1})^T delta_{l+1}.

Liao et al. have c = 1. Here c is the deviation of the layer's initial weights, so that signals start at backpropagation's size.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fa_sweep.feedback._base import Chance, Forward, Lane
from fa_sweep.feedback._signs import SignSymmetry
from fa_sweep.numerics.distributions import deviation


class UniformSign(SignSymmetry):
    """c is the standard deviation of the layer's initial weights, times `feedback.scale`; nothing is drawn but turned signs.

    Liao's c = 1 is `feedback.scale` = 1 / c. Moskovitz et al. (2018) let c follow the norm of W: `feedback.follow_norm`.
    """

    def __init__(self, lanes: Sequence[Lane | None], forward: Forward) -> None:
        super().__init__(lanes, forward)
        self.magnitudes = [self._sizes(weight.shape[1], weight.shape[0]) for weight in forward.weights[1:]]

    @staticmethod
    def chance(config: Any) -> Chance:
        """Return "own" where random signs are turned; otherwise nothing is drawn."""
        return "own" if 0 < config.concordance < 1 else "none"

    def _sizes(self, fan_in: int, fan_out: int) -> np.ndarray:
        sizes = [
            lane.feedback.scale * lane.init.scale * deviation(lane.init.distribution, fan_in, fan_out) if lane else None
            for lane in self.lanes
        ]
        return self.per_lane(sizes)


MODE = UniformSign
