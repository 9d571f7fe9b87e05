"""Draws of feedback matrices, with the scale, sparsity and norm that the settings ask for.

Each lane draws from a random stream of its own.

Axes: R lanes, S draws, O outputs and I inputs of the forward weight that a matrix replaces.
"""

from collections.abc import Sequence

import numpy as np

from fa_sweep._typing import Array
from fa_sweep.feedback._base import Forward, Lane
from fa_sweep.numerics.distributions import draw_into
from fa_sweep.numerics.layout import norm_of
from fa_sweep.numerics.streams import stream, streams

BUFFER_BYTES = 2**21  # size of the matrices that are drawn at a time, small enough for the cache
MASK = 1  # the kind of the stream that decides where the zeros of sparse feedback are


class Draws:
    """A sequence of random feedback matrices for one layer, for all lanes of a slice.

    A lane's n-th matrix depends only on the lane and on n, not on how many matrices are drawn at a time. In sparse feedback the
    same entries are 0 in every matrix. Their positions are drawn once, and their number is `feedback.sparsity` times the number
    of entries, rounded. At least one entry is not 0.

    Args:
        lanes: the lanes of the slice: first the runs, then the padding (None).
        forward: the forward networks of the lanes.
        layer: the number l of the forward weight W_l that the matrices replace. Each layer has random streams of its own.
        replaces: the weights or products of weights (O, I, R) that the matrices replace. They give the shape, and with
            `feedback.match_norm` the Frobenius norm of every draw.
        fans: the (fan-in, fan-out) that the distribution uses; None for (I, O).
        only_one: whether only one matrix will be asked for, which saves memory.
        kind: the kind of the streams (see `fa_sweep.numerics.streams.stream`).
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
        occupied = [lane for lane in lanes if lane]  # the runs come before the padding
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
        # If the run axis comes last in memory, the draws must be transposed. One copy transposes all draws of the buffer. The
        # other layout needs no copy.
        self._ready = np.zeros((stock, *shape, len(lanes)), self._layout.dtype) if self._layout.order == "C" else None
        self._next = stock

    def next(self) -> Array:
        """Return the next matrices (O, I, R), with zeros in padding lanes. The next call may overwrite them."""
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
    """Draw one feedback matrix for each forward weight from W_2 on.

    Returns:
        One array (O, I, R) per weight from W_2 on, with zeros in padding lanes. The caller may change the arrays.
    """
    matrices = [np.empty_like(weight) for weight in forward.weights[1:]]
    for layer, (weight, matrix) in enumerate(zip(forward.weights[1:], matrices, strict=True), start=2):
        matrix[...] = Draws(lanes, forward, layer, weight, only_one=True).next()
    return matrices
