"""Training of many runs in lockstep, from their settings to their histories. Uses no files, no MLflow and no Hydra.

Axes: R runs, N examples of a batch, S steps of a segment, E evaluations, I inputs, O outputs, n units.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from fa_sweep._typing import Array
from fa_sweep.engine.evaluation import Evaluation, metric_names
from fa_sweep.engine.examples import AHEAD_BYTES
from fa_sweep.engine.parts import parts_of
from fa_sweep.engine.stack import Stack
from fa_sweep.feedback import Backward
from fa_sweep.models.fully_connected import Parameters
from fa_sweep.numerics.losses import LOSSES
from fa_sweep.numerics.optimisers import MEASURING, OPTIMISERS, zero_within
from fa_sweep.settings.schema import RunConfig
from fa_sweep.settings.structure import structure

if TYPE_CHECKING:
    from fa_sweep.engine.compiled import Descent


UNSUSPICIOUS = 1e15  # squares of smaller numbers are finite in float32 and float64
SEGMENT_STEPS = 128  # examples and outputs of at most this many steps are held at a time


@dataclass(frozen=True)
class Histories:
    """The results of training several runs.

    Attributes:
        steps: the steps (E,) after which the runs were evaluated, counted from 0.
        metrics: `metrics[name]` (E, R); NaN where the metric is undefined, and once the run has diverged.
        diverged_at_step: the step (R,) at which an output or loss was first not finite; -1 if the run did not diverge.
        weights: `weights[l - 1]` (O, I, R) is the final W_l; NaN if the run diverged.
        duration_s: how long the training of all runs together took, in seconds.
        output_range: the range (R,) of the final outputs over the evaluation examples, divided by that of the targets; of
            several outputs, the widest range counts. NaN if the run diverged.
    """

    steps: Array
    metrics: dict[str, Array]
    diverged_at_step: Array
    weights: list[Array]
    duration_s: float
    output_range: Array


def train(
    runs: Sequence[RunConfig],
    progress: Callable[[float], None] | None = None,
    evaluated: Callable[[int, dict[str, Array]], None] | None = None,
) -> Histories:
    """Train runs with the same structure in lockstep.

    The numbers of a run depend on its own settings alone, bit for bit. If the buffers of all runs do not fit into the cache,
    the runs are trained in several parts, one after the other.

    Args:
        runs: the settings of the runs, at least one. `fa_sweep.settings.structure.structure` must be equal for all.
        progress: called now and then with the fraction of the work that is done.
        evaluated: `evaluated(step, metrics)` is called after each evaluation of a part. `metrics[name]` has one value per run
            of the part.

    Raises:
        ValueError: if there are no runs, or their structures differ.
    """
    if len({structure(run) for run in runs}) != 1:
        raise ValueError("a stack takes at least one run, and runs of one structure")
    started = time.perf_counter()
    parts = parts_of(runs)
    finished: list[Histories] = []
    # A single BLAS thread, because several threads sum large products in another order.
    with threadpool_limits(1, "blas"), np.errstate(all="ignore"):
        for number, part in enumerate(parts):
            training = Training(Stack([runs[i] for i in part]))
            for done, evaluation in training.run():
                if progress is not None:
                    progress((number + done) / len(parts))
                if evaluated is not None and evaluation is not None:
                    evaluated(int(training.steps[evaluation]), training.at(evaluation))
            finished.append(training.histories())
    return _join(finished, np.argsort(np.concatenate(parts)), time.perf_counter() - started)


def _join(parts: Sequence[Histories], order: Array, duration_s: float) -> Histories:
    """Concatenate the histories of all parts, and put the runs in the given order."""
    return Histories(
        steps=parts[0].steps,
        metrics={n: np.concatenate([part.metrics[n] for part in parts], axis=1)[:, order] for n in parts[0].metrics},
        diverged_at_step=np.concatenate([part.diverged_at_step for part in parts])[order],
        weights=[np.concatenate(layer, axis=-1)[..., order] for layer in zip(*(p.weights for p in parts), strict=True)],
        duration_s=duration_s,
        output_range=np.concatenate([part.output_range for part in parts])[order],
    )


class Training:
    """The training of one stack, from its first step to its last.

    Attributes:
        stack: the runs, their parameters and their examples.
        backward: for each slice of the stack its lanes, what its mode is given in a backward pass, and the mode.
        sampled: (E, K, R) which examples accuracy_sampled looks at in the latest evaluations that were drawn.
    """

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        size, settings, block = len(stack.runs), stack.train, stack.parameters.block
        self.loss = LOSSES[settings.loss]
        self.network = stack.network(settings.batch_size)
        self.update = Parameters.zeros(stack.widths, stack.model.bias, size, stack.layout)
        self.optimiser = OPTIMISERS[settings.optimiser](block, stack.lr, stack.per_lane(lambda run: run.train.momentum))
        measured = settings.optimiser in MEASURING and settings.batch_size > 1  # a single term cannot cancel
        self.magnitudes = Parameters.zeros(stack.widths, stack.model.bias, size, stack.layout) if measured else None
        self._zero_within = zero_within(settings.batch_size, stack.layout.dtype)
        # For each mode: the mode, views of its lanes in the arrays that it reads and writes, and its lanes.
        self.backward = [
            (mode, Backward([d[..., lanes] for d in self.network.deltas], -stack.step[lanes], np.empty(0)), lanes)
            for lanes, mode in stack.parts
        ]
        self._compiled = [self._compile(lanes) for lanes, _ in stack.parts] if stack.engine == "numba" else []
        self._updates = [[w[..., lanes] for w in self.update.weights] for lanes, _ in stack.parts]
        self.evaluate = Evaluation(stack, self.loss)
        self.steps = np.array(settings.evaluation_steps())
        # The number of evaluations whose sampled examples are drawn at a time; bounded to save memory.
        self._ahead = max(1, AHEAD_BYTES // (8 * settings.eval_samples * size))
        self.sampled = np.empty((0, settings.eval_samples, size), np.intp)
        names = metric_names(self.network.layers, stack.task.targets)
        self.metrics = {name: np.full((len(self.steps), len(stack.lane_of)), np.nan) for name in names}
        self.diverged = np.full(size, -1)
        each = stack.layout.dtype.itemsize * settings.batch_size * size * (stack.widths[0] + 2 * stack.widths[-1])
        self._segment = max(1, min(SEGMENT_STEPS, stack.layout.segment_bytes // each))

    def run(self) -> Iterator[tuple[float, int | None]]:
        """Train and evaluate; yield the fraction of steps done and the index of the evaluation just made, or None."""
        step = 0
        for number, evaluation_step in enumerate(self.steps.tolist()):
            while step <= evaluation_step:
                size = min(self._segment, evaluation_step + 1 - step)
                self.train_segment(step, size)
                step += size
                yield step / self.stack.train.steps, None
            self._evaluate(number, evaluation_step)
            yield step / self.stack.train.steps, number

    def _compile(self, lanes: slice) -> "Descent":
        from fa_sweep.engine.compiled import Descent  # Numba is optional, and takes a second to import

        model, widths, loss = self.stack.model, self.stack.widths, self.stack.train.loss
        return Descent(
            widths, self.network, self.update, self.stack.rate, lanes,
            loss=loss, activation=model.activation, negative_slope=model.negative_slope,
        )  # fmt: skip

    def train_segment(self, first: int, size: int) -> None:
        """Make the next steps of every run.

        Args:
            first: the number of the first of these steps, from 0.
            size: how many steps.
        """
        inputs, targets = self.stack.examples.batches(size)
        outputs = self.stack.layout.steps(*targets.shape)
        make_steps = self._make_compiled_steps if self._compiled else self._make_steps
        make_steps(first, inputs, targets, outputs)
        # If outputs and targets are far from overflow, all losses are finite. (With a NaN the comparisons are false.)
        if all(array.max() < UNSUSPICIOUS and array.min() > -UNSUSPICIOUS for array in (outputs, targets)):
            return
        losses = self.loss.value(outputs.swapaxes(0, 1), targets.swapaxes(0, 1))
        finite = np.isfinite(outputs).all(axis=(1, 2)) & np.isfinite(losses).all(axis=1)
        self._freeze(~finite.all(axis=0), first + np.argmin(finite, axis=0))

    def _make_compiled_steps(self, first: int, inputs: Array, targets: Array, outputs: Array) -> None:
        """Train on examples (S, n, N, R) with the compiled engine, slice by slice, and fill `outputs`."""
        for descent, (mode, backward, _) in zip(self._compiled, self.backward, strict=True):
            done = 0
            while done < len(inputs):
                ahead = mode.ahead(first + done, len(inputs) - done, backward)
                assert ahead is not None
                some = slice(done, done + ahead.steps)
                descent(ahead, inputs[some], targets[some], outputs[some])
                done += ahead.steps

    def _make_steps(self, first: int, inputs: Array, targets: Array, outputs: Array) -> None:
        """Train on examples (S, n, N, R) with NumPy, step by step, and fill `outputs`."""
        network, deltas = self.network, self.network.deltas
        hidden = [(layer, deltas[layer], network.derivatives[layer]) for layer in range(network.layers - 1, 0, -1)]
        parts = [(mode, backward, targets[..., lanes]) for mode, backward, lanes in self.backward]
        for offset, (x, y, output) in enumerate(zip(inputs, targets, outputs, strict=True)):
            network.forward(x, output)
            self.loss.descend(output, y, self.stack.rate, deltas[-1])
            network.differentiate()
            for mode, backward, target in parts:
                backward.target = target[offset]
                mode.begin_step(first + offset)
                mode.refresh()
            for layer, delta, slope in hidden:
                for mode, backward, _ in parts:
                    mode.signal(layer, backward, backward.deltas[layer])
                np.multiply(delta, slope, out=delta)
            network.gradients(self.update)
            self._descend()

    def _descend(self) -> None:
        """Turn pseudo-gradients into updates u with the optimiser, make the step W <- keeps W + u, and let feedback learn."""
        parameters, update = self.stack.parameters, self.update
        if self.optimiser is not None:
            magnitudes = None
            if self.magnitudes is not None:
                self.network.magnitudes(self.magnitudes)
                magnitudes = self.magnitudes.block
                np.multiply(magnitudes, self._zero_within, out=magnitudes)
            self.optimiser(update.block, magnitudes)
        if self.stack.keeps is not None:
            for weight, keeps in zip(parameters.weights, self.stack.keeps, strict=True):
                np.multiply(weight, keeps, out=weight)
        np.add(parameters.block, update.block, out=parameters.block)
        for (mode, _, _), updates in zip(self.backward, self._updates, strict=True):
            mode.learn(updates)

    def _evaluate(self, number: int, step: int) -> None:
        if number % self._ahead == 0:
            self.sampled = self.stack.examples.sampled(min(self._ahead, len(self.steps) - number))
        chance = "chance_at_first" if number == 0 else "chance_at_last" if number == len(self.steps) - 1 else None
        metrics = self.evaluate(self.sampled[number % self._ahead], self.update.weights, chance=chance)
        self._freeze(~metrics.pop("finite"), np.full(len(self.diverged), step))
        for name, values in metrics.items():
            self.metrics[name][number] = np.where(self.diverged < 0, values, np.nan)[self.stack.lane_of]

    def _freeze(self, lost: Array, step: Array) -> None:
        """Record the steps at which runs diverged, and set their parameters to NaN so that no later output is finite again."""
        lost = lost & (self.diverged < 0)
        self.diverged[lost] = step[lost]
        self.stack.parameters.block[:, lost] = np.nan

    def at(self, evaluation: int) -> dict[str, Array]:
        """Return the metrics of one evaluation, with the runs in the order in which the stack received them."""
        return {name: values[evaluation] for name, values in self.metrics.items()}

    def histories(self) -> Histories:
        """Return the results without the padding lanes, with the runs in the order in which the stack received them."""
        lanes = self.stack.lane_of
        return Histories(
            steps=self.steps,
            metrics=self.metrics,
            diverged_at_step=self.diverged[lanes],
            weights=[weight[..., lanes] for weight in self.stack.parameters.weights],
            duration_s=0.0,
            output_range=np.where(self.diverged < 0, self.evaluate.output_range(), np.nan)[lanes],
        )
