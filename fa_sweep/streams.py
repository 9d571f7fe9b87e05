"""Random streams, keyed by purpose and never by the order of drawing.

Two runs with one seed draw the same initial weights, the same order of examples and the same evaluation sample,
whatever their feedback mode: comparisons between modes are paired by seed.
"""

import numpy as np

# The numbers are part of every run's identity: a purpose may be added, never renumbered.
PURPOSES = {"init": 0, "order": 1, "task": 2, "feedback": 3, "mirror": 4, "evaluation": 5}


def stream(seed: int, purpose: str, layer: int = 0, kind: int = 0) -> np.random.Generator:
    """Return the generator of one purpose of one seed.

    `layer` is the number of the forward weight that the draw belongs to (0: none), `kind` tells apart several draws
    of one purpose and layer. SFC64 because normal draws cost 0.8 of PCG64's; the key goes into the spawn key because
    NumPy pads the entropy before it, so that no two (seed, key) pairs share a state.
    """
    key = (PURPOSES[purpose], layer, kind)
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=key)))
