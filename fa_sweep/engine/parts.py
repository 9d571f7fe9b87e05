"""How many runs of one structure are trained at a time: as many as their buffers fit into the processor's cache."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from fa_sweep.numerics.layout import LanesLast
from fa_sweep.settings.schema import RunConfig
from fa_sweep.settings.structure import layout_for, slice_key, widths_of
from fa_sweep.tasks import task_of

CACHE_BYTES = 2**21  # of parameters, updates, feedback and activations of the networks that are trained at a time
FEWEST_LANES = 256  # of narrow networks, cache or not: fewer would pay more in calls than they save in memory
EVALUATION_BYTES = 2**28  # of the buffers of one evaluation of narrow networks


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
