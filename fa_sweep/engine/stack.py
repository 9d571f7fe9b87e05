"""A stack: runs with the same structure, arranged in lanes, with their initial weights, feedback modes and examples.

Axes: R lanes (runs and padding), I inputs, O outputs.
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

CHANCE = 1  # the kind of the "evaluation" stream that unit feedback for chance angles is drawn from


class Stack:
    """The networks of several runs, arranged in lanes that are trained in lockstep.

    Runs with the same feedback mode (more precisely, the same `slice_key`) occupy one contiguous slice of lanes. Each slice may
    end with padding lanes, whose weights are 0.

    Args:
        runs: the settings of the runs, all with the same `structure`.

    Attributes:
        runs: `runs[lane]` is the run in that lane, None for padding.
        lane_of: `lane_of[i]` is the lane of the i-th run in the order in which the runs were given.
        parts: pairs (lanes, mode), one per slice: the slice and the feedback mode that serves it.
        parameters: the current weights and biases.
        lr: the learning rate of each lane (R,).
        step: the factor (R,) that turns a sum of gradients over N into an update, without the sign: lr / N if
            `train.reduction` is "mean", and lr if it is "sum".
        rate: `step` times `output_scale`, (R,).
        keeps: `keeps[l - 1]` (R,) is the fraction of W_l that remains after a step; None if no weight of any run decays.
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
        # The mean over N is taken here, so that the learning rate does not depend on the batch size.
        examples = self.train.batch_size if self.train.reduction == "mean" else 1
        self.step = self.per_lane(lambda run: run.train.lr / examples)
        # e is the derivative with respect to the scaled output. Times output_scale, it is the derivative with respect to z_L.
        self.rate = self.per_lane(lambda run: run.train.lr / examples * self.output_scale)
        kept = self._kept_fractions()
        for lanes, mode in self.parts:
            mode.kept = [fraction[lanes] for fraction in kept]
        occupied = [lane for lane, _ in self._occupied()]
        self.keeps = None if all((fraction[occupied] == 1.0).all() for fraction in kept) else kept

    def _arrange(self, runs: Sequence[RunConfig]) -> tuple[list[int | None], dict[tuple[str, Hashable], slice]]:
        """Assign runs to lanes; return the index of each lane's run, None for padding, and the lanes of each slice."""
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
        """Group the lanes of the runs by a key. Draws that depend on the key alone are then made once per group."""
        lanes: dict[K, list[int]] = {}
        for lane, run in self._occupied():
            lanes.setdefault(key(run), []).append(lane)
        return lanes

    def per_lane(self, value: Callable[[RunConfig], float]) -> Array:
        """Return one number per lane, computed from its run, as an array (R,) of the stack's type; 0 for padding."""
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
        """Create modes with newly drawn feedback, with which no run trains, for measuring chance angles.

        The feedback is drawn as at the start of training. If it depends on weights (for example with `match_norm`), the initial
        weights are used for the draw; then the feedback is recomputed from the current weights. The draws use the seed of the
        run even if `feedback.seed` is set. Runs that share their feedback thus still have independent chance angles.

        Args:
            purpose: the purpose of the random streams, "chance_at_first" or "chance_at_last".

        Returns:
            Pairs (lanes, mode) for the slices in which `chance` of some run is "own".
        """
        measured = {
            number
            for number, (lanes, mode) in enumerate(self.parts)
            if any(run is not None and mode.chance(run.feedback) == "own" for run in self.runs[lanes])
        }
        if not measured:
            return []
        initial, found = self._initial_parameters().weights, []
        examples = len(self.task.evaluation.inputs)  # all share one matrix, so projections do not suffice
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
        """Return for each lane which feedback gives its chance angles (see `FeedbackMode.chance`); "none" for padding."""
        return ["none" if run is None else mode.chance(run.feedback) for lanes, mode in self.parts for run in self.runs[lanes]]

    def _initial_parameters(self) -> Parameters:
        """Draw the initial weights of each run from its own streams. Biases start at 0."""
        parameters = Parameters.zeros(self.widths, self.model.bias, len(self.runs), self.layout)
        scale = self.per_lane(lambda run: run.init.scale)
        for weight, unit in zip(parameters.weights, self._unit_draws(lambda run: run.init, "init", 1), strict=True):
            np.multiply(unit, scale, out=weight, casting="same_kind")
        return parameters

    def chance_matrices(self) -> list[Array]:
        """Draw unit feedback, with which no run trains, for chance angles of the kind "unit" (see `FeedbackMode.chance`).

        Returns:
            One matrix (O, I, R) for each weight from W_2 on.
        """
        matrices = [np.empty_like(weight) for weight in self.parameters.weights[1:]]
        for matrix, unit in zip(matrices, self._unit_draws(lambda run: run.feedback, "evaluation", 2, CHANCE), strict=True):
            matrix[...] = unit
        return matrices

    def _unit_draws(self, settings: Callable[[RunConfig], Any], purpose: str, first: int, kind: int = 0) -> Iterator[Array]:
        """For each weight from W_`first` on, yield unit draws (see `numerics.distributions`), (O, I, R) in float64.

        `settings(run)` returns the group of settings that names the distribution, such as `run.init`. Runs with the same seed
        and distribution get the same matrices. Padding lanes are zero.
        """
        lanes = self._lanes_by(lambda run: (run.seed, settings(run).distribution))
        draw_of_lane = np.full(len(self.runs), -1)
        for number, members in enumerate(lanes.values()):
            draw_of_lane[members] = number
        for layer, (i, o) in list(enumerate(pairwise(self.widths), start=1))[first - 1 :]:
            units = np.zeros((len(lanes) + 1, o, i))  # the last one stays zero, for padding
            generators = streams([seed for seed, _ in lanes], purpose, layer, kind)
            for (_, distribution), generator, unit in zip(lanes, generators, units, strict=False):
                draw_into(distribution, generator, unit)
            yield units[draw_of_lane].transpose(1, 2, 0)

    def _kept_fractions(self) -> list[Array]:
        """Return for each layer the fraction (R,) of its weights that remains after a step."""
        hidden = self.per_lane(lambda run: 1.0 - run.train.lr * run.train.weight_decay)
        output = self.per_lane(lambda run: 1.0 - run.train.lr * run.train.output_weight_decay)
        kept = [hidden.copy() for _ in self.widths[2:]] + [output]
        for lanes, mode in self.parts:
            if mode.keeps is not None:
                for fraction in kept:
                    fraction[lanes] -= 1.0 - mode.keeps
        return kept

    def network(self, examples: int) -> Network:
        """Return the network of this stack for batches of `examples` examples, with buffers of its own."""
        return Network(self.parameters, self.activation, self.widths, examples, self.layout, self.output_scale)
