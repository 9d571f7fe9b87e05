"""The compiled engine: training steps of narrow networks, compiled by Numba.

It performs the same operations in the same order as the NumPy engine, so the numbers are the same, bit for bit. NumPy stays the
reference. Settings that this engine does not support are refused (`fa_sweep.settings.compatibility`), never approximated. There
is no fused multiply-add: products and sums are rounded separately, as in einsum. Numba is optional, so this module is imported
only if the engine is asked for.

Axes: S steps, R lanes, N examples, I inputs, O outputs. A tile is a group of lanes that is small enough for the cache. In the
compiled code, a row holds one unit for one example, or one parameter, for all lanes of a tile.
"""

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np

from fa_sweep._typing import Array
from fa_sweep.feedback import Ahead
from fa_sweep.models.fully_connected import Network, Parameters

TILE_LANES = 128  # this many small networks and their feedback stay in the cache during all steps of a call
_RELU, _LEAKY_RELU, _LINEAR = range(3)  # Numba compiles globals as constants
_ACTIVATIONS = {"relu": _RELU, "leaky_relu": _LEAKY_RELU, "linear": _LINEAR}
_WEIGHTS, _MATRICES, _ZEROS, _PROJECTIONS = range(4)
_FEEDBACK = {"weights": _WEIGHTS, "matrices": _MATRICES, "zeros": _ZEROS, "projections": _PROJECTIONS}


class Descent:
    """Makes the training steps of one slice of a stack.

    Args:
        widths: the layer widths n_0 ... n_L.
        network: the network of the whole stack. Its parameters are trained in place, and its deltas are set.
        update: the arrays, for the whole stack, that are filled with the updates of the last step.
        rate: `Stack.rate`, the factor (R,) that turns the error e into the top delta, without the minus sign.
        lanes: the lanes of the slice.
        loss: "absolute" or "squared".
        activation: "relu", "leaky_relu" or "linear".
        negative_slope: the slope of leaky_relu below 0.
    """

    def __init__(
        self,
        widths: Sequence[int],
        network: Network,
        update: Parameters,
        rate: Array,
        lanes: slice,
        *,
        loss: str,
        activation: str,
        negative_slope: float,
    ) -> None:
        scalar = network.layout.dtype.type
        self._lanes = lanes
        self._deltas = [delta[..., lanes] for delta in network.deltas[1:]]
        self._arrays = network.parameters.block[:, lanes], update.block[:, lanes], rate[lanes]
        self._structure = (
            np.array(widths), bool(network.parameters.biases), _ACTIVATIONS[activation], scalar(negative_slope),
            loss == "absolute", scalar(network.output_scale), scalar(0), scalar(1),
        )  # fmt: skip

    def __call__(self, ahead: Ahead, inputs: Array, targets: Array, outputs: Array) -> None:
        """Make S training steps. Afterwards the network's deltas are those of the last step.

        Args:
            ahead: the feedback of these steps.
            inputs: the inputs of the whole stack, (S, I, N, R).
            targets: the targets of the whole stack, (S, O, N, R).
            outputs: the array (S, O, N, R) whose lanes of this slice are filled with the outputs.
        """
        deltas = np.empty((sum(d.shape[0] * d.shape[1] for d in self._deltas), self._deltas[0].shape[2]), inputs.dtype)
        matrices, projections = np.empty((0, 0), inputs.dtype), np.empty((0, 0, 1, 0), inputs.dtype)
        if ahead.feedback == "matrices" and ahead.arrays:
            matrices = np.concatenate([matrix.reshape(-1, matrix.shape[-1]) for matrix in ahead.arrays])
        elif ahead.feedback == "projections":
            (projections,) = ahead.arrays
        examples = (array[..., self._lanes] for array in (inputs, targets, outputs))
        compiled: Any = _descend
        compiled(*self._arrays, deltas, *examples, matrices, projections, _FEEDBACK[ahead.feedback], *self._structure)
        ends = np.cumsum([delta.shape[0] * delta.shape[1] for delta in self._deltas])
        for delta, rows in zip(self._deltas, np.split(deltas, ends[:-1]), strict=True):
            delta[...] = rows.reshape(delta.shape)


@numba.njit(cache=True, error_model="numpy")
def _descend(
    block, update, rate, last_deltas, inputs, targets, outputs, matrices, projections, feedback,
    widths, bias, activation, slope, absolute, scale, zero, one,
):  # fmt: skip
    """Divide the lanes into tiles, and make all steps of one tile before those of the next."""
    lanes = block.shape[1]
    tiles = (lanes + TILE_LANES - 1) // TILE_LANES
    size = 8 * ((lanes // 8 + tiles - 1) // tiles)
    for start in range(0, lanes, size):
        end = min(start + size, lanes)
        _descend_tile(
            block[:, start:end], update[:, start:end], rate[start:end], last_deltas[:, start:end],
            inputs[..., start:end], targets[..., start:end], outputs[..., start:end],
            matrices[:, start:end], projections[..., start:end], feedback,
            widths, bias, activation, slope, absolute, scale, zero, one,
        )  # fmt: skip


@numba.njit(cache=True, error_model="numpy")
def _descend_tile(
    block, update, rate, last_deltas, inputs, targets, outputs, matrices, projections, feedback,
    widths, bias, activation, slope, absolute, scale, zero, one,
):  # fmt: skip
    """Make all steps of one tile, in contiguous copies of its arrays."""
    steps, _, examples, lanes = inputs.shape
    layers = len(widths) - 1
    weight_at, bias_at, row_at = _offsets(widths, examples)
    p, drawn, step_size = block.copy(), matrices.copy(), rate.copy()
    h = np.zeros((row_at[layers + 1], lanes), block.dtype)
    d = np.zeros((row_at[layers + 1], lanes), block.dtype)
    change = np.zeros((1, lanes), block.dtype)
    squared = np.zeros(lanes)
    for s in range(steps):
        _propagate(h, p, inputs[s], widths, weight_at, bias_at, row_at, bias, activation, slope, scale, zero, one)
        _compare(d, h, targets[s], outputs[s], step_size, row_at[layers], absolute)
        for layer in range(layers - 1, 0, -1):
            _propagate_back(
                d, h, p, drawn, projections[s], squared, layer, feedback, widths, weight_at, row_at, examples,
                activation, slope, zero, one,
            )  # fmt: skip
        _descend_along(p, d, h, update, change, widths, weight_at, bias_at, row_at, examples, bias, s == steps - 1, zero)
    block[:] = p
    last_deltas[:] = d[row_at[1] :]


@numba.njit(cache=True, error_model="numpy", forceinline=True)
def _propagate(h, p, inputs, widths, weight_at, bias_at, row_at, bias, activation, slope, scale, zero, one):
    """Compute the activations h of every layer from the inputs (I, N, R) of one step."""
    examples, lanes = inputs.shape[1], inputs.shape[2]
    layers = len(widths) - 1
    for unit in range(widths[0]):
        for n in range(examples):
            for r in range(lanes):
                h[unit * examples + n, r] = inputs[unit, n, r]
    for layer in range(1, layers + 1):
        below, inner = row_at[layer - 1], widths[layer - 1]
        for o in range(widths[layer]):
            for n in range(examples):
                z = row_at[layer] + o * examples + n
                _fill(h, z, zero)
                _add_products(h, z, p, weight_at[layer - 1] + o * inner, 1, h, below + n, examples, inner)
                if bias:
                    _add(h, z, p, bias_at[layer - 1] + o)
                if layer < layers:
                    _activate(h, z, activation, slope, zero)
                elif scale != one:
                    for r in range(lanes):
                        h[z, r] = h[z, r] * scale


@numba.njit(cache=True, error_model="numpy", forceinline=True)
def _compare(d, h, targets, outputs, step_size, top, absolute):
    """Copy the outputs from h to `outputs` (O, N, R), and fill the output layer's rows of d, given targets (O, N, R)."""
    units, examples, lanes = targets.shape
    for unit in range(units):
        for n in range(examples):
            row = top + unit * examples + n
            for r in range(lanes):
                outputs[unit, n, r] = h[row, r]
                difference = targets[unit, n, r] - h[row, r]
                # If the two are equal, e = -1 for the absolute loss, as in `fa_sweep.numerics.losses`.
                d[row, r] = np.copysign(step_size[r], difference) if absolute else difference * step_size[r]


@numba.njit(cache=True, error_model="numpy", forceinline=True)
def _propagate_back(
    d, h, p, drawn, projections, squared, layer, feedback, widths, weight_at, row_at, examples, activation, slope, zero, one
):  # fmt: skip
    """Compute the errors d of one layer from the errors of the layer above, with the given kind of feedback."""
    lanes = d.shape[1]
    above, outer = row_at[layer + 1], widths[layer + 1]
    if feedback == _PROJECTIONS:
        _norm(squared, d, above, outer)
    for i in range(widths[layer]):
        for n in range(examples):
            row = row_at[layer] + i * examples + n
            if feedback == _PROJECTIONS:
                normal = row - row_at[1]
                if outer == 1:
                    for r in range(lanes):
                        d[row, r] = projections[normal, 0, r] * abs(d[above, r])
                else:
                    for r in range(lanes):
                        d[row, r] = projections[normal, 0, r] * squared[r]
            else:
                _fill(d, row, zero)
            if feedback == _WEIGHTS:
                _add_products(d, row, p, weight_at[layer] + i, widths[layer], d, above + n, examples, outer)
            elif feedback == _MATRICES:
                matrix = weight_at[layer] - weight_at[1] + i
                _add_products(d, row, drawn, matrix, widths[layer], d, above + n, examples, outer)
            _times_derivative(d, row, h, activation, slope, zero, one)


@numba.njit(cache=True, error_model="numpy", forceinline=True)
def _descend_along(p, d, h, update, change, widths, weight_at, bias_at, row_at, examples, bias, last, zero):
    """Add the outer products of errors d and activations h to the parameters p, and the errors to the biases.

    If this is the last step of a call, also store these changes in `update`.
    """
    lanes = p.shape[1]
    for layer in range(1, len(widths)):
        below, inner = row_at[layer - 1], widths[layer - 1]
        for o in range(widths[layer]):
            row = row_at[layer] + o * examples
            for i in range(inner):
                at, x = weight_at[layer - 1] + o * inner + i, below + i * examples
                if examples > 1 or last:
                    _fill(change, 0, zero)
                    _add_products(change, 0, d, row, 1, h, x, 1, examples)
                    _add(p, at, change, 0)
                    if last:
                        update[at] = change[0]
                else:
                    for r in range(lanes):
                        p[at, r] = p[at, r] + (zero + d[row, r] * h[x, r])
            if bias:
                at = bias_at[layer - 1] + o
                for r in range(lanes):
                    change[0, r] = d[row, r]
                for n in range(1, examples):
                    _add(change, 0, d, row + n)
                _add(p, at, change, 0)
                if last:
                    update[at] = change[0]


@numba.njit(cache=True)
def _offsets(widths, examples):
    """Return the first row of each layer's weights, of its biases, and of its units."""
    layers = len(widths) - 1
    weights, biases, rows = np.zeros(layers + 1, np.int64), np.zeros(layers + 1, np.int64), np.zeros(layers + 2, np.int64)
    for layer in range(layers):
        weights[layer + 1] = weights[layer] + widths[layer] * widths[layer + 1]
    biases[0] = weights[layers]
    for layer in range(layers):
        biases[layer + 1] = biases[layer] + widths[layer + 1]
    for layer in range(layers + 1):
        rows[layer + 1] = rows[layer] + widths[layer] * examples
    return weights, biases, rows


@numba.njit(cache=True, error_model="numpy", forceinline=True)
def _norm(out, d, first, units):
    """Compute the norm over `units` rows of d, from row `first` on, in double precision like `Layout.inner_per_example`."""
    out[:] = 0.0
    for row in range(first, first + units):
        for r in range(len(out)):
            out[r] = out[r] + np.float64(d[row, r]) * np.float64(d[row, r])
    for r in range(len(out)):
        out[r] = np.sqrt(out[r])


@numba.njit(cache=True, error_model="numpy", forceinline=True)
def _activate(z, row, activation, slope, zero):
    if activation == _RELU:
        for r in range(z.shape[1]):
            z[row, r] = zero if z[row, r] <= zero else z[row, r]  # NaN stays NaN
    elif activation == _LEAKY_RELU:
        for r in range(z.shape[1]):
            below = slope * z[row, r]
            z[row, r] = below if z[row, r] <= below else z[row, r]


@numba.njit(cache=True, error_model="numpy", forceinline=True)
def _times_derivative(d, row, h, activation, slope, zero, one):
    if activation != _LINEAR:
        outside = zero if activation == _RELU else slope
        for r in range(d.shape[1]):
            d[row, r] = d[row, r] * (one if h[row, r] > zero else outside)


@numba.njit(cache=True, error_model="numpy", forceinline=True)
def _fill(out, row, value):
    for r in range(out.shape[1]):
        out[row, r] = value


@numba.njit(cache=True, error_model="numpy", forceinline=True)
def _add_product(out, row, a, a_row, b, b_row):
    for r in range(out.shape[1]):
        out[row, r] = out[row, r] + a[a_row, r] * b[b_row, r]


@numba.njit(cache=True, error_model="numpy", forceinline=True)
def _add_products(out, row, a, a_row, a_stride, b, b_row, b_stride, count):
    """Add `count` products of rows to a row, one after the other.

    Taking four products at a time halves the number of loads and stores.
    """
    k = 0
    while k + 4 <= count:
        a0, b0 = a_row + k * a_stride, b_row + k * b_stride
        a1, b1 = a0 + a_stride, b0 + b_stride
        a2, b2 = a1 + a_stride, b1 + b_stride
        a3, b3 = a2 + a_stride, b2 + b_stride
        for r in range(out.shape[1]):
            total = out[row, r] + a[a0, r] * b[b0, r]
            total = total + a[a1, r] * b[b1, r]
            total = total + a[a2, r] * b[b2, r]
            out[row, r] = total + a[a3, r] * b[b3, r]
        k += 4
    while k < count:
        _add_product(out, row, a, a_row + k * a_stride, b, b_row + k * b_stride)
        k += 1


@numba.njit(cache=True, error_model="numpy", forceinline=True)
def _add(out, row, a, a_row):
    for r in range(out.shape[1]):
        out[row, r] = out[row, r] + a[a_row, r]
