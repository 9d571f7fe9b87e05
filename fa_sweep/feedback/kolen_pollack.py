"""Kolen and Pollack's rule (1994; Akrout et al., 2019): B makes the same steps as W, and both decay, so that they meet."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fa_sweep.errors import ConfigError
from fa_sweep.feedback._base import Chance, FeedbackConfig, FeedbackMode, Forward, Lane
from fa_sweep.feedback._draws import fixed_matrices


@dataclass
class KolenPollackConfig(FeedbackConfig):
    """`decay` is d, the fraction of every weight and of B that a step loses; biases keep theirs.

    `train.weight_decay` comes on top of it, for W and for B alike.
    """

    decay: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.decay < 1:
            raise ConfigError(f"feedback.decay is {self.decay}; it must be at least 0 and below 1")


class KolenPollack(FeedbackMode[KolenPollackConfig]):
    """W <- k W + u, B <- k B + u with the same u, whatever the optimiser: W - B shrinks to the fraction k per step.

    k = 1 - d - lr * weight_decay, of the output layer with its own weight decay: B loses whatever W loses. If only W felt the
    weight decay, W - B would not shrink to 0 but follow B.
    """

    Config = KolenPollackConfig
    numerics = 1

    def __init__(self, lanes: Sequence[Lane | None], forward: Forward) -> None:
        super().__init__(lanes, forward)
        self.matrices = fixed_matrices(lanes, forward)
        self.keeps: np.ndarray = self.per_lane([1.0 - lane.feedback.decay if lane else None for lane in lanes])

    @staticmethod
    def chance(config: Any) -> Chance:
        """Return "none": B learns, so that no fresh draw has its law."""
        return "none"

    def learn(self, updates: Sequence[np.ndarray]) -> None:
        """Let B follow W."""
        for matrix, update, kept in zip(self.matrices, updates[1:], self.kept[1:], strict=True):
            np.multiply(matrix, kept, out=matrix)
            np.add(matrix, update, out=matrix)


MODE = KolenPollack
