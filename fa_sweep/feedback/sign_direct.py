"""Direct feedback alignment with the error's sign (sDFA; Nokland, 2016; Frenkel et al., 2021): s_l = B_l sign(e)."""

import numpy as np

from fa_sweep._typing import Array
from fa_sweep.feedback._base import Backward
from fa_sweep.feedback.direct import Direct


class SignDirect(Direct):
    """sign(0) = 0 here. The step rides on the error, which is minus the learning rate times e: it is put back on the sign.

    `model.parametrisation` scales the output and its error, but not a sign: s_l is B_l sign(e) in either of them.
    """

    def error(self, backward: Backward) -> Array:
        """Return sign(e) times the step, (n_L, N, R)."""
        signs: Array = np.sign(backward.deltas[-1])
        np.multiply(signs, np.abs(backward.step), out=signs)
        return signs


MODE = SignDirect
