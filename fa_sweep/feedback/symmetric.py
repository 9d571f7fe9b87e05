"""Backpropagation: s_l = W_{l+1}^T delta_{l+1}."""

from collections.abc import Sequence

from fa_sweep.feedback.base import FeedbackConfig, FeedbackMode, Forward, Lane


class Symmetric(FeedbackMode[FeedbackConfig]):
    """The transposed forward weights themselves; nothing is drawn, the settings of draws have no part in it."""

    def __init__(self, lanes: Sequence[Lane | None], forward: Forward) -> None:
        super().__init__(lanes, forward)
        self.matrices = forward.weights[1:]


MODE = Symmetric
