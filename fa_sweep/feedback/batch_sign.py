"""Sign-symmetric feedback whose random magnitudes are redrawn at every step (brSF; Liao et al., 2016)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fa_sweep.feedback._base import Chance, Forward, Lane
from fa_sweep.feedback._draws import Draws
from fa_sweep.feedback._signs import SignSymmetry


class BatchSign(SignSymmetry):
    """Feedback B = abs(M) * sign(W), with M redrawn at every step. The first M is the one that `fixed_sign` keeps."""

    def __init__(self, lanes: Sequence[Lane | None], forward: Forward) -> None:
        super().__init__(lanes, forward)
        self._draws = [Draws(lanes, forward, layer, weight) for layer, weight in enumerate(forward.weights[1:], start=2)]
        self.magnitudes = [np.zeros_like(weight) for weight in forward.weights[1:]]

    @staticmethod
    def draws_per_step(config: Any) -> float:
        """Return 4: all magnitudes are drawn at every step."""
        return 4.0

    @staticmethod
    def chance(config: Any) -> Chance:
        """Measure chance angles with newly drawn magnitudes ("own"), because these are random and do not learn."""
        return "own"

    def begin_step(self, step: int) -> None:
        """Draw the magnitudes of this step."""
        for draws, magnitude in zip(self._draws, self.magnitudes, strict=True):
            np.abs(draws.next(), out=magnitude)


MODE = BatchSign
