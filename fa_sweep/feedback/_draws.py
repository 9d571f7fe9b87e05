"""Draws of feedback matrices: from each lane's own stream, scaled, thinned out and fitted to a norm as its settings say.

Axes: R lanes, S draws, O and I as in the forward weight that a matrix stands for.
"""

from collections.abc import Sequence

import numpy as np

from fa_sweep._typing import Array
from fa_sweep.feedback._base import Forward, Lane
from fa_sweep.numerics.distributions import draw_into
from fa_sweep.numerics.layout import norm_of
from fa_sweep.numerics.streams import stream, streams

BUFFER_BYTES = 2**21  # draws of several steps at a time, few enough to stay in the cache
MASK = 1  # the kind of stream that the places of sparsity's zeros come from


class Draws:
    """One layer's sequence of matrices for the lanes of a slice, each lane's from its own stream however it is cut.

    `layer` is the number of the weight W (O, I, R) that the matrices stand for, `kind` that of the stream; `fans` (in, out)
    where they are not (I, O). With `match_norm` every draw has the norm of its lane's `replaces`, the initial weight unless
    told otherwise. Sparsity's zeros are the wiring: drawn once, as many as the fraction says, to one entry.
    """

    def __init__(
        self,
        lanes: Sequence[Lane | None],
        forward: Forward,
        layer: int,
        replaces: Array,
        *,
        fans: tuple[int, int] | None = None,
        only_one: bool = False,
        kind: int = 0,
    ) -> None:
        occupied = [lane for lane in lanes if lane]  # they come first, padding last
        shape = replaces.shape[:2]
        self._fans, self._layout = fans, forward.layout
        self._distributions = [lane.feedback.distribution for lane in occupied]
        self._generators = streams([lane.seed for lane in occupied], occupied[0].purpose, layer, kind)
        self._masks = [_mask(lane, layer, shape) for lane in occupied]
        self._norms = [
            norm_of(np.ascontiguousarray(replaces[..., position], np.float64)) if lane.feedback.match_norm else None
            for position, lane in enumerate(occupied)
        ]
        stock = 1 if only_one else max(1, BUFFER_BYTES // (8 * shape[0] * shape[1] * len(lanes)))
        self._drawn = np.zeros((len(lanes), stock, *shape))
        self._factors = np.zeros((stock, 1, 1, len(lanes)))
        self._factors[..., : len(occupied)] = [lane.feedback.scale for lane in occupied]
        # Each run's matrices stay as they were drawn where runs come first; else one transposing copy serves a whole stock.
        self._ready = np.zeros((stock, *shape, len(lanes)), self._layout.dtype) if self._layout.order == "C" else None
        self._next = stock

    def next(self) -> Array:
        """Return the next matrices, (O, I, R), zeros in padding lanes; valid until the next call."""
        if self._next == self._drawn.shape[1]:
            self._draw()
            self._next = 0
        self._next += 1
        if self._ready is not None:
            ready: Array = self._ready[self._next - 1]
            return ready
        drawn = self._drawn[:, self._next - 1]
        matrices: Array = drawn.astype(self._layout.dtype, copy=False).transpose(1, 2, 0)
        return matrices

    def _draw(self) -> None:
        for lane, generator in enumerate(self._generators):
            out, mask, norm = self._drawn[lane], self._masks[lane], self._norms[lane]
            draw_into(self._distributions[lane], generator, out, self._fans)
            if mask is not None:
                np.multiply(out, mask, out=out)
            if norm is not None:
                flat = out.reshape(len(out), -1)
                self._factors[:, 0, 0, lane] = norm / np.sqrt(np.add.reduce(flat * flat, axis=1))
        if self._ready is not None:
            np.multiply(np.moveaxis(self._drawn, 0, -1), self._factors, out=self._ready, casting="same_kind")
        else:
            np.multiply(self._drawn, np.moveaxis(self._factors, -1, 0), out=self._drawn)


def _mask(lane: Lane, layer: int, shape: tuple[int, ...]) -> Array | None:
    if lane.feedback.sparsity == 0:
        return None
    size = int(np.prod(shape))
    mask = np.ones(size)
    zeros = min(size - 1, round(lane.feedback.sparsity * size))
    mask[stream(lane.seed, lane.purpose, layer, MASK).permutation(size)[:zeros]] = 0.0
    return mask.reshape(shape)


def fixed_matrices(lanes: Sequence[Lane | None], forward: Forward) -> list[Array]:
    """Return one draw for each weight from the second on, (O, I, R): matrices of the caller's own, zeros in padding."""
    matrices = [np.empty_like(weight) for weight in forward.weights[1:]]
    for layer, (weight, matrix) in enumerate(zip(forward.weights[1:], matrices, strict=True), start=2):
        matrix[...] = Draws(lanes, forward, layer, weight, only_one=True).next()
    return matrices
