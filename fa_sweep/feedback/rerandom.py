"""Feedback matrices drawn anew every k steps; k = 1 is the aside of the blog post that this project started from."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from fa_sweep.checks import at_least
from fa_sweep.feedback.base import FeedbackConfig, FeedbackMode, Forward, Lane
from fa_sweep.feedback.draws import Draws


@dataclass
class RerandomConfig(FeedbackConfig):
    """`every` is k, in steps."""

    every: int

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("feedback.every", self.every, 1)


class Rerandom(FeedbackMode[RerandomConfig]):
    """s_l = B_{l+1} delta_{l+1}, B redrawn at every step that is a multiple of `feedback.every`.

    The first draw is the one that `random` keeps, so that k beyond the last step equals `random`, bit for bit.
    """

    Config = RerandomConfig

    def __init__(self, lanes: Sequence[Lane | None], forward: Forward) -> None:
        super().__init__(lanes, forward)
        self._every = next(lane.feedback.every for lane in lanes if lane)
        self._draws = [Draws(lanes, forward, layer, weight) for layer, weight in enumerate(forward.weights[1:], start=2)]

    @staticmethod
    def slice_key(config: RerandomConfig) -> Hashable:
        """Return k: a slice redraws as one."""
        return config.every

    @staticmethod
    def draws_per_step(config: Any) -> float:
        """Return 1 / k."""
        return 1.0 / float(config.every)

    def begin_step(self, step: int) -> None:
        """Redraw the matrices when it is time."""
        if step % self._every == 0:
            self.matrices = [draws.next() for draws in self._draws]


MODE = Rerandom
