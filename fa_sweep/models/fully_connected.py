"""Stacked networks: parameters, forward pass and gradients of many runs in lockstep.

Axes: R runs, N examples, I inputs, O outputs, H hidden units; the run axis comes last: `x (I, N, R), weight (O, I, R) ->
(O, N, R)` (`fa_sweep.numerics.layout` says how that lies in memory). Layers count from 1 to L; `activations[0]` is the input,
`activations[L]` the output. Source of the equations: Rumelhart, Hinton and Williams (1986) in the notation of Lillicrap et
al. (2016).
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
    """A network of fully connected layers: hidden widths, activation of the hidden layers, biases or not.

    `parametrisation`: `standard`, or `inverse_sqrt_width`, whose output, and with it the error that travels back, is multiplied
    by 1 / sqrt(width of the last hidden layer). Signals that do not grow with the error, a sign or a target, stay as they are.
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
    """Weights (O, I, R) and biases (O, 1, R) by layer: views of one block (P, R), so that an update is one addition."""

    block: Array
    weights: list[Array]
    biases: list[Array]

    @classmethod
    def zeros(cls, widths: Sequence[int], bias: bool, runs: int, layout: Layout) -> "Parameters":
        """Parameters of networks with layer widths n_0 ... n_L; without `bias` the list of biases is empty."""
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
    """The passes of a stack over batches of N examples; buffers are made once and reused at every call.

    `deltas[l]` (n_l, N, R) is for the caller to fill from the top, dLoss/dz_l or its stand-in times whatever step size;
    `derivatives[l]` (n_l, N, R) holds f'(z_l) of the hidden layers after `differentiate`. `output_scale` multiplies the
    output: the caller's deltas[L] holds it too.
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
            slope.fill(1.0)  # and stays so where the activation has no derivative of its own
        self._pieces = list(zip(active_pieces, slope_pieces, strict=True))
        self.deltas = [empty, *(layout.empty(n, examples, runs) for n in widths[1:])]

    def forward(self, x: Array, out: Array) -> None:
        """Run x (n_0, N, R) through the stack into out (n_L, N, R)."""
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
        """Fill `derivatives` from the activations of the last forward pass."""
        if self.activation.derivative is not None:
            for h, slope in self._pieces:
                self.activation.derivative(h, slope)

    def gradients(self, out: Parameters) -> None:
        """Fill `out` with sum over N of deltas[l] activations[l-1]^T (and of deltas[l] for the biases)."""
        for layer in range(1, self.layers + 1):
            self.layout.outer(self.deltas[layer], self.activations[layer - 1], out.weights[layer - 1])
            if out.biases:
                self.layout.sum_examples(self.deltas[layer], out.biases[layer - 1])

    def magnitudes(self, out: Parameters) -> None:
        """Fill `out` with the sums over N of |deltas[l] activations[l-1]^T|: how large the terms of `gradients` are."""
        for layer in range(1, self.layers + 1):
            delta = np.abs(self.deltas[layer])
            self.layout.outer(delta, np.abs(self.activations[layer - 1]), out.weights[layer - 1])
            if out.biases:
                self.layout.sum_examples(delta, out.biases[layer - 1])
