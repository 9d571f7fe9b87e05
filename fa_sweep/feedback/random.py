"""Feedback alignment (Lillicrap et al., 2016): s_l = B_{l+1} delta_{l+1} with B drawn once."""

from collections.abc import Sequence

import numpy as np

from fa_sweep.feedback.base import FeedbackConfig, FeedbackMode, Lane, fixed_matrices


class Random(FeedbackMode[FeedbackConfig]):
    """Fixed random feedback matrices."""

    def __init__(self, lanes: Sequence[Lane | None], weights: Sequence[np.ndarray]) -> None:
        super().__init__(lanes, weights)
        self.matrices = fixed_matrices(lanes, weights)
