"""The control condition: s_l = 0. Hidden layers keep their initial weights, and only the output layer learns."""

from collections.abc import Sequence

import numpy as np

from fa_sweep.feedback._base import Ahead, Backward, FeedbackConfig, FeedbackMode, Forward, Lane


class Shallow(FeedbackMode[FeedbackConfig]):
    """Feedback matrices of zeros. Angles to them are undefined, hence NaN."""

    def __init__(self, lanes: Sequence[Lane | None], forward: Forward) -> None:
        super().__init__(lanes, forward)
        self.matrices = [np.zeros_like(weight) for weight in forward.weights[1:]]

    def signal(self, layer: int, backward: Backward, out: np.ndarray) -> None:
        """Fill `out` with zeros without multiplying, because a diverged error times 0 would be NaN."""
        out.fill(0.0)

    def ahead(self, first: int, steps: int, backward: Backward) -> Ahead:
        """Return zero feedback, for all steps asked for."""
        return Ahead(steps, "zeros", [])


MODE = Shallow
