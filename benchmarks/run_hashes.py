"""Trains a broad set of runs (all modes, layouts, number types and engines), and prints a hash of all metrics and weights.

There is one hash per entry of the set, with the versions of the numerics that are part of the runs' ids. `make manifest` also
runs this file with the sources of an earlier commit. It therefore uses public names of fa_sweep where it can.
"""

import hashlib
import json
import sys

import numpy as np

from fa_sweep import ConfigError, compose, train
from fa_sweep.feedback import MODES
from fa_sweep.settings.identity import NUMERICS_VERSION, numerics_of

REFUSED = "refused"  # the beginning of the entry for settings that the program refuses
BASE = ("train.steps=301", "train.eval_every=100")
KINDS: tuple[tuple[str, ...], ...] = (
    (),
    ("dtype=float32",),
    ("engine=numba",),
    ("model.hidden=[80,80]", "task=digits", "train.steps=41", "train.eval_every=20"),
    ("task=linear_teacher", "init=orthogonal"),
    (
        "train=batch",
        "train.batch_size=8",
        "task=parity",
        "train.epochs=20",
        "train.sampling=permutation",
        "model.activation=tanh",
        "model.bias=true",
    ),
    ("task=spirals", "train.optimiser=momentum", "train.weight_decay=0.01"),
    ("model.hidden=[]",),
    ("task=digits", "model.hidden=[12,9]", "model.parametrisation=inverse_sqrt_width", "train.steps=41", "train.eval_every=20"),
    ("train.optimiser=manhattan", "train.lr=1e-3"),
    ("train.batch_size=8", "task=parity", "train.optimiser=manhattan", "train.lr=1e-3", "model.hidden=[7]"),
    ("model.hidden=[80,80]", "task=digits", "train=batch", "train.epochs=null", "train.steps=41", "train.eval_every=20"),
)


def main() -> int:
    """Train the set of runs, and print {overrides: [hash, versions]} as JSON."""
    hashes: dict[str, tuple[str, dict[str, int]]] = {}
    for mode in MODES:
        for kind in KINDS:
            overrides = [*BASE, f"feedback={mode}", *kind]
            hashes[" ".join(overrides)] = _hash(overrides)
    json.dump(hashes, sys.stdout, indent=1)
    return 0


def _hash(overrides: list[str]) -> tuple[str, dict[str, int]]:
    try:
        runs = [compose(*overrides, f"seed={seed}") for seed in (0, 5)]
    except ConfigError as error:
        return f"{REFUSED}: {error}"[:60], {}
    histories = train(runs)
    whole = hashlib.sha256()
    for name in sorted(histories.metrics):
        whole.update(name.encode() + np.ascontiguousarray(histories.metrics[name]).tobytes())
    for weight in histories.weights:
        whole.update(np.ascontiguousarray(weight).tobytes())
    return whole.hexdigest()[:16], {"all": NUMERICS_VERSION, **numerics_of(runs[0])}


if __name__ == "__main__":
    sys.exit(main())
