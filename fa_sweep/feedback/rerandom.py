"""Feedback matrices drawn anew every k steps; k = 1 is the aside of the blog post that this project started from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fa_sweep.checks import at_least
from fa_sweep.distributions import DISTRIBUTIONS
from fa_sweep.feedback.base import FeedbackConfig, FeedbackMode, Lane
from fa_sweep.streams import stream

BUFFER_BYTES = 2**21  # draws of several steps at a time, few enough to stay in the cache


@dataclass
class RerandomConfig(FeedbackConfig):
    """`every` is k, in steps."""

    every: int

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("feedback.every", self.every, 1)


class Rerandom(FeedbackMode[RerandomConfig]):
    """s_l = B_{l+1} delta_{l+1}, B redrawn at every step that is a multiple of `feedback.every`.

    The first draw is the one that `random` keeps, so that k beyond the last step equals `random`, bit for bit. Each run
    draws from its own streams, several steps at a time: how many changes nothing.
    """

    Config = RerandomConfig

    def __init__(self, lanes: Sequence[Lane | None], weights: Sequence[np.ndarray]) -> None:
        super().__init__(lanes, weights)
        self.matrices = [np.zeros(weight.shape) for weight in weights[1:]]
        self._draws: list[tuple[int, np.ndarray, _Draws]] = []
        for every in sorted({lane.feedback.every for lane in lanes if lane}):
            due = {p: lane for p, lane in enumerate(lanes) if lane and lane.feedback.every == every}
            for layer, matrix in enumerate(self.matrices, start=2):
                self._draws.append((every, matrix, _Draws(due, layer, matrix.shape[:2])))

    @staticmethod
    def redraws_per_step(config: Any) -> float:
        """Return 1 / k."""
        return 1.0 / float(config.every)

    def begin_step(self, step: int) -> None:
        """Redraw the matrices of the lanes that are due."""
        for every, matrix, draws in self._draws:
            if step % every == 0:
                matrix[..., draws.positions] = draws.next()


class _Draws:
    """The stream of matrices of one layer for the lanes that share one k, shape (O, I, R of these)."""

    def __init__(self, lanes: dict[int, Lane], layer: int, shape: tuple[int, ...]) -> None:
        first, last = min(lanes), max(lanes)
        # A slice where it can be one: copying through an index array costs three times as much.
        together = len(lanes) == last - first + 1
        self.positions = slice(first, last + 1) if together else np.array(list(lanes))
        self._generators = [stream(lane.seed, "feedback", layer) for lane in lanes.values()]
        self._fills = [DISTRIBUTIONS[lane.feedback.distribution] for lane in lanes.values()]
        self._scales = np.array([lane.feedback.scale for lane in lanes.values()])
        stock = max(1, BUFFER_BYTES // (8 * shape[0] * shape[1] * len(lanes)))
        self._drawn = np.empty((len(lanes), stock, *shape))
        self._ready = np.empty((stock, *shape, len(lanes)))
        self._next = stock

    def next(self) -> np.ndarray:
        if self._next == len(self._ready):
            for generator, fill, out in zip(self._generators, self._fills, self._drawn, strict=True):
                fill(generator, out)
            np.multiply(np.moveaxis(self._drawn, 0, -1), self._scales, out=self._ready)
            self._next = 0
        self._next += 1
        matrices: np.ndarray = self._ready[self._next - 1]
        return matrices
