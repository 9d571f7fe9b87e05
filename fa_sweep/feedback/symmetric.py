"""Backpropagation: s_l = W_{l+1}^T delta_{l+1}."""

from collections.abc import Sequence

import numpy as np

from fa_sweep.feedback.base import FeedbackConfig, FeedbackMode, Lane


class Symmetric(FeedbackMode[FeedbackConfig]):
    """The transposed forward weights themselves; `feedback.scale` and `feedback.distribution` have no part in it."""

    def __init__(self, lanes: Sequence[Lane | None], weights: Sequence[np.ndarray]) -> None:
        super().__init__(lanes, weights)
        self.matrices = list(weights[1:])
