"""Fixed random magnitudes with the forward weights' signs (frSF; Liao et al., 2016): B = abs(M) * sign(W), M drawn once."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fa_sweep.feedback._base import Chance, Forward, Lane
from fa_sweep.feedback._draws import fixed_matrices
from fa_sweep.feedback._signs import SignSymmetry


class FixedSign(SignSymmetry):
    """M has the settings of every feedback draw."""

    def __init__(self, lanes: Sequence[Lane | None], forward: Forward) -> None:
        super().__init__(lanes, forward)
        self.magnitudes = [np.abs(matrix) for matrix in fixed_matrices(lanes, forward)]

    @staticmethod
    def chance(config: Any) -> Chance:
        """Return "own"."""
        return "own"


MODE = FixedSign
