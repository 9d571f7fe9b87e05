"""Direct random target projection (DRTP; Frenkel et al., 2021): the hidden layers learn from the target alone."""

import numpy as np

from fa_sweep._typing import Array
from fa_sweep.feedback._base import Backward
from fa_sweep.feedback.direct import Direct


class TargetProjection(Direct):
    """Signals s_l = -B_l y* with one-hot targets y*.

    Sign convention: s_l takes the place of dLoss/dh_l, and -y* takes the place of the error e = y_hat - y*. With softmax
    outputs e is negative at the target class and positive elsewhere. At the target class -y* has the same sign as e, and
    elsewhere it is 0. `model.parametrisation` scales the output and its error, but not the target.
    """

    one_hot = True

    def error(self, backward: Backward) -> Array:
        """Return -y* times the step, (n_L, N, R)."""
        sent: Array = np.multiply(backward.target, -backward.step)
        return sent


MODE = TargetProjection
