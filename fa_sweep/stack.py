"""A stack: runs of equal structure laid out in lanes, with all that they were drawn.

Axes: R lanes (runs and padding), N examples of a batch, S steps, E evaluations, K sampled examples, I and O units.
"""

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from fa_sweep.activations import ACTIVATIONS
from fa_sweep.distributions import draw_into
from fa_sweep.feedback import MODES, FeedbackMode, Forward, Lane
from fa_sweep.layout import LanesLast, Layout, layout_of
from fa_sweep.network import Network, Parameters
from fa_sweep.sampling import SAMPLINGS
from fa_sweep.schema import RunConfig
from fa_sweep.streams import streams
from fa_sweep.tasks import TASKS, Examples, Task, task_of

Array = np.ndarray
K = TypeVar("K", bound=Hashable)

FRESH_STEPS = 64  # new examples are made for so many steps at once, always: a product of another size may round otherwise
AHEAD_BYTES = 2**23  # of the numbers of examples that are drawn at once, at most
CACHE_BYTES = 2**21  # of parameters, updates, feedback and activations of the networks that are trained at a time
FEWEST_LANES = 256  # of narrow networks, cache or not: fewer would pay more in calls than they save in memory
EVALUATION_BYTES = 2**28  # of the buffers of one evaluation of narrow networks

# Settings of training that may differ between the runs of one stack.
_FREE = ("lr", "momentum", "weight_decay", "output_weight_decay", "threshold", "hold", "epochs")
CHANCE = 1  # the kind of stream `evaluation` that feedback by chance is drawn from


def structure(run: RunConfig) -> tuple[Hashable, ...]:
    """Return what must be equal for two runs to share a stack; seed, scales, learning rate, decay and mode are free."""
    task = {name: value for name, value in vars(run.task).items() if name not in ("loss", "sampling", "success")}
    train = {name: value for name, value in vars(run.train).items() if name not in _FREE}
    return (*(repr(sorted(part.items())) for part in (task, vars(run.model), train)), run.dtype, run.engine)


def slice_key(run: RunConfig) -> tuple[str, Hashable]:
    """Return what runs share that lie in one slice of a stack: the mode, and what of its options shapes its arrays."""
    return run.feedback.mode, MODES[run.feedback.mode].slice_key(run.feedback)


def widths_of(run: RunConfig) -> list[int]:
    """Return the layer widths n_0 ... n_L, of which the task gives the first and the last."""
    task = task_of(run)
    return [task.inputs, *run.model.hidden, task.outputs]


def layout_for(run: RunConfig) -> Layout:
    """Return the layout that a run's structure asks for."""
    return layout_of(widths_of(run), run.train.batch_size, run.dtype)


def parts_of(runs: Sequence[RunConfig]) -> list[list[int]]:
    """Return the numbers of the runs of one structure that are best trained in one stack: what their buffers fit into.

    Neighbours of one mode where there is more than one part: the fewer modes in a stack, the fewer calls.
    """
    parts = parts_for(runs[0], len(runs))
    order = sorted(range(len(runs)), key=lambda number: repr(slice_key(runs[number]))) if parts > 1 else range(len(runs))
    # Equal parts: a last one of a single run would cost nearly as much as one of three.
    return [part.tolist() for part in np.array_split(np.array(order), parts)]


def lanes_of_part(run: RunConfig, runs: int) -> int:
    """Return how many lanes the largest part of so many runs like this one has, padding of one mode included."""
    multiple = layout_for(run).lane_multiple
    return -(-math.ceil(runs / parts_for(run, runs)) // multiple) * multiple


def parts_for(run: RunConfig, runs: int) -> int:
    """Return how many parts so many runs like this one are trained in."""
    return max(1, round(runs / _runs_that_fit(run)))


def _runs_that_fit(run: RunConfig) -> int:
    widths, examples, layout = widths_of(run), len(task_of(run).evaluation.inputs), layout_for(run)
    weights = sum(i * o for i, o in pairwise(widths))
    training = int(layout.dtype.itemsize) * (3 * weights + 3 * run.train.batch_size * sum(widths[1:]))
    if not isinstance(layout, LanesLast):
        return max(1, CACHE_BYTES // training)
    evaluation = int(layout.dtype.itemsize) * examples * (widths[0] + 6 * sum(widths[1:]))
    return max(layout.lane_multiple, min(EVALUATION_BYTES // evaluation, max(FEWEST_LANES, CACHE_BYTES // training)))


class Stack:
    """Lanes of one structure, one contiguous slice a feedback mode.

    `runs[lane]` is a run or None, `lane_of[i]` the lane of the i-th run given; `parts` pairs each mode with its slice.
    """

    def __init__(self, runs: Sequence[RunConfig]) -> None:
        first = runs[0]
        self.model, self.train, self.engine, self.widths = first.model, first.train, first.engine, widths_of(first)
        self.layout = layout_for(first)
        numbers, slices = self._arrange(runs)
        self.runs = [None if number is None else runs[number] for number in numbers]
        place = {number: lane for lane, number in enumerate(numbers)}
        self.lane_of = np.array([place[number] for number in range(len(runs))])
        self._lanes_of_seed = self._lanes_by(lambda run: run.seed)
        self._seeded = TASKS[first.task.name].seeded
        self._tasks = {s: task_of(first, s) for s in (self._lanes_of_seed if self._seeded else [0])}
        self.task = next(iter(self._tasks.values()))

        self.activation = ACTIVATIONS[self.model.activation](self.model.negative_slope)
        self.parameters = self._initial_parameters()
        self.parts = [(lanes, MODES[mode](self._members(lanes), self._forward(lanes))) for (mode, _), lanes in slices.items()]
        self.output_scale = self.widths[-2] ** -0.5 if self.model.parametrisation == "inverse_sqrt_width" else 1.0
        self.lr = self.per_lane(lambda run: run.train.lr)
        # The mean over N sits here, so that the learning rate does not depend on the batch size.
        examples = self.train.batch_size if self.train.reduction == "mean" else 1
        self.step = self.per_lane(lambda run: run.train.lr / examples)
        # What e, the loss's derivative by the scaled output, is multiplied by on its way to being a step of z_L.
        self.rate = self.per_lane(lambda run: run.train.lr / examples * self.output_scale)
        kept = self._kept_fractions()
        for lanes, mode in self.parts:
            mode.kept = [fraction[lanes] for fraction in kept]
        occupied = [lane for lane, _ in self._occupied()]
        self.keeps = None if all((fraction[occupied] == 1.0).all() for fraction in kept) else kept
        self._sources = self._sources_by_seed()
        self._samplers: list[np.random.Generator] = []
        self._numbers = np.empty((len(self.runs), 0, self.train.batch_size), dtype=np.intp)

    def _arrange(self, runs: Sequence[RunConfig]) -> tuple[list[int | None], dict[tuple[str, Hashable], slice]]:
        """Return the number of the run in each lane, None for padding, and the lanes of each slice."""
        numbers: list[int | None] = []
        slices: dict[tuple[str, Hashable], slice] = {}
        keys = [slice_key(run) for run in runs]
        for key in sorted(set(keys), key=repr):
            members = [number for number, other in enumerate(keys) if other == key]
            padding = -len(members) % self.layout.lane_multiple
            slices[key] = slice(len(numbers), len(numbers) + len(members) + padding)
            numbers += [*members, *[None] * padding]
        return numbers, slices

    def _occupied(self) -> Iterator[tuple[int, RunConfig]]:
        return ((lane, run) for lane, run in enumerate(self.runs) if run is not None)

    def _lanes_by(self, key: Callable[[RunConfig], K]) -> dict[K, list[int]]:
        """Return the lanes of the runs that share a key: what is drawn for it is drawn once."""
        lanes: dict[K, list[int]] = {}
        for lane, run in self._occupied():
            lanes.setdefault(key(run), []).append(lane)
        return lanes

    def per_lane(self, value: Callable[[RunConfig], float]) -> Array:
        """Return a setting of every lane, (R,), in the stack's type; 0 for padding."""
        return np.array([0.0 if run is None else value(run) for run in self.runs], self.layout.dtype)

    def _members(self, lanes: slice) -> list[Lane | None]:
        def member(run: RunConfig) -> Lane:
            return Lane(run.seed if run.feedback.seed is None else run.feedback.seed, run.feedback, run.init)

        return [None if run is None else member(run) for run in self.runs[lanes]]

    def _forward(self, lanes: slice) -> Forward:
        return Forward(
            [weight[..., lanes] for weight in self.parameters.weights], self.activation, self.layout, self.train.batch_size
        )

    def strangers(self, purpose: str) -> list[tuple[slice, FeedbackMode[Any]]]:
        """Return modes with feedback that no run trains with, each in its own law, and their slices.

        Feedback is drawn as it is at the start, from initial weights where it depends on them (norms to match, say), and then
        follows the current weights. Its streams are the run's, whatever `feedback.seed` is: runs that share feedback do not
        share chance. Slices without such a mode are left out.

        Args:
            purpose: of the streams.
        """
        measured = {
            number
            for number, (lanes, mode) in enumerate(self.parts)
            if any(run is not None and mode.chance(run.feedback) == "own" for run in self.runs[lanes])
        }
        if not measured:
            return []
        initial, found = self._initial_parameters().weights, []
        examples = len(self.task.evaluation.inputs)  # they pass back through one matrix: projections for one will not do
        for number in sorted(measured):
            lanes, mode = self.parts[number]
            members = [None if run is None else Lane(run.seed, run.feedback, run.init, purpose) for run in self.runs[lanes]]
            now = mode.forward
            made = type(mode)(members, replace(now, weights=[weight[..., lanes] for weight in initial], batch_size=examples))
            made.forward = now
            made.begin_step(0)
            made.refresh()
            found.append((lanes, made))
        return found

    def chance(self) -> list[str]:
        """Return what each lane's angles by chance are measured with (`FeedbackMode.chance`); "none" for padding."""
        return ["none" if run is None else mode.chance(run.feedback) for lanes, mode in self.parts for run in self.runs[lanes]]

    def _initial_parameters(self) -> Parameters:
        """Draw each run's weights from its own streams; biases start at 0."""
        parameters = Parameters.zeros(self.widths, self.model.bias, len(self.runs), self.layout)
        scale = self.per_lane(lambda run: run.init.scale)
        for weight, unit in zip(parameters.weights, self._unit_draws(lambda run: run.init, "init", 1), strict=True):
            np.multiply(unit, scale, out=weight, casting="same_kind")
        return parameters

    def chance_matrices(self) -> list[Array]:
        """Draw unit feedback that no run trains with, (O, I, R) for each weight from the second on (`FeedbackMode.chance`)."""
        matrices = [np.empty_like(weight) for weight in self.parameters.weights[1:]]
        for matrix, unit in zip(matrices, self._unit_draws(lambda run: run.feedback, "evaluation", 2, CHANCE), strict=True):
            matrix[...] = unit
        return matrices

    def _unit_draws(self, settings: Callable[[RunConfig], Any], purpose: str, first: int, kind: int = 0) -> Iterator[Array]:
        """Draw matrices for each weight from the `first` on, (O, I, R), of the distributions that `settings` of the runs name.

        Unscaled, float64, a view; zeros in padding. Runs of one seed and distribution have the same.
        """
        lanes = self._lanes_by(lambda run: (run.seed, settings(run).distribution))
        draw_of_lane = np.full(len(self.runs), -1)
        for number, members in enumerate(lanes.values()):
            draw_of_lane[members] = number
        for layer, (i, o) in list(enumerate(pairwise(self.widths), start=1))[first - 1 :]:
            units = np.zeros((len(lanes) + 1, o, i))  # the last one is padding's
            generators = streams([seed for seed, _ in lanes], purpose, layer, kind)
            for (_, distribution), generator, unit in zip(lanes, generators, units, strict=False):
                draw_into(distribution, generator, unit)
            yield units[draw_of_lane].transpose(1, 2, 0)

    def _kept_fractions(self) -> list[Array]:
        """Return the fraction of each layer's weights that a step leaves, (R,) per layer."""
        hidden = self.per_lane(lambda run: 1.0 - run.train.lr * run.train.weight_decay)
        output = self.per_lane(lambda run: 1.0 - run.train.lr * run.train.output_weight_decay)
        kept = [hidden.copy() for _ in self.widths[2:]] + [output]
        for lanes, mode in self.parts:
            if mode.keeps is not None:
                for fraction in kept:
                    fraction[lanes] -= 1.0 - mode.keeps
        return kept

    def network(self, examples: int) -> Network:
        """Return the forward and backward pass for batches of that many examples."""
        return Network(self.parameters, self.activation, self.widths, examples, self.layout, self.output_scale)

    def _sources_by_seed(self) -> dict[int, Callable[[int], Any]]:
        """Return what gives each seed's next S steps: the numbers of the examples, or new examples."""
        order, batch, training = SAMPLINGS[self.train.sampling], self.train.batch_size, self.task.training
        seeds = list(self._lanes_of_seed)
        if order is not None and training is not None:
            examples = len(training.inputs)  # as many for every seed
            return {s: order(g, examples, batch) for s, g in zip(seeds, streams(seeds, "order"), strict=True)}
        generators = streams(seeds, "task", kind=2)
        return {s: _Fresh(self._tasks[s if self._seeded else 0], g, batch) for s, g in zip(seeds, generators, strict=True)}

    def batches(self, steps: int) -> tuple[Array, Array]:
        """Draw the next steps' examples: inputs (S, I, N, R), targets (S, O, N, R)."""
        batch, runs = self.train.batch_size, len(self.runs)
        if self.task.training is not None and not self._seeded:
            order, shared = self._next_numbers(steps), self.task.training
            return self.layout.gather(shared.inputs, order), self.layout.gather(shared.targets, order)
        inputs = self.layout.steps(steps, self.widths[0], batch, runs)
        targets = self.layout.steps(steps, self.widths[-1], batch, runs)
        inputs[...], targets[...] = 0.0, 0.0  # padding has examples too, whatever they are
        for seed, lanes in self._lanes_of_seed.items():
            drawn, own = self._sources[seed](steps), self._tasks[seed].training
            examples = drawn if own is None else Examples(*(a[drawn.ravel()] for a in (own.inputs, own.targets)))
            for array, values in ((inputs, examples.inputs), (targets, examples.targets)):
                array[..., lanes] = values.reshape(steps, batch, -1).transpose(0, 2, 1)[..., None]
        return inputs, targets

    def _next_numbers(self, steps: int) -> Array:
        """Return the numbers of the next S steps' examples, (S, N, R); drawn ahead, for a call is dearer than its draws."""
        drawn = self._numbers.shape[1]
        if drawn < steps:
            runs, _, batch = self._numbers.shape
            ahead = max(steps, min(self.train.steps, AHEAD_BYTES // (8 * batch * runs)))
            more = np.zeros((runs, ahead, batch), dtype=np.intp)
            for seed, lanes in self._lanes_of_seed.items():
                more[lanes] = self._sources[seed](ahead)
            self._numbers = np.concatenate([self._numbers, more], axis=1) if drawn else more
        order, self._numbers = np.split(self._numbers, [steps], axis=1)
        return np.ascontiguousarray(order.transpose(1, 2, 0))

    def evaluation_set(self) -> tuple[Array, Array]:
        """Return inputs (I, N, R) and targets (O, N, R) of the whole evaluation set."""
        n, runs = len(self.task.evaluation.inputs), len(self.runs)
        inputs, targets = self.layout.zeros(self.widths[0], n, runs), self.layout.zeros(self.widths[-1], n, runs)
        for seed, task in self._tasks.items():
            lanes: Any = self._lanes_of_seed[seed] if self._seeded else slice(None)
            inputs[..., lanes] = task.evaluation.inputs.T[..., None]
            targets[..., lanes] = task.evaluation.targets.T[..., None]
        return inputs, targets

    def sampled_examples(self, evaluations: int) -> Array:
        """Draw which examples of the evaluation set accuracy_sampled looks at in the next evaluations: (E, K, R).

        How the evaluations are cut into calls changes nothing.
        """
        shape = (evaluations, self.train.eval_samples)
        sampled = np.zeros((*shape, len(self.runs)), dtype=np.intp)
        if not self._samplers:
            self._samplers = streams(list(self._lanes_of_seed), "evaluation")
        for lanes, generator in zip(self._lanes_of_seed.values(), self._samplers, strict=True):
            sampled[..., lanes] = generator.integers(len(self.task.evaluation.inputs), size=shape)[..., None]
        return sampled


class _Fresh:
    """New examples, step after step; how the steps are cut changes nothing."""

    def __init__(self, task: Task, generator: np.random.Generator, batch: int) -> None:
        assert task.fresh is not None
        self._fresh, self._generator, self._batch = task.fresh, generator, batch
        self._inputs: list[Array] = []
        self._targets: list[Array] = []

    def __call__(self, steps: int) -> Examples:
        """Return the next S steps' examples, S batch of them."""
        wanted = steps * self._batch
        while sum(map(len, self._inputs)) < wanted:
            made = self._fresh(self._generator, FRESH_STEPS * self._batch)
            self._inputs.append(made.inputs)
            self._targets.append(made.targets)
        inputs, targets = np.concatenate(self._inputs), np.concatenate(self._targets)
        self._inputs, self._targets = [inputs[wanted:]], [targets[wanted:]]
        return Examples(inputs[:wanted], targets[:wanted])
