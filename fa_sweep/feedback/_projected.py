"""Signals of feedback that is drawn anew at every step, without drawing the matrices.

A matrix B of independent normals that meets one vector d and is then thrown away leaves B d, which given d has exactly the
law of |d| n with n standard normal: as many draws as the layer has units do the work of a whole matrix. The law is the same,
the samples are others; `feedback.draws=literal` draws the matrices. Axes: R lanes, S steps drawn ahead, H hidden units of all
layers, I and O as in the forward weight that a matrix stands for.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from fa_sweep._typing import Array
from fa_sweep.feedback._base import Backward, FeedbackConfig, Forward, Lane
from fa_sweep.feedback._draws import Draws
from fa_sweep.numerics.distributions import DISTRIBUTIONS, deviation
from fa_sweep.numerics.streams import streams

PROJECTED, COMPLETED = 2, 3  # the kinds of stream `feedback` that projections and the rest of the matrices come from
BUFFER_BYTES = 2**20  # of projections drawn ahead


def is_projectable(config: FeedbackConfig) -> bool:
    """Whether a matrix drawn with these settings has independent normal entries of one deviation."""
    return DISTRIBUTIONS[config.distribution].gaussian and not config.match_norm and config.sparsity == 0


class Projections:
    """The projections of one slice's feedback, step after step; only for batches of one example."""

    def __init__(self, lanes: Sequence[Lane | None], forward: Forward) -> None:
        self._layout = forward.layout
        occupied = [lane for lane in lanes if lane]  # they come first, padding last
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
        """Go on to the next step's projections."""
        self._next += 1
        if self._next >= len(self._ready):
            for generator, out in zip(self._generators, self._drawn, strict=False):
                generator.standard_normal(out=out)
            np.multiply(self._drawn.transpose(1, 2, 0)[:, :, None], self._scale, out=self._ready, casting="same_kind")
            self._next = 0

    def ahead(self, steps: int) -> Array:
        """Go on to the last of at most so many steps from this one on, and return what is drawn of them, (S, H, 1, R)."""
        drawn = self._ready[self._next : self._next + steps]
        self._next += len(drawn) - 1
        return drawn

    def signal(self, layer: int, delta: Array, out: Array) -> None:
        """Error delta (n_{l+1}, 1, R) -> s_l, l = `layer`, into out (n_l, 1, R)."""
        norm = np.abs(delta[0]) if len(delta) == 1 else np.sqrt(self._layout.inner_per_example(delta, delta))
        np.multiply(self._ready[self._next, self._units[layer - 1]], norm, out=out, casting="same_kind")

    def matrices(self, backward: Backward) -> list[Array]:
        """Return matrices (O, I, R) that the last step's signals may have come from, given what it used of them.

        B = B' + d (s - B'^T d)^T / |d|^2 with B' drawn anew: what the step has not seen of a matrix is as free as ever.
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
