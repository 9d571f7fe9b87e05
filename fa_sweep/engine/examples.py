"""The examples of a stack: for training steps, for evaluations, and for the metric accuracy_sampled.

Axes: R lanes (runs and padding), N examples of a batch or of the evaluation set, S steps, E evaluations, K sampled examples,
I inputs, O outputs.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fa_sweep._typing import Array
from fa_sweep.numerics.layout import Layout
from fa_sweep.numerics.sampling import SAMPLINGS
from fa_sweep.numerics.streams import streams
from fa_sweep.settings.schema import RunConfig
from fa_sweep.tasks import TASKS, Examples, Task, task_of

FRESH_STEPS = 64  # steps per draw of new examples; fixed, because a product of another size may round differently
AHEAD_BYTES = 2**23  # largest size of the indices of examples that are drawn ahead


class ExampleStreams:
    """Draws the examples of all lanes. Runs with the same seed get the same examples, which are drawn once.

    Attributes:
        task: the task of the first seed. The tasks of all seeds have the same shapes.
    """

    def __init__(self, first: RunConfig, layout: Layout, lanes: int, lanes_of_seed: Mapping[int, list[int]]) -> None:
        """Prepare the random streams.

        Args:
            first: any run of the stack.
            layout: the memory layout of the stack.
            lanes: the number of lanes R, padding included.
            lanes_of_seed: for each seed, the lanes of the runs that have it.
        """
        self.train, self.layout, self.lanes = first.train, layout, lanes
        self._lanes_of_seed = lanes_of_seed
        self._seeded = TASKS[first.task.name].seeded
        self._tasks = {s: task_of(first, s) for s in (self._lanes_of_seed if self._seeded else [0])}
        self.task = next(iter(self._tasks.values()))
        self._sources = self._sources_by_seed()
        self._samplers: list[np.random.Generator] = []
        self._numbers = np.empty((lanes, 0, self.train.batch_size), dtype=np.intp)

    def _sources_by_seed(self) -> dict[int, Callable[[int], Any]]:
        """Return one function per seed. Given S, it returns the indices of the next S steps' examples.

        If no fixed set is sampled, it returns newly generated examples instead.
        """
        order, batch, training = SAMPLINGS[self.train.sampling], self.train.batch_size, self.task.training
        seeds = list(self._lanes_of_seed)
        if order is not None and training is not None:
            examples = len(training.inputs)  # the same for every seed
            return {s: order(g, examples, batch) for s, g in zip(seeds, streams(seeds, "order"), strict=True)}
        generators = streams(seeds, "task", kind=2)
        return {s: _Fresh(self._tasks[s if self._seeded else 0], g, batch) for s, g in zip(seeds, generators, strict=True)}

    def batches(self, steps: int) -> tuple[Array, Array]:
        """Draw the examples of the next S steps: inputs (S, I, N, R) and targets (S, O, N, R)."""
        batch, runs = self.train.batch_size, self.lanes
        if self.task.training is not None and not self._seeded:
            order, shared = self._next_numbers(steps), self.task.training
            return self.layout.gather(shared.inputs, order), self.layout.gather(shared.targets, order)
        inputs = self.layout.steps(steps, self.task.inputs, batch, runs)
        targets = self.layout.steps(steps, self.task.outputs, batch, runs)
        inputs[...], targets[...] = 0.0, 0.0  # padding lanes need some finite values
        for seed, lanes in self._lanes_of_seed.items():
            drawn, own = self._sources[seed](steps), self._tasks[seed].training
            examples = drawn if own is None else Examples(*(a[drawn.ravel()] for a in (own.inputs, own.targets)))
            for array, values in ((inputs, examples.inputs), (targets, examples.targets)):
                array[..., lanes] = values.reshape(steps, batch, -1).transpose(0, 2, 1)[..., None]
        return inputs, targets

    def _next_numbers(self, steps: int) -> Array:
        """Return the indices (S, N, R) of the next S steps' examples.

        They are drawn ahead, because a few large draws are faster than many small ones.
        """
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
        n, runs = len(self.task.evaluation.inputs), self.lanes
        inputs, targets = self.layout.zeros(self.task.inputs, n, runs), self.layout.zeros(self.task.outputs, n, runs)
        for seed, task in self._tasks.items():
            lanes: Any = self._lanes_of_seed[seed] if self._seeded else slice(None)
            inputs[..., lanes] = task.evaluation.inputs.T[..., None]
            targets[..., lanes] = task.evaluation.targets.T[..., None]
        return inputs, targets

    def sampled(self, evaluations: int) -> Array:
        """Draw the indices (E, K, R) of the examples that accuracy_sampled uses in the next E evaluations.

        The indices are the same whether the evaluations are asked for in one call or in several.
        """
        shape = (evaluations, self.train.eval_samples)
        sampled = np.zeros((*shape, self.lanes), dtype=np.intp)
        if not self._samplers:
            self._samplers = streams(list(self._lanes_of_seed), "evaluation")
        for lanes, generator in zip(self._lanes_of_seed.values(), self._samplers, strict=True):
            sampled[..., lanes] = generator.integers(len(self.task.evaluation.inputs), size=shape)[..., None]
        return sampled


class _Fresh:
    """A sequence of new examples, which are the same whether the steps are asked for in one call or in several."""

    def __init__(self, task: Task, generator: np.random.Generator, batch: int) -> None:
        assert task.fresh is not None
        self._fresh, self._generator, self._batch = task.fresh, generator, batch
        self._inputs: list[Array] = []
        self._targets: list[Array] = []

    def __call__(self, steps: int) -> Examples:
        """Return the examples of the next S steps, S times the batch size in number."""
        wanted = steps * self._batch
        while sum(map(len, self._inputs)) < wanted:
            made = self._fresh(self._generator, FRESH_STEPS * self._batch)
            self._inputs.append(made.inputs)
            self._targets.append(made.targets)
        inputs, targets = np.concatenate(self._inputs), np.concatenate(self._targets)
        self._inputs, self._targets = [inputs[wanted:]], [targets[wanted:]]
        return Examples(inputs[:wanted], targets[:wanted])
