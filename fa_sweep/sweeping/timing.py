"""Estimates how long training takes, from the number of calls, products and draws in its steps and evaluations."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from fa_sweep.engine.parts import lanes_of_part, parts_for
from fa_sweep.engine.training import SEGMENT_STEPS
from fa_sweep.feedback import MODES, FeedbackConfig
from fa_sweep.numerics.layout import LanesLast
from fa_sweep.settings.schema import RunConfig
from fa_sweep.settings.structure import layout_for, widths_of
from fa_sweep.tasks import TASKS, task_of

COMPILED_IS_FASTER = 2.0  # the time of the NumPy engine relative to the compiled one
FLOAT32 = 0.6  # the time of float32 relative to float64, if there are enough lanes to fill a vector register
PER_MODE = 0.25  # each further slice in a stack adds this fraction to the calls of a step


@dataclass(frozen=True)
class _Costs:
    """How many seconds the elements of training take in one memory layout.

    Attributes:
        call: the calls for one layer of one stack in one step.
        product: one weight times one example in one lane, forward and backward.
        inner: the share of a product's cost that does not depend on the number of lanes.
        update: the update of one weight in one lane.
        draw: drawing one entry of a feedback matrix.
        noise: one unit with one noise input, in modes that use noise.
        evaluation_call: the calls for one layer of one stack in one evaluation.
        evaluation_product: the counterpart of `product` in an evaluation.
        evaluation_inner: the counterpart of `inner` in an evaluation.
        evaluation_unit: one unit with one example in one lane, in an evaluation.
        run: setting up one layer of one run.
        weight: setting up one weight of one run.
        segment: preparing the examples of a series of steps for one run, if each seed has its own task.
        example: copying one number of an example for one lane.
        fresh: drawing one number of a new example.
        run_call: the time that one layer of one run adds to the calls of a step.
    """

    call: float
    product: float
    inner: float
    update: float
    draw: float
    noise: float
    evaluation_call: float
    evaluation_product: float
    evaluation_inner: float
    evaluation_unit: float
    run: float
    weight: float
    segment: float
    example: float
    fresh: float
    run_call: float


# Fitted to 130 random settings on one core of a 2020s server (benchmarks/estimates.py). Nine in ten estimates differ from the
# measured time by at most a factor of 1.7.
_LANES_LAST = _Costs(
    call=1.0e-5, product=1.35e-9, inner=2.1e-8, update=1.4e-9, draw=2.1e-9, noise=1.0e-8,
    evaluation_call=3.2e-4, evaluation_product=1.1e-9, evaluation_inner=2.9e-8, evaluation_unit=3.7e-8,
    run=9.0e-5, weight=1.0e-7, segment=7.3e-5, example=4.1e-9, fresh=7.0e-9, run_call=0.0,
)  # fmt: skip
_RUNS_FIRST = _Costs(
    call=4.0e-6, product=1.6e-10, inner=0.0, update=6.0e-10, draw=4.0e-9, noise=1.0e-8,
    evaluation_call=5.0e-4, evaluation_product=3.1e-10, evaluation_inner=0.0, evaluation_unit=1.4e-8,
    run=2.0e-4, weight=1.0e-7, segment=7.3e-5, example=5.5e-9, fresh=7.0e-9, run_call=2.2e-6,
)  # fmt: skip


def seconds(runs: Sequence[RunConfig]) -> float:
    """Estimate the training time of one shard in one process, given its runs, all of one structure."""
    run, widths, task = runs[0], widths_of(runs[0]), task_of(runs[0])
    layout = layout_for(run)
    costs = _LANES_LAST if isinstance(layout, LanesLast) else _RUNS_FIRST
    steps, batch, evaluations = run.train.steps, run.train.batch_size, run.train.evaluations()
    examples, layers, units = len(task.evaluation.inputs), len(widths) - 1, sum(widths[1:])
    weights = sum(i * o for i, o in pairwise(widths))
    behind = weights - widths[0] * widths[1]  # the weights that have a feedback matrix
    parts = parts_for(run, len(runs))
    lanes = parts * lanes_of_part(run, len(runs))
    faster = FLOAT32 if run.dtype == "float32" else 1.0
    settings = _feedback(runs)
    noise = sum(count * MODES[f.mode].examples_per_step(f) for f, count in settings) / len(runs)
    draws = sum(count * MODES[f.mode].draws_per_step(f) for f, count in settings)

    products = batch * weights + 2 * noise * behind
    slices = len({repr(_slice_of(f)) for f, _ in settings})
    calls = (layers + 1) * (parts + PER_MODE * (slices - 1)) * costs.call + costs.run_call * layers * len(runs)
    of_step = calls + costs.inner * parts * products
    of_step += lanes * (faster * (costs.product * products + costs.update * weights) + costs.noise * noise * units)
    of_step += costs.example * lanes * batch * (widths[0] + widths[-1])
    if task.training is None:
        of_step += costs.fresh * len(runs) * batch * (widths[0] + widths[-1])
    if run.engine == "numba":
        of_step = lanes * (costs.product * products + costs.update * weights) / COMPILED_IS_FASTER
    of_evaluation = costs.evaluation_call * (layers + 1) * parts + costs.evaluation_inner * parts * examples * weights
    of_evaluation += examples * lanes * faster * (costs.evaluation_product * weights + costs.evaluation_unit * units)
    once = len(runs) * (costs.run * layers + costs.weight * weights)
    if TASKS[run.task.name].seeded:
        each = layout.dtype.itemsize * batch * (lanes / parts) * (widths[0] + 2 * widths[-1])
        segment = max(1, min(SEGMENT_STEPS, layout.segment_bytes // each))
        once += costs.segment * len(runs) * max(evaluations, math.ceil(steps / segment))
    return float(steps * (of_step + costs.draw * draws * behind) + evaluations * of_evaluation + once)


def _slice_of(feedback: FeedbackConfig) -> tuple[str, object]:
    """Return the key of the slice of a stack to which runs with these settings belong."""
    return feedback.mode, MODES[feedback.mode].slice_key(feedback)


def _feedback(runs: Sequence[RunConfig]) -> list[tuple[FeedbackConfig, int]]:
    """Return the different feedback settings, each with the number of runs that have it."""
    counts = Counter(map(id, [run.feedback for run in runs]))
    settings = {id(run.feedback): run.feedback for run in runs}
    return [(settings[key], count) for key, count in counts.items()]
