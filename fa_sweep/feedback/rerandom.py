"""Feedback alignment with random matrices that are redrawn every k steps.

The blog post that this project started from mentions k = 1 in passing.
"""

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
    """The settings of redrawn feedback.

    Attributes:
        every: the number of steps k between redraws.
        draws: "auto" draws the products B^T delta ("projections") in place of B wherever that leaves the distribution of the
            signals unchanged. This requires k = 1, batches of one example, a Gaussian distribution, and neither `match_norm`
            nor sparsity. "literal" always draws the matrices.
    """

    every: int
    draws: str

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("feedback.every", self.every, 1)
        one_of("feedback.draws", self.draws, DRAWS)

    @property
    def projected(self) -> bool:
        """Whether projections are drawn in place of matrices, provided that batches have one example."""
        return self.draws == "auto" and self.every == 1 and is_projectable(self)


class Rerandom(FeedbackMode[RerandomConfig]):
    """Signals s_l = B_{l+1} delta_{l+1}, with B redrawn at every step whose number is a multiple of `feedback.every`.

    The first matrices that are drawn are those of `random`. If k exceeds the number of steps, no others are drawn, and the mode
    equals `random`, bit for bit.
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
        self._last: Backward | None = None  # of the last step; an evaluation draws matrices that fit it
        self._draws = []
        if not projected:
            self._draws = [Draws(lanes, forward, layer, weight) for layer, weight in enumerate(forward.weights[1:], start=2)]

    @staticmethod
    def slice_key(config: RerandomConfig) -> Hashable:
        """Return k and whether projections are drawn, because all lanes of a slice are redrawn together."""
        return config.every, config.projected

    @staticmethod
    def draws_per_step(config: Any) -> float:
        """Return 1 / k with projections, and 4 / k with drawn matrices."""
        return (1.0 if config.projected else 4.0) / float(config.every)

    @staticmethod
    def chance(config: Any) -> Chance:
        """Measure chance angles with newly drawn matrices ("own"), because these are random and do not learn."""
        return "own"

    def begin_step(self, step: int) -> None:
        """Draw new projections, or new matrices if the step is a multiple of k."""
        if self._projections is not None:
            self._projections.advance()
            self._projecting = True
        elif step % self._every == 0:
            self.matrices = [draws.next() for draws in self._draws]

    def signal(self, layer: int, backward: Backward, out: np.ndarray) -> None:
        """Compute s_l from the projections in training, if there are any, and otherwise from the matrices."""
        if self._projections is not None and self._projecting:
            self._last = backward
            self._projections.signal(layer, backward.deltas[layer + 1], out)
        else:
            super().signal(layer, backward, out)

    def ahead(self, first: int, steps: int, backward: Backward) -> Ahead:
        """Return the projections that have been drawn already, or the matrices for the steps until the next redraw."""
        self.begin_step(first)
        if self._projections is None:
            return Ahead(min(steps, self._every - first % self._every), "matrices", self.matrices)
        self._last = backward
        drawn = self._projections.ahead(steps)
        return Ahead(len(drawn), "projections", [drawn])

    def begin_evaluation(self) -> None:
        """Draw whole matrices that reproduce the last step's signals, if training draws only projections."""
        if self._projections is not None and self._last is not None:
            self.matrices, self._projecting = self._projections.matrices(self._last), False


MODE = Rerandom
