"""Feedback alignment (FA; Lillicrap et al., 2016): s_l = B_{l+1} delta_{l+1}, with B drawn once."""

from collections.abc import Sequence
from typing import Any

from fa_sweep.feedback._base import Ahead, Backward, Chance, FeedbackConfig, FeedbackMode, Forward, Lane
from fa_sweep.feedback._draws import fixed_matrices


class Random(FeedbackMode[FeedbackConfig]):
    """Fixed random feedback matrices."""

    numerics = 1

    def __init__(self, lanes: Sequence[Lane | None], forward: Forward) -> None:
        super().__init__(lanes, forward)
        self.matrices = [self.layout.for_feedback(matrix) for matrix in fixed_matrices(lanes, forward)]

    @staticmethod
    def chance(config: Any) -> Chance:
        """Measure chance angles with newly drawn matrices ("own"), because these are random and fixed."""
        return "own"

    def ahead(self, first: int, steps: int, backward: Backward) -> Ahead:
        """Return the fixed matrices, for all steps asked for."""
        return Ahead(steps, "matrices", self.matrices)


MODE = Random
