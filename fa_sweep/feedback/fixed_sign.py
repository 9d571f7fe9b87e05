"""Sign-symmetric feedback with fixed random magnitudes (frSF; Liao et al., 2016)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fa_sweep.feedback._base import Chance, Forward, Lane
from fa_sweep.feedback._draws import fixed_matrices
from fa_sweep.feedback._signs import SignSymmetry


class FixedSign(SignSymmetry):
    """Feedback B = abs(M) * sign(W). M is drawn once, like the matrices of `random`."""

    def __init__(self, lanes: Sequence[Lane | None], forward: Forward) -> None:
        super().__init__(lanes, forward)
        self.magnitudes = [np.abs(matrix) for matrix in fixed_matrices(lanes, forward)]

    @staticmethod
    def chance(config: Any) -> Chance:
        """Measure chance angles with newly drawn magnitudes ("own"), because these are random and do not learn."""
        return "own"


MODE = FixedSign
