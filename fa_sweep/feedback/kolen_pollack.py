"""The Kolen-Pollack rule (Kolen and Pollack, 1994; Akrout et al., 2019): B gets the updates of W and both decay, so B -> W."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fa_sweep.errors import ConfigError
from fa_sweep.feedback._base import Chance, FeedbackConfig, FeedbackMode, Forward, Lane
from fa_sweep.feedback._draws import fixed_matrices


@dataclass
class KolenPollackConfig(FeedbackConfig):
    """The settings of the Kolen-Pollack rule.

    Attributes:
        decay: the fraction d that every forward weight and every entry of B loses per step. Biases do not decay.
            `train.weight_decay` adds to it, for W and B alike.
    """

    decay: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.decay < 1:
            raise ConfigError(f"feedback.decay is {self.decay}; it must be at least 0 and below 1")


class KolenPollack(FeedbackMode[KolenPollackConfig]):
    """Feedback that learns: W <- k W + u and B <- k B + u, so that W - B shrinks by the factor k per step.

    B has the shape of W here. The update u is the same for both, whatever the optimiser. k = 1 - d - lr * weight_decay; the
    output layer has its own weight decay, `train.output_weight_decay`. Weight decay applies to B as well, because otherwise
    W - B would not shrink to 0: each step would add a multiple of B to it.
    """

    Config = KolenPollackConfig
    numerics = 1

    def __init__(self, lanes: Sequence[Lane | None], forward: Forward) -> None:
        super().__init__(lanes, forward)
        self.matrices = fixed_matrices(lanes, forward)
        self.keeps: np.ndarray = self.per_lane([1.0 - lane.feedback.decay if lane else None for lane in lanes])

    @staticmethod
    def chance(config: Any) -> Chance:
        """Measure no chance angles ("none"): B learns, so a new draw would not have its distribution."""
        return "none"

    def learn(self, updates: Sequence[np.ndarray]) -> None:
        """Apply to B the decay and the update that W has just received."""
        for matrix, update, kept in zip(self.matrices, updates[1:], self.kept[1:], strict=True):
            np.multiply(matrix, kept, out=matrix)
            np.add(matrix, update, out=matrix)


MODE = KolenPollack
