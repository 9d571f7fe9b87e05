"""A stack: runs of equal structure laid out in lanes, with all that they were drawn.

Axes: R lanes (runs and padding), N examples of a batch, S steps, E evaluations, K sampled examples, I and O units.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fa_sweep.distributions import draw
from fa_sweep.feedback import MODES, FeedbackMode, Lane
from fa_sweep.network import Parameters
from fa_sweep.schema import RunConfig
from fa_sweep.streams import stream
from fa_sweep.tasks import make_task

Array = np.ndarray

# At a width of 1 NumPy takes other kernels, and with them other roundings: each mode's slice of a stack is padded with
# networks of zeros. To 8, because a slice then begins and ends where a vector register does.
LANE_MULTIPLE = 8


def structure(run: RunConfig) -> tuple[object, ...]:
    """Return what must be equal for two runs to share a stack; seed, scales, learning rate and mode are free."""
    task = {name: value for name, value in vars(run.task).items() if name not in ("loss", "success")}
    train = {name: value for name, value in vars(run.train).items() if name not in ("lr", "threshold", "hold")}
    return tuple(repr(sorted(part.items())) for part in (task, vars(run.model), train))


class Stack:
    """Lanes of one structure, one contiguous slice a feedback mode.

    `runs[lane]` is a run or None, `lane_of[i]` the lane of the i-th run given; `parts` pairs each mode with its slice.
    """

    def __init__(self, runs: Sequence[RunConfig]) -> None:
        numbers: list[int | None] = []
        slices: dict[str, slice] = {}
        for mode in sorted({run.feedback.mode for run in runs}):
            members = [number for number, run in enumerate(runs) if run.feedback.mode == mode]
            padding = -len(members) % LANE_MULTIPLE
            slices[mode] = slice(len(numbers), len(numbers) + len(members) + padding)
            numbers += [*members, *[None] * padding]
        self.runs = [None if number is None else runs[number] for number in numbers]
        self.lane_of = np.array([numbers.index(number) for number in range(len(runs))])

        first = runs[0]
        self.model, self.train = first.model, first.train
        self.task = make_task(first.task)
        self.widths = [self.task.training.inputs.shape[1], *self.model.hidden, self.task.training.targets.shape[1]]
        self.parameters = self.initial_parameters()
        # The mean over N sits here, so that the learning rate does not depend on the batch size.
        self.rate = np.array([run.train.lr / run.train.batch_size if run else 0.0 for run in self.runs])
        self.parts = [(lanes, self._mode(mode, lanes)) for mode, lanes in slices.items()]
        self._orders = [(lane, stream(run.seed, "order")) for lane, run in self._occupied()]

    def _occupied(self) -> list[tuple[int, RunConfig]]:
        return [(lane, run) for lane, run in enumerate(self.runs) if run is not None]

    def _mode(self, mode: str, lanes: slice) -> FeedbackMode[Any]:
        members = [None if run is None else Lane(run.seed, run.feedback) for run in self.runs[lanes]]
        return MODES[mode](members, [weight[..., lanes] for weight in self.parameters.weights])

    def initial_parameters(self) -> Parameters:
        """Draw each run's weights from its own streams; biases start at 0."""
        parameters = Parameters.zeros(self.widths, self.model.bias, len(self.runs))
        for lane, run in self._occupied():
            for layer, weight in enumerate(parameters.weights, start=1):
                unit = draw(run.init.distribution, stream(run.seed, "init", layer), *weight.shape[:2])
                weight[..., lane] = run.init.scale * unit
        return parameters

    def batches(self, steps: int) -> tuple[Array, Array]:
        """Draw the next steps' examples: inputs (S, I, N, R), targets (S, O, N, R)."""
        examples = self.task.training
        order = np.zeros((steps, self.train.batch_size, len(self.runs)), dtype=np.intp)
        for lane, generator in self._orders:
            order[..., lane] = generator.integers(len(examples.inputs), size=order.shape[:2])
        return _gather(examples.inputs, order), _gather(examples.targets, order)

    def evaluation_set(self) -> tuple[Array, Array]:
        """Return inputs (I, N, R) and targets (O, N, R) of the whole evaluation set."""
        examples = self.task.evaluation
        every = np.broadcast_to(np.arange(len(examples.inputs))[:, None], (1, len(examples.inputs), len(self.runs)))
        return _gather(examples.inputs, every)[0], _gather(examples.targets, every)[0]

    def sampled_examples(self, evaluations: int) -> Array:
        """Draw which examples of the evaluation set accuracy_sampled looks at: (E, K, R)."""
        shape = (evaluations, self.train.eval_samples)
        sampled = np.zeros((*shape, len(self.runs)), dtype=np.intp)
        for lane, run in self._occupied():
            sampled[..., lane] = stream(run.seed, "evaluation").integers(len(self.task.evaluation.inputs), size=shape)
        return sampled


def _gather(values: Array, order: Array) -> Array:
    """values (examples, units), order (S, N, R) -> (S, units, N, R)."""
    gathered = np.empty((order.shape[0], values.shape[1], *order.shape[1:]))
    for unit, column in enumerate(values.T):
        gathered[:, unit] = column[order]
    return gathered
