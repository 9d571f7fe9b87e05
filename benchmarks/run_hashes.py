"""Print one hash of all metrics and weights per entry of a broad set of runs: all modes, layouts, number types and engines.

Each hash comes with the versions of the numerics that are part of the run's id.
"""

import hashlib
import json
import sys

import numpy as np
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import OmegaConf

from fa_sweep.cli.composition import Composer
from fa_sweep.cli.configuration import conf_dir
from fa_sweep.engine.training import train
from fa_sweep.errors import ConfigError
from fa_sweep.feedback import MODES
from fa_sweep.settings import identity
from fa_sweep.settings.identity import NUMERICS_VERSION
from fa_sweep.sweep.folder import fresh_id

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
    OmegaConf.register_new_resolver("fresh_id", fresh_id, use_cache=True, replace=True)
    hashes: dict[str, tuple[str, dict[str, int]]] = {}
    with initialize_config_dir(config_dir=conf_dir(), version_base="1.3"):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        master = hydra.compose_config(config_name="config", overrides=[], run_mode=RunMode.MULTIRUN)
        composer = Composer(hydra.config_loader, master)
        for mode in MODES:
            for kind in KINDS:
                overrides = [*BASE, f"feedback={mode}", *kind]
                hashes[" ".join(overrides)] = _hash(composer, overrides)
    json.dump(hashes, sys.stdout, indent=1)
    return 0


def _hash(composer: Composer, overrides: list[str]) -> tuple[str, dict[str, int]]:
    try:
        runs = [composer.settings([*overrides, f"seed={seed}"]) for seed in (0, 5)]
    except ConfigError as error:
        return f"{REFUSED}: {error}"[:60], {}
    histories = train(runs)
    whole = hashlib.sha256()
    for name in sorted(histories.metrics):
        whole.update(name.encode() + np.ascontiguousarray(histories.metrics[name]).tobytes())
    for weight in histories.weights:
        whole.update(np.ascontiguousarray(weight).tobytes())
    # Older checkouts, in which modes and optimisers had no versions of their own, are hashed too.
    versions = getattr(identity, "numerics_of", lambda run: {})(runs[0])
    return whole.hexdigest()[:16], {"all": NUMERICS_VERSION, **versions}


if __name__ == "__main__":
    sys.exit(main())
