"""Kolen and Pollack's rule (1994; Akrout et al., 2019): B makes the same steps as W, and both decay, so that they meet."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fa_sweep.checks import ConfigError
from fa_sweep.feedback.base import FeedbackConfig, FeedbackMode, Forward, Lane
from fa_sweep.feedback.draws import fixed_matrices


@dataclass
class KolenPollackConfig(FeedbackConfig):
    """`decay` is d, the fraction of every weight and of B that a step loses; biases keep theirs."""

    decay: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.decay < 1:
            raise ConfigError(f"feedback.decay is {self.decay}; it must be at least 0 and below 1")


class KolenPollack(FeedbackMode[KolenPollackConfig]):
    """W <- (1 - d) W + u, B <- (1 - d) B + u with the same u, whatever the optimiser: W - B shrinks by 1 - d a step."""

    Config = KolenPollackConfig

    def __init__(self, lanes: Sequence[Lane | None], forward: Forward) -> None:
        super().__init__(lanes, forward)
        self.matrices = fixed_matrices(lanes, forward)
        self.keeps: np.ndarray = self.per_lane([1.0 - lane.feedback.decay if lane else None for lane in lanes])

    def learn(self, updates: Sequence[np.ndarray]) -> None:
        """Let B follow W."""
        for matrix, update in zip(self.matrices, updates[1:], strict=True):
            np.multiply(matrix, self.keeps, out=matrix)
            np.add(matrix, update, out=matrix)


MODE = KolenPollack
