"""Feedback alignment (Lillicrap et al., 2016): s_l = B_{l+1} delta_{l+1} with B drawn once."""

from collections.abc import Sequence

from fa_sweep.feedback.base import Ahead, Backward, FeedbackConfig, FeedbackMode, Forward, Lane
from fa_sweep.feedback.draws import fixed_matrices


class Random(FeedbackMode[FeedbackConfig]):
    """Fixed random feedback matrices."""

    def __init__(self, lanes: Sequence[Lane | None], forward: Forward) -> None:
        super().__init__(lanes, forward)
        self.matrices = [self.layout.for_feedback(matrix) for matrix in fixed_matrices(lanes, forward)]

    def ahead(self, first: int, steps: int, backward: Backward) -> Ahead:
        """Return the matrices."""
        return Ahead(steps, "matrices", self.matrices)


MODE = Random
