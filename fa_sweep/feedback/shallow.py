"""The control that every claim needs: s_l = 0, the hidden layers stay as they were drawn, only the output layer learns."""

from collections.abc import Sequence

import numpy as np

from fa_sweep.feedback.base import FeedbackConfig, FeedbackMode, Lane


class Shallow(FeedbackMode[FeedbackConfig]):
    """Feedback matrices of zeros; angles against them are undefined, hence NaN."""

    def __init__(self, lanes: Sequence[Lane | None], weights: Sequence[np.ndarray]) -> None:
        super().__init__(lanes, weights)
        self.matrices = [np.zeros(weight.shape) for weight in weights[1:]]
