"""Direct feedback alignment with the sign of the error (sDFA; Nokland, 2016; Frenkel et al., 2021): s_l = B_l sign(e)."""

import numpy as np

from fa_sweep._typing import Array
from fa_sweep.feedback._base import Backward
from fa_sweep.feedback.direct import Direct


class SignDirect(Direct):
    """Signals s_l = B_l sign(e), with sign(0) = 0.

    `model.parametrisation` scales the output and its error, which does not change the signs. So s_l is the same in every
    parametrisation.
    """

    def error(self, backward: Backward) -> Array:
        """Return sign(e) times the step, (n_L, N, R).

        `deltas[-1]` is e times the step, so its sign already contains the sign of the step. Only the factor |step| is missing.
        """
        signs: Array = np.sign(backward.deltas[-1])
        np.multiply(signs, np.abs(backward.step), out=signs)
        return signs


MODE = SignDirect
