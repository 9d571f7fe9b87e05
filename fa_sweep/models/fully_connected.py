"""A stack of fully connected networks: parameters, forward pass and gradients of many runs in lockstep.

Axes: R runs, N examples, I inputs, O outputs, P parameters, n_l units of layer l. The run axis comes last: x (I, N, R),
weight (O, I, R) -> (O, N, R). `fa_sweep.numerics.layout` describes the memory layouts. Layers are numbered from 1 to L; layer 0
is the input, and layer L the output.

Source of the equations: Rumelhart, Hinton and Williams (1986), in the notation of Lillicrap et al. (2016).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fa_sweep._typing import Array
from fa_sweep.checks import one_of
from fa_sweep.errors import ConfigError
from fa_sweep.numerics.activations import ACTIVATIONS, Activation
from fa_sweep.numerics.layout import Layout


@dataclass
class ModelConfig:
    """The settings of a network of fully connected layers.

    Attributes:
        hidden: the number of units of each hidden layer, from the input to the output.
        activation: the activation function of the hidden layers, a key of `ACTIVATIONS`. The output layer is linear.
        negative_slope: the slope of leaky_relu below 0. Other activations ignore it.
        bias: whether the layers have biases.
        parametrisation: "standard", or "inverse_sqrt_width", which multiplies the output by 1 / sqrt(width of the last hidden
            layer). The error that travels back is multiplied by the same factor. Feedback signals that depend on targets or on
            the signs of the error do not change.
    """

    hidden: list[int]
    activation: str
    negative_slope: float
    bias: bool
    parametrisation: str

    def __post_init__(self) -> None:
        for width in self.hidden:
            if width < 1:
                raise ConfigError(f"model.hidden is {list(self.hidden)}; every width must be at least 1")
        one_of("model.activation", self.activation, ACTIVATIONS)
        one_of("model.parametrisation", self.parametrisation, ("standard", "inverse_sqrt_width"))
        if not 0 <= self.negative_slope < 1:
            raise ConfigError(f"model.negative_slope is {self.negative_slope}; it must be at least 0 and below 1")


@dataclass(frozen=True)
class Parameters:
    """The weights and biases of a stack, or their gradients or updates, as views of one block of memory.

    Thanks to the block, an update of all parameters is a single addition.

    Attributes:
        block: all parameters, (P, R).
        weights: `weights[l - 1]` (O, I, R) is W_l.
        biases: `biases[l - 1]` (O, 1, R) is the bias of layer l. The list is empty for networks without biases.
    """

    block: Array
    weights: list[Array]
    biases: list[Array]

    @classmethod
    def zeros(cls, widths: Sequence[int], bias: bool, runs: int, layout: Layout) -> "Parameters":
        """Return parameters that are all 0.

        Args:
            widths: the layer widths n_0 ... n_L.
            bias: whether the networks have biases.
            runs: R.
            layout: the memory layout.
        """
        shapes = [(o, i) for i, o in pairwise(widths)]
        if bias:
            shapes += [(o, 1) for o in widths[1:]]
        ends = np.cumsum([o * i for o, i in shapes])
        block = layout.zeros(int(ends[-1]), runs)
        parts = zip(np.split(block, ends[:-1]), shapes, strict=True)
        views = [part.reshape(*shape, runs, order=layout.order) for part, shape in parts]
        layers = len(widths) - 1
        return cls(block, views[:layers], views[layers:])


class Network:
    """The forward pass and the gradients of a stack, for batches of N examples.

    Buffers are allocated once and reused by every call. The order of calls is: `forward`, `differentiate`, then the caller
    fills `deltas`, then `gradients`.

    Args:
        parameters: the parameters of the stack. The network reads them and never changes them.
        activation: the activation function of the hidden layers.
        widths: the layer widths n_0 ... n_L.
        examples: the number of examples N in a batch.
        layout: the memory layout.
        output_scale: a factor that multiplies the output. The caller must include it in `deltas[L]`.

    Attributes:
        activations: `activations[l]` (n_l, N, R) is h_l after `forward`: the input for l = 0, the scaled output for l = L.
        derivatives: `derivatives[l]` (n_l, N, R) is f'(z_l) of the hidden layers after `differentiate`.
        deltas: `deltas[l]` (n_l, N, R), l = 1 .. L, filled by the caller from the top down: dLoss/dz_l, or what a learning rule
            puts in its place, times any step size.
        layers: L.
    """

    def __init__(
        self,
        parameters: Parameters,
        activation: Activation,
        widths: Sequence[int],
        examples: int,
        layout: Layout,
        output_scale: float = 1.0,
    ) -> None:
        runs = parameters.block.shape[1]
        self.parameters, self.activation, self.layers = parameters, activation, len(widths) - 1
        self.layout, self.output_scale = layout, output_scale
        hidden = widths[1:-1]
        empty = layout.empty(0, examples, runs)
        activations, active_pieces = layout.together(hidden, examples, runs)
        derivatives, slope_pieces = layout.together(hidden, examples, runs)
        self.activations, self.derivatives = [empty, *activations, empty], [empty, *derivatives]
        for slope in slope_pieces:
            slope.fill(1.0)  # stays 1 if the activation's `derivative` is None
        self._pieces = list(zip(active_pieces, slope_pieces, strict=True))
        self.deltas = [empty, *(layout.empty(n, examples, runs) for n in widths[1:])]

    def forward(self, x: Array, out: Array) -> None:
        """Compute the outputs `out` (n_L, N, R) of the inputs x (n_0, N, R), and keep the activations of all layers."""
        self.activations[0], self.activations[-1] = x, out
        for layer, weight in enumerate(self.parameters.weights, start=1):
            z = self.activations[layer]
            self.layout.propagate(weight, self.activations[layer - 1], z)
            if self.parameters.biases:
                np.add(z, self.parameters.biases[layer - 1], out=z)
            if layer < self.layers:
                self.activation.apply(z, z)
        if self.output_scale != 1.0:
            np.multiply(out, self.output_scale, out=out)

    def differentiate(self) -> None:
        """Compute `derivatives` from the activations of the last forward pass."""
        if self.activation.derivative is not None:
            for h, slope in self._pieces:
                self.activation.derivative(h, slope)

    def gradients(self, out: Parameters) -> None:
        """Compute the gradients: the sums over N of deltas[l] activations[l-1]^T, and of deltas[l] for the biases."""
        for layer in range(1, self.layers + 1):
            self.layout.outer(self.deltas[layer], self.activations[layer - 1], out.weights[layer - 1])
            if out.biases:
                self.layout.sum_examples(self.deltas[layer], out.biases[layer - 1])

    def magnitudes(self, out: Parameters) -> None:
        """Compute the same sums as `gradients`, but over the absolute values of the terms."""
        for layer in range(1, self.layers + 1):
            delta = np.abs(self.deltas[layer])
            self.layout.outer(delta, np.abs(self.activations[layer - 1]), out.weights[layer - 1])
            if out.biases:
                self.layout.sum_examples(delta, out.biases[layer - 1])
