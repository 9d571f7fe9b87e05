"""Random streams, keyed by purpose and never by the order of drawing.

Two runs with one seed draw the same initial weights, the same order of examples and the same evaluation sample,
whatever their feedback mode: comparisons between modes are paired by seed.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.random.bit_generator import ISeedSequence

Words = np.ndarray[Any, np.dtype[np.uint32]]

# The numbers are part of every run's identity: a purpose may be added, never renumbered.
PURPOSES = {
    "init": 0,
    "order": 1,
    "task": 2,
    "feedback": 3,
    "mirror": 4,
    "evaluation": 5,
    "chance_at_first": 6,  # feedback that no run trains with, for the angles by chance of the first evaluation
    "chance_at_last": 7,  # and of the last
}

_POOL_WORDS = 4  # of 32 bits each, in NumPy's SeedSequence
_STATE_WORDS = 6  # three of 64 bits, which SFC64 begins from
_FEW = 20  # seeds that NumPy has hashed one by one before the arrays below have been made


def stream(seed: int, purpose: str, layer: int = 0, kind: int = 0) -> np.random.Generator:
    """Return the generator of one purpose of one seed.

    `layer` is the number of the forward weight that the draw belongs to (0: none), `kind` tells apart several draws
    of one purpose and layer. SFC64 because normal draws cost 0.8 of PCG64's; the key goes into the spawn key because
    NumPy pads the entropy before it, so that no two (seed, key) pairs share a state.
    """
    key = (PURPOSES[purpose], layer, kind)
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=key)))


def streams(seeds: Sequence[int], purpose: str, layer: int = 0, kind: int = 0) -> list[np.random.Generator]:
    """Return `stream` of each of several seeds (below 2^64); of many at a fourth of its cost: they are hashed together.

    The hash is SeedSequence's, which NumPy keeps as it is for good (NEP 19): M. O'Neill's seed_seq_fe, in 32-bit arithmetic.
    """
    if len(seeds) < _FEW:
        return [stream(seed, purpose, layer, kind) for seed in seeds]
    wide = np.array(seeds, dtype=np.uint64)
    entropy = [(wide & np.uint64(0xFFFFFFFF)).astype(np.uint32), (wide >> np.uint64(32)).astype(np.uint32)]
    entropy += [np.zeros_like(entropy[0])] * (_POOL_WORDS - len(entropy))
    constants = _hash_constants(0x43B0D7E5, 0x931E8875)
    pool = [_hash(word, *next(constants)) for word in entropy]
    for source in range(_POOL_WORDS):
        for into in range(_POOL_WORDS):
            if source != into:
                pool[into] = _mix(pool[into], _hash(pool[source], *next(constants)))
    for number in (PURPOSES[purpose], layer, kind):
        for into in range(_POOL_WORDS):
            pool[into] = _mix(pool[into], _hash(np.array([number], np.uint32), *next(constants)))
    constants = _hash_constants(0x8B51F9DD, 0x58F38DED)
    words = [_hash(pool[number % _POOL_WORDS], *next(constants)).astype(np.uint64) for number in range(_STATE_WORDS)]
    states = np.stack([low | (high << np.uint64(32)) for low, high in zip(words[::2], words[1::2], strict=True)], axis=-1)
    # NumPy takes any ISeedSequence, its stubs a SeedSequence alone.
    return [np.random.Generator(np.random.SFC64(_Hashed(state))) for state in states]  # type: ignore[arg-type]


def _hash_constants(first: int, factor: int) -> Iterator[tuple[np.uint32, np.uint32]]:
    """Give each hash its two constants: they do not depend on what is hashed."""
    while True:
        second = first * factor & 0xFFFFFFFF
        yield np.uint32(first), np.uint32(second)
        first = second


def _hash(word: Words, flip: np.uint32, factor: np.uint32) -> Words:
    mixed: Words = (word ^ flip) * factor
    return mixed ^ (mixed >> np.uint32(16))


def _mix(x: Words, y: Words) -> Words:
    mixed: Words = np.uint32(0xCA01F9DD) * x - np.uint32(0x4973F715) * y
    return mixed ^ (mixed >> np.uint32(16))


class _Hashed(ISeedSequence):
    """A seed that is hashed already, for a bit generator to begin from."""

    def __init__(self, state: np.ndarray) -> None:
        self._state = state

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> Any:
        """Return the words."""
        return self._state
