"""Signals of feedback that is redrawn at every step, computed without drawing the matrices.

Suppose that a matrix B (O, I) of independent standard normals is multiplied with a single vector d and then discarded. Given d,
the product B^T d has exactly the distribution of |d| n, where n has I independent standard normal entries. So I draws replace
O * I draws. The signals have the same distribution as with drawn matrices, but not the same values. With
`feedback.draws=literal` the matrices are drawn instead.

Axes: R lanes, S steps drawn ahead, H hidden units of all layers, O outputs and I inputs of the forward weight that a matrix
replaces.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from fa_sweep._typing import Array
from fa_sweep.feedback._base import Backward, FeedbackConfig, Forward, Lane
from fa_sweep.feedback._draws import Draws
from fa_sweep.numerics.distributions import DISTRIBUTIONS, deviation
from fa_sweep.numerics.streams import streams

PROJECTED, COMPLETED = 2, 3  # the kinds of the streams for projections, and for matrices that fit them
BUFFER_BYTES = 2**20  # size of the projections that are drawn at a time


def is_projectable(config: FeedbackConfig) -> bool:
    """Whether a matrix drawn with these settings has independent normal entries with the same standard deviation."""
    return DISTRIBUTIONS[config.distribution].gaussian and not config.match_norm and config.sparsity == 0


class Projections:
    """A sequence of random projections, one per step, for all lanes of a slice. Only for batches of one example.

    Args:
        lanes: the lanes of the slice: first the runs, then the padding (None).
        forward: the forward networks of the lanes, with at least one hidden layer.
    """

    def __init__(self, lanes: Sequence[Lane | None], forward: Forward) -> None:
        self._layout = forward.layout
        occupied = [lane for lane in lanes if lane]  # the runs come before the padding
        shapes = [weight.shape[:2] for weight in forward.weights[1:]]
        ends = np.cumsum([units for _, units in shapes]).tolist()
        self._units = [slice(start, end) for start, end in pairwise([0, *ends])]
        self._generators = streams([lane.seed for lane in occupied], occupied[0].purpose, kind=PROJECTED)
        self._rest = [Draws(lanes, forward, n, w, kind=COMPLETED) for n, w in enumerate(forward.weights[1:], start=2)]
        steps = max(1, BUFFER_BYTES // (8 * ends[-1] * len(lanes)))
        self._drawn = np.zeros((len(lanes), steps, ends[-1]))
        self._ready = self._layout.zeros(steps, ends[-1], 1, len(lanes))
        self._scale = np.zeros((ends[-1], 1, len(lanes)))
        for position, lane in enumerate(occupied):
            for units, (o, i) in zip(self._units, shapes, strict=True):
                self._scale[units, :, position] = lane.feedback.scale * deviation(lane.feedback.distribution, i, o)
        self._next = steps

    def advance(self) -> None:
        """Move on to the projections of the next step."""
        self._next += 1
        if self._next >= len(self._ready):
            for generator, out in zip(self._generators, self._drawn, strict=False):
                generator.standard_normal(out=out)
            np.multiply(self._drawn.transpose(1, 2, 0)[:, :, None], self._scale, out=self._ready, casting="same_kind")
            self._next = 0

    def ahead(self, steps: int) -> Array:
        """Return the projections of several steps, and move on to the last of these.

        Args:
            steps: the number of steps asked for, the current one included.

        Returns:
            The projections (S, H, 1, R) of the current step and of those after it that have been drawn, at most `steps`.
        """
        drawn = self._ready[self._next : self._next + steps]
        self._next += len(drawn) - 1
        return drawn

    def signal(self, layer: int, delta: Array, out: Array) -> None:
        """Fill `out` (n_l, 1, R) with the signal s_l, l = `layer`, given `delta` = delta_{l+1} (n_{l+1}, 1, R)."""
        norm = np.abs(delta[0]) if len(delta) == 1 else np.sqrt(self._layout.inner_per_example(delta, delta))
        np.multiply(self._ready[self._next, self._units[layer - 1]], norm, out=out, casting="same_kind")

    def matrices(self, backward: Backward) -> list[Array]:
        """Draw whole matrices that reproduce the signals of the last step.

        B = B' + d (s - B'^T d)^T / |d|^2, where B' is a new draw, d = delta_{l+1} and s = s_l of the last step. Then B^T d = s,
        and B is distributed like a drawn matrix for which B^T d happens to be s.

        Args:
            backward: the deltas of the last step.

        Returns:
            One matrix (O, I, R) for each weight from W_2 on.
        """
        found = []
        for layer, draws in enumerate(self._rest, start=1):
            delta = backward.deltas[layer + 1]
            matrix = draws.next().copy()
            rest, signal = (self._layout.empty(matrix.shape[1], 1, matrix.shape[2]) for _ in range(2))
            self.signal(layer, delta, signal)
            self._layout.propagate_back(matrix, delta, rest)
            squared = self._layout.inner_per_example(delta, delta)
            along = np.divide(signal - rest, squared, out=np.zeros(rest.shape), where=squared != 0.0)
            found.append((matrix + delta * along.swapaxes(0, 1)).astype(matrix.dtype, copy=False))
        return found
