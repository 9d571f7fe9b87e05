"""Backpropagation: s_l = W_{l+1}^T delta_{l+1}."""

from collections.abc import Sequence

from fa_sweep.feedback._base import Ahead, Backward, FeedbackConfig, FeedbackMode, Forward, Lane


class Symmetric(FeedbackMode[FeedbackConfig]):
    """Feedback by the transposed forward weights. Nothing is drawn, so the settings of feedback draws have no effect."""

    def __init__(self, lanes: Sequence[Lane | None], forward: Forward) -> None:
        super().__init__(lanes, forward)
        self.matrices = forward.weights[1:]

    def ahead(self, first: int, steps: int, backward: Backward) -> Ahead:
        """Return the forward weights as the feedback, for all steps asked for."""
        return Ahead(steps, "weights", [])


MODE = Symmetric
