"""Training of many runs in lockstep: configs in, histories out. Knows no file, no MLflow and no Hydra.

Axes: R runs, N examples of a batch, S steps of a segment, E evaluations.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from fa_sweep.activations import ACTIVATIONS
from fa_sweep.evaluation import Evaluation, metric_names
from fa_sweep.losses import LOSSES
from fa_sweep.network import Network, Parameters
from fa_sweep.schema import RunConfig
from fa_sweep.stack import Stack, structure

Array = np.ndarray

# Part of every run's id; bumped by every change that alters any number of any run.
NUMERICS_VERSION = 1

SEGMENT_STEPS = 128  # steps whose examples and outputs are held at a time


@dataclass(frozen=True)
class Histories:
    """What a stack's training left: `metrics[name]` (E, R) at `steps` (E,), NaN where undefined and after divergence.

    `diverged_at_step` (R,) is -1 where a run did not diverge; `weights[l - 1]` (O, I, R) are the final ones, NaN in a run
    that diverged. `duration_s` is the whole stack's.
    """

    steps: Array
    metrics: dict[str, Array]
    diverged_at_step: Array
    weights: list[Array]
    duration_s: float


def train(
    runs: Sequence[RunConfig],
    progress: Callable[[float], None] | None = None,
    evaluated: Callable[[int, dict[str, Array]], None] | None = None,
) -> Histories:
    """Train runs of equal `structure` in lockstep; each run's numbers depend on its own config alone, bit for bit.

    `progress` is told the fraction of steps done, now and then; `evaluated` each evaluation's step and metrics, (R,) each.
    Raises ValueError for runs of different structure.
    """
    if len({structure(run) for run in runs}) != 1:
        raise ValueError("a stack takes at least one run, and runs of one structure")
    started = time.perf_counter()
    # One BLAS thread, whoever calls: more of them sum large products in another order.
    with threadpool_limits(1, "blas"), np.errstate(all="ignore"):
        training = _Training(Stack(runs))
        for done, evaluation in training.run():
            if progress is not None:
                progress(done)
            if evaluated is not None and evaluation is not None:
                evaluated(int(training.steps[evaluation]), training.at(evaluation))
    return training.histories(time.perf_counter() - started)


class _Training:
    """One stack's way from its first step to its last."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        size, widths, settings = len(stack.runs), stack.widths, stack.train
        activation = ACTIVATIONS[stack.model.activation](stack.model.negative_slope)
        self.loss = LOSSES[settings.loss]
        self.network = Network(stack.parameters, activation, widths, settings.batch_size)
        self.update = Parameters.zeros(widths, stack.model.bias, size)
        inputs, targets = stack.evaluation_set()
        self.evaluate = Evaluation(
            Network(stack.parameters, activation, widths, inputs.shape[1]),
            self.loss,
            inputs,
            targets,
            stack.task.decision_boundary,
        )
        self.steps = np.array(settings.evaluation_steps())
        self.sampled = stack.sampled_examples(len(self.steps))
        self.metrics = {name: np.full((len(self.steps), size), np.nan) for name in metric_names(len(widths) - 1)}
        self.diverged = np.full(size, -1)

    def run(self) -> Iterator[tuple[float, int | None]]:
        """Train and evaluate; yield the fraction of steps done and the number of the evaluation just made, if any."""
        step = 0
        for number, evaluation_step in enumerate(self.steps.tolist()):
            while step <= evaluation_step:
                size = min(SEGMENT_STEPS, evaluation_step + 1 - step)
                self._train_segment(step, size)
                step += size
                yield step / self.stack.train.steps, None
            self._evaluate(number, evaluation_step)
            yield step / self.stack.train.steps, number

    def _train_segment(self, first: int, size: int) -> None:
        inputs, targets = self.stack.batches(size)
        outputs = np.empty(targets.shape)
        network, parameters, parts, deltas = self.network, self.stack.parameters, self.stack.parts, self.network.deltas
        for offset in range(size):
            network.forward(inputs[offset], outputs[offset])
            self.loss.descend(outputs[offset], targets[offset], self.stack.rate, deltas[-1])
            network.differentiate()
            for _, mode in parts:
                mode.begin_step(first + offset)
            for layer in range(network.layers - 1, 0, -1):
                for lanes, mode in parts:
                    mode.signal(layer, deltas[layer + 1][..., lanes], deltas[layer][..., lanes])
                np.multiply(deltas[layer], network.derivatives[layer], out=deltas[layer])
            network.gradients(self.update)
            np.add(parameters.block, self.update.block, out=parameters.block)
        losses = self.loss.value(outputs.swapaxes(0, 1), targets.swapaxes(0, 1))
        finite = np.isfinite(outputs).all(axis=(1, 2)) & np.isfinite(losses).all(axis=1)
        self._freeze(~finite.all(axis=0), first + np.argmin(finite, axis=0))

    def _evaluate(self, number: int, step: int) -> None:
        metrics = self.evaluate(self.stack.parts, self.sampled[number])
        self._freeze(~metrics.pop("finite"), np.full(len(self.diverged), step))
        for name, values in metrics.items():
            self.metrics[name][number] = np.where(self.diverged < 0, values, np.nan)

    def _freeze(self, lost: Array, step: Array) -> None:
        """Record where runs became non-finite; they stay so, even if a later batch happened to miss the bad weights."""
        lost = lost & (self.diverged < 0)
        self.diverged[lost] = step[lost]
        self.stack.parameters.block[:, lost] = np.nan

    def at(self, evaluation: int) -> dict[str, Array]:
        """Return one evaluation's metrics, run by run in the order given."""
        return {name: values[evaluation, self.stack.lane_of] for name, values in self.metrics.items()}

    def histories(self, duration_s: float) -> Histories:
        """Return what was recorded, run by run in the order given, without the padding."""
        lanes = self.stack.lane_of
        return Histories(
            steps=self.steps,
            metrics={name: values[:, lanes] for name, values in self.metrics.items()},
            diverged_at_step=self.diverged[lanes],
            weights=[weight[..., lanes] for weight in self.stack.parameters.weights],
            duration_s=duration_s,
        )
