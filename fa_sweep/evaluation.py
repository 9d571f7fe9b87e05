"""Metrics of a stack at one moment, over the whole evaluation set and with the current weights.

Axes: R runs (last), N examples of the evaluation set, O outputs.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fa_sweep.alignment import angle_deg, mean_defined, products, whole
from fa_sweep.feedback import FeedbackMode
from fa_sweep.losses import Loss, error
from fa_sweep.network import Network, outer, propagate_back

Array = np.ndarray
Parts = Sequence[tuple[slice, FeedbackMode[Any]]]
Rule = Callable[[int, Array, Array], None]


def metric_names(layers: int) -> list[str]:
    """Return the names of all metrics of networks with that many weight layers."""
    hidden = range(1, layers)
    return [
        "accuracy",
        "accuracy_sampled",
        "loss",
        *(["angle_deg/gradient"] if layers > 1 else []),
        *(f"angle_deg/gradient_layer_{n}" for n in hidden),
        *(f"angle_deg/signal_layer_{n}" for n in hidden),
        *(f"angle_deg/local_layer_{n}" for n in hidden),
        *(f"angle_deg/weight_layer_{n + 1}" for n in hidden),
        *(f"undefined_fraction/signal_layer_{n}" for n in hidden),
        *(f"undefined_fraction/local_layer_{n}" for n in hidden),
    ]


class Evaluation:
    """Evaluates a stack again and again; buffers are made once."""

    def __init__(self, network: Network, loss: Loss, inputs: Array, targets: Array, decision_boundary: float) -> None:
        """`network` has N examples; inputs (n_0, N, R), targets (n_L, N, R)."""
        self.network, self.loss, self.inputs, self.targets = network, loss, inputs, targets
        self.boundary = decision_boundary
        self.output = np.empty(targets.shape)

    def __call__(self, parts: Parts, sampled: Array) -> dict[str, Array]:
        """Return every metric, (R,) each, and "finite": whether all outputs and losses are.

        `parts`: the feedback mode of each slice of runs; `sampled` (K, R): which examples accuracy_sampled is taken over.
        """
        self.network.forward(self.inputs, self.output)
        losses = self.loss.value(self.output, self.targets)
        right = np.logical_and.reduce((self.output > self.boundary) == (self.targets > self.boundary), axis=0)
        metrics = {
            "finite": np.logical_and.reduce(np.isfinite(self.output), axis=(0, 1)) & np.isfinite(losses).all(axis=0),
            "accuracy": np.add.reduce(right, axis=0) / len(right),
            "accuracy_sampled": np.add.reduce(np.take_along_axis(right, sampled, axis=0), axis=0) / len(sampled),
            "loss": np.add.reduce(losses, axis=0) / len(losses),
        }
        if self.network.layers > 1:
            metrics |= self._angles(parts)
        return metrics

    def _angles(self, parts: Parts) -> dict[str, Array]:
        network, weights = self.network, self.network.parameters.weights
        network.differentiate()
        top = error(self.loss, self.output, self.targets)
        true = _signals(network, top, [(slice(None), lambda n, delta, out: propagate_back(weights[n], delta, out))])
        used = _signals(network, top, [(runs, mode.signal) for runs, mode in parts])
        angles: dict[str, Array] = {}
        gradients = []
        for layer in range(1, network.layers):
            slope, below, above = network.derivatives[layer], network.activations[layer - 1], layer + 1
            ours, exact = (_gradient(signal[layer] * slope, below) for signal in (used, true))
            gradients.append(products(ours, exact, "oir->r"))
            angles[f"angle_deg/gradient_layer_{layer}"] = angle_deg(*gradients[-1])
            # The mode's own error one layer up, taken one layer down by the transposed weight: the rule of this layer alone.
            upper = top if above == network.layers else used[above] * network.derivatives[above]
            local = np.empty(slope.shape)
            propagate_back(weights[layer], upper, local)
            for name, reference in (("signal", true[layer]), ("local", local)):
                per_example = angle_deg(*products(used[layer], reference, "onr->nr"))
                mean, undefined = mean_defined(per_example)
                angles[f"angle_deg/{name}_layer_{layer}"] = mean
                angles[f"undefined_fraction/{name}_layer_{layer}"] = undefined
            angles[f"angle_deg/weight_layer_{above}"] = _weight_angle(parts, layer, weights[layer])
        return angles | {"angle_deg/gradient": whole(gradients)}


def _signals(network: Network, top: Array, rules: Sequence[tuple[slice, Rule]]) -> list[Array]:
    """Carry the error `top` (n_L, N, R) down by each slice's rule; entry l is s_l (n_l, N, R), entry 0 is empty."""
    signals = [np.empty(0), *(np.empty(slope.shape) for slope in network.derivatives[1:])]
    delta = top
    for layer in range(network.layers - 1, 0, -1):
        for runs, rule in rules:
            rule(layer, delta[..., runs], signals[layer][..., runs])
        delta = signals[layer] * network.derivatives[layer]
    return signals


def _gradient(delta: Array, below: Array) -> Array:
    """delta (O, N, R), activations below (I, N, R) -> (O, I, R): N times the mean, which is the same direction."""
    gradient = np.empty((len(delta), len(below), delta.shape[-1]))
    outer(delta, below, gradient)
    return gradient


def _weight_angle(parts: Parts, layer: int, weight: Array) -> Array:
    angles = np.empty(weight.shape[-1])
    for runs, mode in parts:
        angles[runs] = angle_deg(*products(mode.matrices[layer - 1], weight[..., runs], "oir->r"))
    return angles
