"""Divides runs with the same structure into parts that are trained one after the other.

The size of a part is chosen so that its buffers fit into the processor's cache.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from fa_sweep.numerics.layout import LanesLast
from fa_sweep.settings.schema import RunConfig
from fa_sweep.settings.structure import layout_for, slice_key, widths_of
from fa_sweep.tasks import task_of

CACHE_BYTES = 2**21  # size of the parameters, updates, feedback and activations of all networks that are trained at a time
FEWEST_LANES = 256  # narrow networks get this many even beyond the cache: with fewer, calls cost more than the cache saves
EVALUATION_BYTES = 2**28  # largest size of the buffers of one evaluation, for narrow networks


def parts_of(runs: Sequence[RunConfig]) -> list[list[int]]:
    """Divide runs with the same structure into parts, each of which is trained as one stack.

    If there are several parts, runs with the same feedback mode are kept together, because fewer modes in a stack mean fewer
    NumPy calls per step.

    Returns:
        For each part, the indices of its runs in `runs`.
    """
    parts = parts_for(runs[0], len(runs))
    order = sorted(range(len(runs)), key=lambda number: repr(slice_key(runs[number]))) if parts > 1 else range(len(runs))
    # The parts have equal sizes, because a small part would take nearly as much time as a larger one.
    return [part.tolist() for part in np.array_split(np.array(order), parts)]


def lanes_of_part(run: RunConfig, runs: int) -> int:
    """Return the number of lanes in the largest part if `runs` runs like this one are trained.

    The number includes the padding of a stack with a single mode.
    """
    multiple = layout_for(run).lane_multiple
    return -(-math.ceil(runs / parts_for(run, runs)) // multiple) * multiple


def parts_for(run: RunConfig, runs: int) -> int:
    """Return the number of parts that `runs` runs like this one are divided into."""
    return max(1, round(runs / _runs_that_fit(run)))


def _runs_that_fit(run: RunConfig) -> int:
    widths, examples, layout = widths_of(run), len(task_of(run).evaluation.inputs), layout_for(run)
    weights = sum(i * o for i, o in pairwise(widths))
    training = int(layout.dtype.itemsize) * (3 * weights + 3 * run.train.batch_size * sum(widths[1:]))
    if not isinstance(layout, LanesLast):
        return max(1, CACHE_BYTES // training)
    evaluation = int(layout.dtype.itemsize) * examples * (widths[0] + 6 * sum(widths[1:]))
    return max(layout.lane_multiple, min(EVALUATION_BYTES // evaluation, max(FEWEST_LANES, CACHE_BYTES // training)))
