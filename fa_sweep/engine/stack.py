"""A stack: runs of equal structure laid out in lanes, with all that they were drawn.

Axes: R lanes (runs and padding), N examples of a batch, S steps, E evaluations, K sampled examples, I and O units.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from fa_sweep._typing import Array
from fa_sweep.engine.examples import ExampleStreams
from fa_sweep.feedback import MODES, FeedbackMode, Forward, Lane
from fa_sweep.models.fully_connected import Network, Parameters
from fa_sweep.numerics.activations import ACTIVATIONS
from fa_sweep.numerics.distributions import draw_into
from fa_sweep.numerics.streams import streams
from fa_sweep.settings.schema import RunConfig
from fa_sweep.settings.structure import layout_for, slice_key, widths_of

K = TypeVar("K", bound=Hashable)

CHANCE = 1  # the kind of stream `evaluation` that feedback by chance is drawn from


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
        self.examples = ExampleStreams(first, self.layout, len(self.runs), self._lanes_by(lambda run: run.seed))
        self.task = self.examples.task

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
