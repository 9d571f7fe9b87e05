"""How a stack lies in memory, and the three contractions that all learning is made of.

Axes: R runs, N examples, I inputs, O outputs. Every array is indexed with the run axis last, (O, I, R) or (I, N, R), in
either layout; what differs is which axis is contiguous, and with it the kernel. NumPy's elementwise operations follow the
memory whatever the indices, so that nothing else has to know.

- `LanesLast`: the run axis is contiguous, einsum. For small networks, where the cost is that of calls: one contraction
  serves hundreds of runs. With the run axis innermost every run's sums are taken in the same order whatever the number of
  runs (at widths of two and more, hence the padding).
- `RunsFirst`: each run's matrices are contiguous, stacked matmul. For batches through wide layers, where the cost is
  arithmetic: one BLAS product a run, never folded over runs, so that the size of the stack changes no bit.

The two differ in their roundings: which one a network takes depends on its structure alone, never on the size of a stack.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar, Literal

import numpy as np

from fa_sweep._typing import Array

CACHE_LINE_BYTES = 64
# Sums of squares below it have lost digits to underflow, or all of them.
SMALLEST_SQUARE = float(np.finfo(np.float64).tiny / np.finfo(np.float64).eps)


class Layout(ABC):
    """Memory order and contractions for one floating-point type."""

    order: ClassVar[Literal["C", "F"]]
    lane_multiple: ClassVar[int]
    # Of the examples and outputs that training holds at a time: more steps spread calls, fewer stay in the cache.
    segment_bytes: ClassVar[int]

    def __init__(self, dtype: Any) -> None:
        self.dtype = np.dtype(dtype)
        self._ones: dict[int, Array] = {}

    def empty(self, *shape: int) -> Array:
        """Return an array indexed (..., R)."""
        # NumPy begins arrays anywhere: vector loads that straddle two cache lines take up to twice the time.
        size = math.prod(shape) * self.dtype.itemsize
        raw = np.empty(size + CACHE_LINE_BYTES, np.uint8)
        start = -raw.ctypes.data % CACHE_LINE_BYTES
        array: Array = raw[start : start + size].view(self.dtype).reshape(shape, order=self.order)
        return array

    def zeros(self, *shape: int) -> Array:
        """Return zeros indexed (..., R)."""
        array = self.empty(*shape)
        array.fill(0.0)
        return array

    @abstractmethod
    def steps(self, *shape: int) -> Array:
        """Return an array indexed (S, units, N, R), each step's part laid out as `empty` does."""

    def together(self, widths: Sequence[int], examples: int, runs: int) -> tuple[list[Array], list[Array]]:
        """Return zeros (n, N, R) for each width n, and the pieces that elementwise operations over all have to go through."""
        layers = [self.zeros(n, examples, runs) for n in widths]
        return layers, layers

    def for_feedback(self, matrix: Array) -> Array:
        """Matrix (O, I, R) -> a copy that `propagate_back` takes in fastest; elementwise operations with weights are slow."""
        return matrix.copy(order=self.order)

    @abstractmethod
    def gather(self, values: Array, order: Array) -> Array:
        """Values (examples, units), order (S, N, R) -> (S, units, N, R), laid out as `steps` does."""

    @abstractmethod
    def propagate(self, weight: Array, x: Array, out: Array) -> None:
        """weight (O, I, R), x (I, N, R) -> out (O, N, R)."""

    @abstractmethod
    def propagate_back(self, matrix: Array, delta: Array, out: Array) -> None:
        """matrix (O, I, R), delta (O, N, R) -> out (I, N, R): the matrix stands as the forward weight does, O first."""

    @abstractmethod
    def outer(self, delta: Array, x: Array, out: Array) -> None:
        """delta (O, N, R), x (I, N, R) -> out (O, I, R), summed over N."""

    @abstractmethod
    def sum_examples(self, delta: Array, out: Array) -> None:
        """delta (O, N, R) -> out (O, 1, R), summed over N."""

    @abstractmethod
    def inner(self, a: Array, b: Array) -> Array:
        """Return the inner product of a and b (units, units or N, R) over all axes but the last, (R,), float64."""

    @abstractmethod
    def inner_per_example(self, a: Array, b: Array) -> Array:
        """Return the inner product of a and b (units, N, R) over the first axis, (N, R), float64."""

    def norm(self, a: Array) -> Array:
        """Return the norm of a (units, units or N, R) over all axes but the last, (R,), float64.

        A run whose squares under- or overflow gets 0 or infinity: for metrics. A learning rule takes `norm_at_any_scale`.
        """
        return np.asarray(np.sqrt(self.inner(a, a)))

    def norm_at_any_scale(self, a: Array) -> Array:
        """Return what `norm` does, bit for bit, and the right norm of runs whose squares under- or overflow as well."""
        with np.errstate(over="ignore"):
            squared = self.inner(a, a)
        lost = (squared < SMALLEST_SQUARE) | np.isinf(squared)
        if lost.any():
            double = _double(a)
            largest = np.abs(double).max(axis=(0, 1), initial=0.0)
            lost &= (largest > 0.0) & np.isfinite(largest)
            if lost.any():
                # Divided by a power of two, which rounds nothing, so that the squares stay in range.
                exponent = np.where(lost, np.frexp(largest)[1], 0)
                scaled = np.ldexp(double, -exponent)
                squared = np.where(lost, 0.0, squared)
                return np.asarray(np.where(lost, np.ldexp(np.sqrt(self.inner(scaled, scaled)), exponent), np.sqrt(squared)))
        return np.asarray(np.sqrt(squared))


class LanesLast(Layout):
    """The run axis contiguous; einsum."""

    order = "C"
    # At a width of 1 NumPy takes other kernels, and with them other roundings: each slice of a stack is padded with
    # networks of zeros. To 8, because a slice then begins and ends where a vector register does.
    lane_multiple = 8
    segment_bytes = 2**24

    def together(self, widths: Sequence[int], examples: int, runs: int) -> tuple[list[Array], list[Array]]:
        if not widths:
            return [], []
        block = self.zeros(sum(widths), examples, runs)  # one call for all layers: here calls are what costs
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

    # Behind a single output there is nothing to sum: a product takes a third of the time.

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
    """Each run's arrays contiguous; one BLAS product a run. `array.T` is (R, ...) with the last two axes swapped."""

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
        # A product with ones takes a third of a reduction's time.
        examples = delta.shape[1]
        if examples not in self._ones:
            self._ones[examples] = np.ones((1, examples), self.dtype)
        np.matmul(self._ones[examples], delta.T, out=out.T)

    # Sums over one run's contiguous memory: einsum cuts long ones where its buffer ends, which depends on the stack.

    def inner(self, a: Array, b: Array) -> Array:
        multiplied = np.multiply(_double(a), _double(b), order="F")
        return np.asarray(np.add.reduce(multiplied.T.reshape(a.shape[-1], -1), axis=1))

    def inner_per_example(self, a: Array, b: Array) -> Array:
        multiplied = np.multiply(_double(a), _double(b), order="F")
        return np.asfortranarray(np.add.reduce(multiplied, axis=0))


def _double(a: Array) -> Array:
    return a.astype(np.float64, copy=False)


def norm_of(matrix: Array) -> float:
    """Return the Frobenius norm of one matrix, also where the squares of its entries under- or overflow."""
    with np.errstate(over="ignore"):
        norm = float(np.linalg.norm(matrix))
    if norm * norm < SMALLEST_SQUARE or np.isinf(norm):
        scaled, exponent = scaled_to_one(matrix)
        return float(np.ldexp(np.linalg.norm(scaled), exponent))
    return norm


def scaled_to_one(matrix: Array) -> tuple[Array, int]:
    """Return a matrix divided by a power of two, which rounds nothing, and the exponent: its largest entry is about 1."""
    largest = float(np.abs(matrix).max(initial=0.0))
    exponent = int(np.frexp(largest)[1]) if 0.0 < largest < np.inf else 0
    return np.ldexp(matrix, -exponent), exponent


# Measured: below either, a stacked product costs more in calls than einsum does in arithmetic, even for ten runs.
WIDE_BATCH = 8
WIDE_WEIGHTS = 2048


def layout_of(widths: Sequence[int], batch_size: int, dtype: Any) -> Layout:
    """Return the layout of networks with layer widths n_0 ... n_L, trained on batches of that size."""
    weights = sum(i * o for i, o in pairwise(widths))
    return (RunsFirst if batch_size >= WIDE_BATCH and weights >= WIDE_WEIGHTS else LanesLast)(dtype)
