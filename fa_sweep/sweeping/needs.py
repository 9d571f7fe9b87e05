"""Estimates how much memory and disk space the training of one shard will need, and which settings are responsible.

`fa_sweep/sweeping/plan.py` adds up the estimates for a whole sweep.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from fa_sweep.engine.evaluation import metric_names
from fa_sweep.engine.examples import AHEAD_BYTES, FRESH_STEPS
from fa_sweep.engine.parts import lanes_of_part
from fa_sweep.feedback.product import ProductConfig
from fa_sweep.settings.schema import RunConfig
from fa_sweep.settings.structure import widths_of
from fa_sweep.tasks import task_of

HISTORY_COPIES = 3  # how many copies of a shard's histories are in memory while they are put together and written
LISTED_BYTES = 150  # per evaluation, for its entry in the list of evaluation steps
PROCESS_BYTES = 2**27  # the memory of an idle Python process with NumPy


@dataclass(frozen=True)
class Needs:
    """The memory and disk space that one shard needs.

    Attributes:
        memory: bytes of memory during training, by the setting that is responsible for them.
        kept: bytes of the histories, which are written to the disk.
        histories: the setting that is responsible for the size of the histories.
    """

    memory: dict[str, int]
    kept: int
    histories: str

    @property
    def total(self) -> int:
        """The total memory in bytes."""
        return sum(self.memory.values())

    @property
    def largest(self) -> str:
        """The setting that is responsible for most of the memory."""
        return max(self.memory, key=lambda name: self.memory[name])


def history_bytes(run: RunConfig) -> int:
    """Return the size of one run's histories in bytes. For each evaluation they hold its step and all metrics."""
    metrics = len(metric_names(len(run.model.hidden) + 1, task_of(run).targets)) + 1
    return run.train.evaluations() * metrics * 8


def needs_of(runs: Sequence[RunConfig]) -> Needs:
    """Estimate what one shard needs, given its runs, all of one structure.

    The buffers are those of the shard's largest part (see `fa_sweep.engine.parts`), because parts are trained one after the
    other.
    """
    run, widths, task = runs[0], widths_of(runs[0]), task_of(runs[0])
    item, lanes = np.dtype(run.dtype).itemsize, lanes_of_part(run, len(runs))
    weights, units, hidden = sum(i * o for i, o in pairwise(widths)), sum(widths[1:]), sum(widths[1:-1])
    largest = max(i * o for i, o in pairwise(widths))
    histories = history_bytes(run)
    examples, batch = len(task.evaluation.inputs), run.train.batch_size
    # Parameters, their updates, the optimiser's state, feedback matrices and their draws, the products of one layer, and two
    # copies of the final weights.
    of_weights = lanes * (weights * (4 * item + 8) + largest * (16 + 2 * item)) + 2 * len(runs) * weights * item
    # Inputs and targets for each lane, activations, slopes, deltas and signals, and two layers in double precision.
    of_examples = examples * lanes * (item * (widths[0] + 2 * widths[-1] + 8 * hidden) + 16 * max(widths[1:]))
    of_batch = batch * lanes * (item * (2 * widths[0] + 4 * units) + 8)
    if task.training is None:
        of_batch += 3 * 8 * FRESH_STEPS * batch * lanes * (widths[0] + widths[-1])
    memory = {
        "model.hidden": of_weights,
        _evaluated_by(run): of_examples,
        "train.batch_size": of_batch + 2 * AHEAD_BYTES,
        "train.eval_samples": max(AHEAD_BYTES, run.train.eval_samples * lanes * 8),
        _times(run): HISTORY_COPIES * len(runs) * histories + LISTED_BYTES * run.train.evaluations(),
        "feedback.mirror_batch": lanes * _largest(runs, "mirror_batch") * (hidden + units) * item,
        **_of_product(runs, widths, lanes * item),
    }
    return Needs({name: size for name, size in memory.items() if size}, len(runs) * histories, _times(run))


def _of_product(runs: Sequence[RunConfig], widths: Sequence[int], item: int) -> dict[str, int]:
    """Return the memory that product feedback needs, by the setting that is responsible for it.

    It holds two factors, their draws in float64, the update of the learnt factor, and a mask. `item` is the size of one number
    in all lanes.
    """
    found: dict[str, int] = {}
    for feedback in {id(run.feedback): run.feedback for run in runs}.values():
        if isinstance(feedback, ProductConfig):
            name = "feedback.expansion" if feedback.width is None else "feedback.width"
            size = sum(feedback.units_between(o) * (item * (o + 3 * i) + 16 * (o + i)) for i, o in pairwise(widths[1:]))
            found[name] = max(found.get(name, 0), size)
    return found


def _largest(runs: Sequence[RunConfig], name: str) -> int:
    """Return the largest value of a feedback setting among the runs; 0 if no run's feedback mode has the setting."""
    settings: list[Any] = list({id(run.feedback): run.feedback for run in runs}.values())
    return max((getattr(feedback, name, 0) for feedback in settings), default=0)


def _evaluated_by(run: RunConfig) -> str:
    """Return the setting that decides the size of the evaluation set. Messages name it."""
    names = ("held_out", "test_path", "examples", "bits")
    return next((f"task.{name}" for name in names if getattr(run.task, name, None)), "model.hidden with the task's examples")


def _times(run: RunConfig) -> str:
    """Return the setting that decides how often a run is evaluated."""
    return "train.eval_every" if run.train.eval_at == "every" else "train.eval_at"
