"""Feedback matrices drawn anew every k steps; k = 1 is the aside of the blog post that this project started from."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fa_sweep.checks import at_least, one_of
from fa_sweep.feedback._base import Ahead, Backward, Chance, FeedbackConfig, FeedbackMode, Forward, Lane
from fa_sweep.feedback._draws import Draws
from fa_sweep.feedback._projected import Projections, is_projectable

DRAWS = ("auto", "literal")


@dataclass
class RerandomConfig(FeedbackConfig):
    """`every` is k, in steps; `draws` "literal" draws whole matrices even where "auto" need not."""

    every: int
    draws: str

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("feedback.every", self.every, 1)
        one_of("feedback.draws", self.draws, DRAWS)

    @property
    def projected(self) -> bool:
        """Whether projections do, for batches of one example."""
        return self.draws == "auto" and self.every == 1 and is_projectable(self)


class Rerandom(FeedbackMode[RerandomConfig]):
    """s_l = B_{l+1} delta_{l+1}, B redrawn at every step that is a multiple of `feedback.every`.

    The first literal draw is the one that `random` keeps, so that k beyond the last step equals `random`, bit for bit.
    """

    Config = RerandomConfig
    numerics = 1

    def __init__(self, lanes: Sequence[Lane | None], forward: Forward) -> None:
        super().__init__(lanes, forward)
        settings: RerandomConfig = next(lane.feedback for lane in lanes if lane)
        self._every = settings.every
        projected = settings.projected and forward.batch_size == 1 and len(forward.weights) > 1
        self._projections = Projections(lanes, forward) if projected else None
        self._projecting = False
        self._last: Backward | None = None  # the backward pass that is being projected for
        self._draws = []
        if not projected:
            self._draws = [Draws(lanes, forward, layer, weight) for layer, weight in enumerate(forward.weights[1:], start=2)]

    @staticmethod
    def slice_key(config: RerandomConfig) -> Hashable:
        """Return k and the kind of draws: a slice redraws as one."""
        return config.every, config.projected

    @staticmethod
    def draws_per_step(config: Any) -> float:
        """Return 1 / k, four times as much where whole matrices are drawn."""
        return (1.0 if config.projected else 4.0) / float(config.every)

    @staticmethod
    def chance(config: Any) -> Chance:
        """Return "own"."""
        return "own"

    def begin_step(self, step: int) -> None:
        """Redraw the matrices, or what stands for them, when it is time."""
        if self._projections is not None:
            self._projections.advance()
            self._projecting = True
        elif step % self._every == 0:
            self.matrices = [draws.next() for draws in self._draws]

    def signal(self, layer: int, backward: Backward, out: np.ndarray) -> None:
        """Fill s_l: by projection in training, by the matrices in an evaluation."""
        if self._projections is not None and self._projecting:
            self._last = backward
            self._projections.signal(layer, backward.deltas[layer + 1], out)
        else:
            super().signal(layer, backward, out)

    def ahead(self, first: int, steps: int, backward: Backward) -> Ahead:
        """Return projections, as many as are drawn already, or the matrices until the next redraw."""
        self.begin_step(first)
        if self._projections is None:
            return Ahead(min(steps, self._every - first % self._every), "matrices", self.matrices)
        self._last = backward
        drawn = self._projections.ahead(steps)
        return Ahead(len(drawn), "projections", [drawn])

    def begin_evaluation(self) -> None:
        """Complete the matrices that the last step has seen but in part."""
        if self._projections is not None and self._last is not None:
            self.matrices, self._projecting = self._projections.matrices(self._last), False


MODE = Rerandom
