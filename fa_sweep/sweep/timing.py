"""About how long training takes, from what it computes: calls, products and draws, evaluations included.

Axes: R lanes of a stack, N examples of a batch, S steps, E evaluations, L weight layers.
"""

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

COMPILED_IS_FASTER = 2.0
FLOAT32 = 0.6  # of the time of float64, where there are lanes enough to fill a vector
PER_MODE = 0.25  # of a step's calls, for each further mode in a stack


@dataclass(frozen=True)
class _Costs:
    """Seconds that training in one layout takes.

    `call`: a step's calls of one layer; `product`: one weight with one example in one lane, both ways; `inner`: the same
    whatever the number of lanes; `update`: a step of one weight; `draw`: of one weight's matrix entry; `noise`: of one unit
    and noise input. `evaluation_...`: the same of an evaluation, `unit` for one unit and example. `run`, `weight`: what a run
    and its weights take to begin; `segment`: some steps' examples of a run whose seed has a task of its own; `example`: one
    number of an example and lane; `fresh`: one number of an example that is drawn. `run_call`: one run's call per layer.
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


# Fitted to 130 random settings on one core of a 2020s server (benchmarks/estimates.py): nine in ten are within a factor of 1.7.
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
    """Return the estimated training time of runs of one structure in one shard, in one process."""
    run, widths, task = runs[0], widths_of(runs[0]), task_of(runs[0])
    layout = layout_for(run)
    costs = _LANES_LAST if isinstance(layout, LanesLast) else _RUNS_FIRST
    steps, batch, evaluations = run.train.steps, run.train.batch_size, run.train.evaluations()
    examples, layers, units = len(task.evaluation.inputs), len(widths) - 1, sum(widths[1:])
    weights = sum(i * o for i, o in pairwise(widths))
    behind = weights - widths[0] * widths[1]  # those that feedback stands for
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
    """Return what tells the slice of a stack that runs with these settings lie in."""
    return feedback.mode, MODES[feedback.mode].slice_key(feedback)


def _feedback(runs: Sequence[RunConfig]) -> list[tuple[FeedbackConfig, int]]:
    """Return the different settings of feedback, and how many runs have each."""
    counts = Counter(map(id, [run.feedback for run in runs]))
    settings = {id(run.feedback): run.feedback for run in runs}
    return [(settings[key], count) for key, count in counts.items()]
