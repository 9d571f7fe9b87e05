"""Backpropagation: s_l = W_{l+1}^T delta_{l+1}."""

from collections.abc import Sequence

from fa_sweep.feedback._base import Ahead, Backward, FeedbackConfig, FeedbackMode, Forward, Lane


class Symmetric(FeedbackMode[FeedbackConfig]):
    """The transposed forward weights themselves; nothing is drawn, the settings of draws have no part in it."""

    def __init__(self, lanes: Sequence[Lane | None], forward: Forward) -> None:
        super().__init__(lanes, forward)
        self.matrices = forward.weights[1:]

    def ahead(self, first: int, steps: int, backward: Backward) -> Ahead:
        """Return the weights, whatever they will be."""
        return Ahead(steps, "weights", [])


MODE = Symmetric
