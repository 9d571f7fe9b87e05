"""Compares the estimated training time with the measured time, for random settings.

    python -m benchmarks.estimates [HOW_MANY [SEED]]

It measures processor time, which other work on the machine disturbs little.
"""

import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from fa_sweep import ConfigError, RunConfig, compose, train
from fa_sweep.feedback import MODES
from fa_sweep.settings.structure import widths_of
from fa_sweep.sweeping.needs import needs_of
from fa_sweep.sweeping.timing import seconds
from fa_sweep.tasks import task_of

LONGEST_S = 10.0
MOST_BYTES = 2**31

CHOICES: dict[str, Sequence[object]] = {
    "train.batch_size": [1, 1, 4, 8, 32, 128],
    "model.hidden": [
        "[]",
        "[3]",
        "[10,10]",
        "[10,10]",
        "[50]",
        "[100,100]",
        "[300]",
        "[1000]",
        "[32,32,32,32,32]",
        "[200,100,50]",
    ],
    "model.activation": ["relu", "relu", "tanh", "sigmoid", "linear"],
    "model.bias": ["true", "false"],
    "dtype": ["float64", "float64", "float32"],
    "train.optimiser": ["sgd", "sgd", "momentum"],
}
TASKS = [
    ["task=xor"], ["task=parity", "task.bits=8"], ["task=parity", "task.bits=11"], ["task=digits"], ["task=random_labels"],
    ["task=linear_teacher", "task.held_out=200"], ["task=nonlinear_teacher", "task.held_out=5000"],
    ["task=spirals", "task.held_out=1000"],
    ["task=random_labels", "task.inputs=784", "task.outputs=10", "task.examples=10000"],
]  # fmt: skip


def random_settings(generator: random.Random) -> Iterator[tuple[list[str], list[RunConfig]]]:
    """Yield random overrides, and runs that have these settings and differ only in their seeds. Never ends.

    Settings that the program refuses are left out. So are runs that are estimated to train for less than 0.02 s or more than
    LONGEST_S altogether, or to need more than MOST_BYTES of memory.
    """
    while True:
        overrides = [*generator.choice(TASKS), f"feedback={generator.choice(list(MODES))}"]
        overrides += [f"{name}={generator.choice(values)}" for name, values in CHOICES.items()]
        steps, evaluations = generator.choice([32, 128, 512, 2048, 8192]), generator.choice([1, 3, 10, 50])
        overrides += [f"train.steps={steps}", f"train.eval_every={max(1, steps // evaluations)}", "train.lr=0.001"]
        try:
            one = compose(*overrides)
        except ConfigError:
            continue
        runs = [replace(one, seed=seed) for seed in range(generator.choice([1, 4, 16, 64, 256, 1000]))]
        if 0.02 < seconds(runs) < LONGEST_S and needs_of(runs).total < MOST_BYTES:
            yield overrides, runs


def main() -> None:
    """Print one line per setting, and how many estimates are within a factor of two of the measured time."""
    count, seed = [*map(int, sys.argv[1:]), *(40, 0)[len(sys.argv) - 1 :]]
    found = random_settings(random.Random(seed))  # noqa: S311  no secret
    ratios = []
    for (overrides, runs), _ in zip(found, range(count), strict=False):
        started = time.process_time()
        train(runs)
        taken, estimated = time.process_time() - started, seconds(runs)
        ratios.append(estimated / taken)
        weights = sum(i * o for i, o in pairwise(widths_of(runs[0])))
        examples = len(task_of(runs[0]).evaluation.inputs)
        print(f"{ratios[-1]:5.2f}  {taken:7.2f} s  {len(runs)} runs, {weights} weights, {examples}: {' '.join(overrides)}")
    factors = np.exp(np.abs(np.log(ratios)))
    print(f"within a factor of two: {(factors <= 2).sum()} of {count}; median factor {np.median(factors):.2f}")


if __name__ == "__main__":
    main()
