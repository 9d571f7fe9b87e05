"""Evaluation: the metrics of a stack with its current weights, over the whole evaluation set.

Axes: R runs (last), N examples of the evaluation set, O outputs, K sampled examples. Hidden layers are numbered from 1 to L-1,
and W_l is the weight that leads into layer l.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fa_sweep._typing import Array
from fa_sweep.engine.stack import Stack
from fa_sweep.feedback import Backward, FeedbackMode
from fa_sweep.numerics.alignment import angle_deg, mean_defined, products, whole
from fa_sweep.numerics.losses import Loss, error
from fa_sweep.tasks import METRICS


def metric_names(layers: int, targets: str) -> list[str]:
    """Return the names of all metrics.

    Args:
        layers: the number L of weight layers.
        targets: the kind of the task's targets, a key of `METRICS`.
    """
    hidden = range(1, layers)
    weights = range(1, layers + 1)
    return [
        *METRICS[targets],
        "loss",
        *(["angle_deg/gradient"] if layers > 1 else []),
        *(f"angle_deg/gradient_layer_{n}" for n in hidden),
        *(f"angle_deg/signal_layer_{n}" for n in hidden),
        *(f"angle_deg/local_layer_{n}" for n in hidden),
        *(f"angle_deg/weight_layer_{n + 1}" for n in hidden),
        *(f"undefined_fraction/signal_layer_{n}" for n in hidden),
        *(f"undefined_fraction/local_layer_{n}" for n in hidden),
        *(["chance_deg/gradient"] if layers > 1 else []),
        *(f"chance_deg/signal_layer_{n}" for n in hidden),
        *(f"signal_ratio/layer_{n}" for n in hidden),
        *(f"dead_fraction/layer_{n}" for n in hidden),
        *(f"norm/weight_layer_{n}" for n in weights),
        *(f"norm/update_layer_{n}" for n in weights),
        *(f"norm/feedback_layer_{n + 1}" for n in hidden),
    ]


class Evaluation:
    """Computes the metrics of a stack. The buffers are allocated once and serve every evaluation.

    Args:
        stack: the stack to evaluate. Each call uses the weights that it has then.
        loss: the loss that training descends on.
    """

    def __init__(self, stack: Stack, loss: Loss) -> None:
        self.stack, self.loss, self.layout = stack, loss, stack.layout
        self.inputs, self.targets = stack.examples.evaluation_set()
        self.network = stack.network(self.inputs.shape[1])
        self.output = self.layout.empty(*self.targets.shape)
        self._backward = [(lanes, mode, self._backward_of(lanes)) for lanes, mode in stack.parts]

    def __call__(self, sampled: Array, updates: Sequence[Array], *, chance: str | None) -> dict[str, Array]:
        """Evaluate the stack with its current weights.

        Args:
            sampled: the indices (K, R) of the examples that accuracy_sampled is computed from.
            updates: `updates[l - 1]` (n_l, n_{l-1}, R) is the last update of W_l.
            chance: the purpose of the random streams for chance angles, "chance_at_first" or "chance_at_last"; None for an
                evaluation without chance angles.

        Returns:
            The metrics by name, (R,) each. Besides, "finite" (R,): whether all outputs and losses of the run are finite.
        """
        self.network.forward(self.inputs, self.output)
        losses = self.loss.value(self.output, self.targets)
        metrics = {
            "finite": np.logical_and.reduce(np.isfinite(self.output), axis=(0, 1)) & np.isfinite(losses).all(axis=0),
            "loss": np.add.reduce(losses, axis=0, dtype=np.float64) / len(losses),
        }
        metrics |= self._errors() if self.stack.task.targets == "regression" else self._accuracy(sampled)
        metrics["norm/weight_layer_1"] = self.layout.norm(self.network.parameters.weights[0])
        metrics |= {f"norm/update_layer_{layer}": self.layout.norm(update) for layer, update in enumerate(updates, start=1)}
        if self.network.layers > 1:
            metrics |= self._angles(chance)
        return metrics

    def output_range(self) -> Array:
        """Return the range of the last evaluation's outputs over the examples, divided by that of the targets, (R,).

        Of several outputs, the widest range counts. If the targets are all alike, the result is NaN or infinite.
        """
        output, targets = (np.ptp(values, axis=1).max(axis=0) for values in (self.output, self.targets))
        return np.asarray(output / targets, np.float64)

    def _accuracy(self, sampled: Array) -> dict[str, Array]:
        if self.stack.task.targets == "binary":
            boundary = self.stack.task.decision_boundary
            right = np.logical_and.reduce((self.output > boundary) == (self.targets > boundary), axis=0)
        else:
            right = np.argmax(self.output, axis=0) == np.argmax(self.targets, axis=0)
        return {
            "accuracy": np.add.reduce(right, axis=0) / len(right),
            "accuracy_sampled": np.add.reduce(np.take_along_axis(right, sampled, axis=0), axis=0) / len(sampled),
        }

    def _errors(self) -> dict[str, Array]:
        """Return the sum of (y_hat - y)^2, divided by the sum of y^2 and by the sum of (y - mean y)^2.

        The mean is that of each output over the examples. If a divisor is 0, the result is NaN or infinite.
        """
        inner, targets = self.layout.inner, self.targets.astype(np.float64, copy=False)
        wrong = self.output - targets
        centred = targets - np.add.reduce(targets, axis=1, keepdims=True) / targets.shape[1]
        return {
            "normalised_squared_error": inner(wrong, wrong) / inner(targets, targets),
            "centred_squared_error": inner(wrong, wrong) / inner(centred, centred),
        }

    def _angles(self, chance: str | None) -> dict[str, Array]:
        network, weights = self.network, self.network.parameters.weights
        network.differentiate()
        top = error(self.loss, self.output, self.targets) * network.output_scale
        true = self._carried(top, weights[1:])
        for _, mode, _ in self._backward:
            mode.begin_evaluation()
        used = self._used(top)
        metrics: dict[str, Array] = {}
        gradients = []
        for layer in range(1, network.layers):
            above = layer + 1
            gradients.append(self._gradient_products(layer, used[layer], true[layer]))
            metrics[f"angle_deg/gradient_layer_{layer}"] = angle_deg(*gradients[-1])
            metrics |= self._signal_angles(layer, used[layer], true[layer])
            dot, feedback, forward = products(self.layout.inner, self._effective(layer), weights[layer])
            metrics[f"angle_deg/weight_layer_{above}"] = angle_deg(dot, feedback, forward)
            metrics[f"norm/feedback_layer_{above}"] = np.sqrt(feedback)
            metrics[f"norm/weight_layer_{above}"] = np.sqrt(forward)
            slope = network.derivatives[layer]
            dead = np.logical_and.reduce(slope == 0.0, axis=1)
            metrics[f"dead_fraction/layer_{layer}"] = np.add.reduce(dead, axis=0) / len(dead)
        if chance is not None:
            metrics |= self._chance(top, true, chance)
        return metrics | {"angle_deg/gradient": whole(gradients)}

    def _signal_angles(self, layer: int, used: Array, true: Array) -> dict[str, Array]:
        """Compare the signals s_l (n_l, N, R) of the mode, `used`, with those of backpropagation, `true`.

        Return the signal angle and the local angle, the fraction of examples for which each is undefined, and the ratio of the
        norms. The signals do not contain the factor f'(z_l). `fa_sweep.numerics.alignment` explains the angles.
        """
        inner, network = self.layout.inner_per_example, self.network
        dot, squared_used, squared_true = products(inner, used, true)
        angles = {"signal": angle_deg(dot, squared_used, squared_true)}
        if layer + 1 == network.layers:
            angles["local"] = angles["signal"]  # both rules start from the same delta_L
        else:
            # Backpropagation, too, starts from the mode's own delta_{l+1}: the angle shows the difference in this layer alone.
            local = np.empty_like(true)
            self.layout.propagate_back(network.parameters.weights[layer], network.deltas[layer + 1], local)
            angles["local"] = angle_deg(inner(used, local), squared_used, inner(local, local))
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.sqrt(np.add.reduce(squared_used, axis=0) / np.add.reduce(squared_true, axis=0))
        metrics = {f"signal_ratio/layer_{layer}": np.where(np.isfinite(ratio), ratio, np.nan)}
        for name, per_example in angles.items():
            mean, undefined = mean_defined(per_example)
            metrics |= {f"angle_deg/{name}_layer_{layer}": mean, f"undefined_fraction/{name}_layer_{layer}": undefined}
        return metrics

    def _chance(self, top: Array, true: list[Array], purpose: str) -> dict[str, Array]:
        """Return the chance angles; NaN for runs that have none at this evaluation."""
        hidden, inner = range(1, self.network.layers), self.layout.inner_per_example
        kinds = np.array(self.stack.chance())
        measured = kinds == "own"
        # This overwrites the network's deltas, so it must come after everything that needs the deltas of the runs' own modes.
        drawn = self._used(top, [(lanes, mode, self._backward_of(lanes)) for lanes, mode in self.stack.strangers(purpose)])
        if purpose == "chance_at_first" and (kinds == "unit").any():
            measured |= kinds == "unit"
            unit = self._carried(top, self.stack.chance_matrices())
            for layer in hidden:
                np.copyto(drawn[layer], unit[layer], where=kinds == "unit")
        for layer in hidden:
            np.copyto(drawn[layer], np.nan, where=~measured)
        angles = {
            f"chance_deg/signal_layer_{layer}": mean_defined(angle_deg(*products(inner, drawn[layer], true[layer])))[0]
            for layer in hidden
        }
        gradients = [self._gradient_products(layer, drawn[layer], true[layer]) for layer in hidden]
        return angles | {"chance_deg/gradient": whole(gradients)}

    def _carried(self, top: Array, matrices: Sequence[Array]) -> list[Array]:
        """Propagate the error `top` (n_L, N, R) back with the given matrices, in place of the modes.

        Returns:
            The signals: entry l is s_l (n_l, N, R), and entry 0 is empty.
        """
        slopes = self.network.derivatives
        signals = [np.empty(0), *(np.empty_like(slope) for slope in slopes[1:])]
        delta = top
        for layer in range(self.network.layers - 1, 0, -1):
            self.layout.propagate_back(matrices[layer - 1], delta, signals[layer])
            delta = signals[layer] * slopes[layer]
        return signals

    def _backward_of(self, lanes: slice) -> Backward:
        """Return what the mode of these lanes reads in a backward pass over the evaluation set.

        Its `step` is 1, so its deltas are plain derivatives, not scaled by the learning rate.
        """
        step = np.ones(len(self.stack.runs), self.layout.dtype)
        return Backward([d[..., lanes] for d in self.network.deltas], step[lanes], self.targets[..., lanes])

    def _used(self, top: Array, parts: list[tuple[slice, FeedbackMode[Any], Backward]] | None = None) -> list[Array]:
        """Propagate the error `top` (n_L, N, R) back, each lane by the rule of its mode. This overwrites the network's deltas.

        Args:
            top: dLoss/dz_L.
            parts: triples (lanes, mode, backward) to use in place of the runs' own modes.

        Returns:
            The signals: entry l is s_l (n_l, N, R), and entry 0 is empty. In lanes that no triple covers they are undefined.
        """
        network, slopes = self.network, self.network.derivatives
        signals = [np.empty(0), *(np.empty_like(slope) for slope in slopes[1:])]
        network.deltas[-1][...] = top
        for layer in range(network.layers - 1, 0, -1):
            for lanes, mode, backward in self._backward if parts is None else parts:
                mode.signal(layer, backward, signals[layer][..., lanes])
            np.multiply(signals[layer], slopes[layer], out=network.deltas[layer])
        return signals

    def _gradient_products(self, layer: int, ours: Array, exact: Array) -> tuple[Array, Array, Array]:
        """Return the inner products of a layer's pseudo-gradient and its true gradient, given the signals of both rules.

        The gradients are those of W_l, summed over N.
        """
        slope, below = self.network.derivatives[layer], self.network.activations[layer - 1]
        found = []
        for signal in (ours, exact):
            gradient = self.layout.empty(len(slope), len(below), slope.shape[-1])
            self.layout.outer(signal * slope, below, gradient)
            found.append(gradient)
        return products(self.layout.inner, *found)

    def _effective(self, layer: int) -> Array:
        """Return the matrix (n_{l+1}, n_l, R) that is compared with W_{l+1}; each lane's comes from its own mode."""
        effective = np.empty_like(self.network.parameters.weights[layer])
        for lanes, mode, _ in self._backward:
            effective[..., lanes] = mode.effective(layer)
        return effective
