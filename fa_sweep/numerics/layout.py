"""Memory layouts of a stack of networks, and the products and sums that training and evaluation are built from.

Axes: R runs, N examples, I inputs, O outputs. A lane is a position on the run axis; it holds one run, or padding. In both
layouts arrays are indexed with the run axis last, (O, I, R) or (I, N, R). The layouts differ in which axis is contiguous, and
therefore in how products are computed. NumPy's elementwise operations work with both, so the rest of the code need not know
the layout.

- `LanesLast`: the run axis is contiguous, and products use einsum. It suits small networks, where the number of calls decides
  the time: one call serves hundreds of runs. The run axis is innermost, so the order in which a run's terms are summed does not
  depend on the number of runs. The exception is a single run, and therefore stacks are padded.
- `RunsFirst`: the matrices of each run are contiguous, and products use stacked matmul. It suits batches through wide layers,
  where arithmetic decides the time. There is one BLAS product per run, never one over several runs, so the size of the stack
  does not change a single bit.

The two layouts round differently. The layout of a network therefore depends on its structure alone, never on the size of the
stack.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar, Literal

import numpy as np

from fa_sweep._typing import Array

CACHE_LINE_BYTES = 64
# Smaller sums of squares have lost some or all of their digits to underflow.
SMALLEST_SQUARE = float(np.finfo(np.float64).tiny / np.finfo(np.float64).eps)


class Layout(ABC):
    """A memory layout: allocates the arrays of a stack, and computes products and sums over them.

    If the number of lanes is a multiple of `lane_multiple`, the results of a run do not depend on the other runs or on their
    number, to the last bit.

    Args:
        dtype: the floating-point type of the arrays.
    """

    order: ClassVar[Literal["C", "F"]]
    # The lanes of one feedback mode form a slice of the stack. Each slice is padded to a multiple of this many lanes.
    lane_multiple: ClassVar[int]
    # Size of the examples and outputs that training holds at a time. A larger size saves calls; a smaller one fits the cache.
    segment_bytes: ClassVar[int]

    def __init__(self, dtype: Any) -> None:
        self.dtype = np.dtype(dtype)
        self._ones: dict[int, Array] = {}

    def empty(self, *shape: int) -> Array:
        """Return an uninitialised array of the given shape (..., R)."""
        # NumPy does not align arrays to cache lines. Vector loads that straddle two lines take up to twice the time.
        size = math.prod(shape) * self.dtype.itemsize
        raw = np.empty(size + CACHE_LINE_BYTES, np.uint8)
        start = -raw.ctypes.data % CACHE_LINE_BYTES
        array: Array = raw[start : start + size].view(self.dtype).reshape(shape, order=self.order)
        return array

    def zeros(self, *shape: int) -> Array:
        """Return an array of zeros of the given shape (..., R)."""
        array = self.empty(*shape)
        array.fill(0.0)
        return array

    @abstractmethod
    def steps(self, *shape: int) -> Array:
        """Return an uninitialised array (S, units, N, R) for S steps. Each step has the memory order that `empty` gives."""

    def together(self, widths: Sequence[int], examples: int, runs: int) -> tuple[list[Array], list[Array]]:
        """Allocate zeros for several layers such that elementwise operations over all layers need few calls.

        Args:
            widths: the number of units n of each layer.
            examples: N.
            runs: R.

        Returns:
            Two lists that share their memory. The first has one array (n, N, R) per layer. The second has as few arrays as the
            layout allows; loop over it for elementwise operations over all layers.
        """
        layers = [self.zeros(n, examples, runs) for n in widths]
        return layers, layers

    def for_feedback(self, matrix: Array) -> Array:
        """Copy a matrix (O, I, R) into the memory order in which `propagate_back` reads it fastest.

        Elementwise operations between such a copy and a forward weight are slow.
        """
        return matrix.copy(order=self.order)

    @abstractmethod
    def gather(self, values: Array, order: Array) -> Array:
        """Collect the examples of S steps.

        Args:
            values: the inputs or targets of all examples, (examples, units).
            order: the indices of the examples in each step, batch and run, (S, N, R).

        Returns:
            The selected values, (S, units, N, R), in the memory order of `steps`.
        """

    @abstractmethod
    def propagate(self, weight: Array, x: Array, out: Array) -> None:
        """Multiply by the weight: weight (O, I, R), x (I, N, R) -> out (O, N, R)."""

    @abstractmethod
    def propagate_back(self, matrix: Array, delta: Array, out: Array) -> None:
        """Multiply by the transposed matrix: matrix (O, I, R), delta (O, N, R) -> out (I, N, R).

        A feedback matrix has the shape of the forward weight that it replaces: O comes first.
        """

    @abstractmethod
    def outer(self, delta: Array, x: Array, out: Array) -> None:
        """Sum the outer products over the examples: delta (O, N, R), x (I, N, R) -> out (O, I, R)."""

    @abstractmethod
    def sum_examples(self, delta: Array, out: Array) -> None:
        """Sum over the examples: delta (O, N, R) -> out (O, 1, R)."""

    @abstractmethod
    def inner(self, a: Array, b: Array) -> Array:
        """Return each run's inner product of a and b, both (units, units, R) or (units, N, R): (R,), float64."""

    @abstractmethod
    def inner_per_example(self, a: Array, b: Array) -> Array:
        """Return the inner product of a and b, both (units, N, R), for each example and run: (N, R), float64."""

    def norm(self, a: Array) -> Array:
        """Return each run's Frobenius norm of a, which is (units, units, R) or (units, N, R): (R,), float64.

        If the squares of a run underflow or overflow, its norm is inaccurate, 0 or infinity. That is good enough for metrics;
        learning rules use `norm_at_any_scale`.
        """
        return np.asarray(np.sqrt(self.inner(a, a)))

    def norm_at_any_scale(self, a: Array) -> Array:
        """Return each run's Frobenius norm of a, (R,), float64, correct even if its squares underflow or overflow.

        If they do not, the result equals that of `norm`, bit for bit.
        """
        with np.errstate(over="ignore"):
            squared = self.inner(a, a)
        lost = (squared < SMALLEST_SQUARE) | np.isinf(squared)
        if lost.any():
            double = _double(a)
            largest = np.abs(double).max(axis=(0, 1), initial=0.0)
            lost &= (largest > 0.0) & np.isfinite(largest)
            if lost.any():
                # Division by a power of two is exact, and brings the squares into range.
                exponent = np.where(lost, np.frexp(largest)[1], 0)
                scaled = np.ldexp(double, -exponent)
                squared = np.where(lost, 0.0, squared)
                return np.asarray(np.where(lost, np.ldexp(np.sqrt(self.inner(scaled, scaled)), exponent), np.sqrt(squared)))
        return np.asarray(np.sqrt(squared))


class LanesLast(Layout):
    """The layout for small networks: the run axis is contiguous, and products use einsum."""

    order = "C"
    # With a single lane NumPy uses other kernels, which round differently. Each slice of a stack is therefore padded with
    # networks of zeros, to a multiple of 8 lanes. Then no vector register holds lanes of two slices.
    lane_multiple = 8
    segment_bytes = 2**24

    def together(self, widths: Sequence[int], examples: int, runs: int) -> tuple[list[Array], list[Array]]:
        if not widths:
            return [], []
        block = self.zeros(sum(widths), examples, runs)  # one block, so that a single call serves all layers
        return np.split(block, np.cumsum(widths)[:-1].tolist()), [block]

    def steps(self, *shape: int) -> Array:
        return self.empty(*shape)

    def gather(self, values: Array, order: Array) -> Array:
        gathered = self.steps(order.shape[0], values.shape[1], *order.shape[1:])
        for unit, column in enumerate(values.astype(self.dtype, copy=False).T):
            gathered[:, unit] = column.take(order)
        return gathered

    def propagate(self, weight: Array, x: Array, out: Array) -> None:
        np.einsum("oir,inr->onr", weight, x, out=out)

    # If there is only one output (and, in `outer`, only one example), nothing is summed. A plain product then takes a third of
    # einsum's time.

    def propagate_back(self, matrix: Array, delta: Array, out: Array) -> None:
        if len(delta) == 1:
            np.multiply(matrix.swapaxes(0, 1), delta, out=out)
        else:
            np.einsum("oir,onr->inr", matrix, delta, out=out)

    def outer(self, delta: Array, x: Array, out: Array) -> None:
        if len(delta) == 1 == delta.shape[1]:
            np.multiply(delta, x.swapaxes(0, 1), out=out)
        else:
            np.einsum("onr,inr->oir", delta, x, out=out)

    def sum_examples(self, delta: Array, out: Array) -> None:
        np.add.reduce(delta, axis=1, keepdims=True, out=out)

    def inner(self, a: Array, b: Array) -> Array:
        return np.asarray(np.einsum("abr,abr->r", _double(a), _double(b)))

    def inner_per_example(self, a: Array, b: Array) -> Array:
        return np.asarray(np.einsum("onr,onr->nr", _double(a), _double(b)))


class RunsFirst(Layout):
    """The layout for batches through wide layers: the arrays of each run are contiguous, with one BLAS product per run.

    `array.T` has the run axis first and the other two axes swapped.
    """

    order = "F"
    lane_multiple = 1
    segment_bytes = 2**20

    def for_feedback(self, matrix: Array) -> Array:
        return np.ascontiguousarray(matrix.transpose(2, 0, 1)).transpose(1, 2, 0)

    def steps(self, *shape: int) -> Array:
        steps, units, examples, runs = shape
        return np.empty((steps, runs, examples, units), self.dtype).transpose(0, 3, 2, 1)

    def gather(self, values: Array, order: Array) -> Array:
        rows: Array = values.astype(self.dtype, copy=False).take(order.transpose(0, 2, 1), axis=0)
        return rows.transpose(0, 3, 2, 1)

    def propagate(self, weight: Array, x: Array, out: Array) -> None:
        np.matmul(x.T, weight.T, out=out.T)

    def propagate_back(self, matrix: Array, delta: Array, out: Array) -> None:
        np.matmul(delta.T, matrix.transpose(2, 0, 1), out=out.T)

    def outer(self, delta: Array, x: Array, out: Array) -> None:
        np.matmul(x.transpose(2, 0, 1), delta.T, out=out.T)

    def sum_examples(self, delta: Array, out: Array) -> None:
        # Multiplying by ones takes a third of the time of `np.add.reduce`.
        examples = delta.shape[1]
        if examples not in self._ones:
            self._ones[examples] = np.ones((1, examples), self.dtype)
        np.matmul(self._ones[examples], delta.T, out=out.T)

    # The inner products avoid einsum. It splits a long sum where its buffer ends, and that depends on the size of the stack.

    def inner(self, a: Array, b: Array) -> Array:
        multiplied = np.multiply(_double(a), _double(b), order="F")
        return np.asarray(np.add.reduce(multiplied.T.reshape(a.shape[-1], -1), axis=1))

    def inner_per_example(self, a: Array, b: Array) -> Array:
        multiplied = np.multiply(_double(a), _double(b), order="F")
        return np.asfortranarray(np.add.reduce(multiplied, axis=0))


def _double(a: Array) -> Array:
    return a.astype(np.float64, copy=False)


def norm_of(matrix: Array) -> float:
    """Return the Frobenius norm of one matrix, even if the squares of its entries underflow or overflow."""
    with np.errstate(over="ignore"):
        norm = float(np.linalg.norm(matrix))
    if norm * norm < SMALLEST_SQUARE or np.isinf(norm):
        scaled, exponent = scaled_to_one(matrix)
        return float(np.ldexp(np.linalg.norm(scaled), exponent))
    return norm


def scaled_to_one(matrix: Array) -> tuple[Array, int]:
    """Scale a matrix by a power of two, which is exact, so that its largest entry lies between 1/2 and 1.

    Returns:
        The scaled matrix, and the exponent of the power of two by which it was divided. A matrix of zeros, or one with an
        entry that is not finite, is returned unscaled, with exponent 0.
    """
    largest = float(np.abs(matrix).max(initial=0.0))
    exponent = int(np.frexp(largest)[1]) if 0.0 < largest < np.inf else 0
    return np.ldexp(matrix, -exponent), exponent


# Measured: below either limit, `RunsFirst` spends more time on calls than `LanesLast` on arithmetic, even for ten runs.
WIDE_BATCH = 8
WIDE_WEIGHTS = 2048


def layout_of(widths: Sequence[int], batch_size: int, dtype: Any) -> Layout:
    """Choose the layout for a network structure: `RunsFirst` for large batches and many weights, otherwise `LanesLast`.

    Args:
        widths: the layer widths n_0 ... n_L.
        batch_size: the number of examples per training step.
        dtype: the floating-point type.
    """
    weights = sum(i * o for i, o in pairwise(widths))
    return (RunsFirst if batch_size >= WIDE_BATCH and weights >= WIDE_WEIGHTS else LanesLast)(dtype)
