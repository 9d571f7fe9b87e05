"""What every feedback mode is made of; the modes themselves stand beside this file, one a file.

Axes: R lanes of the mode, N examples, O and I as in the forward weight that a feedback matrix stands for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from fa_sweep.checks import one_of, positive
from fa_sweep.distributions import DISTRIBUTIONS, draw
from fa_sweep.network import propagate_back
from fa_sweep.streams import stream

Array = np.ndarray


@dataclass
class FeedbackConfig:
    """Settings that every mode has; a mode with options of its own extends it."""

    mode: str
    distribution: str
    scale: float

    def __post_init__(self) -> None:
        one_of("feedback.distribution", self.distribution, DISTRIBUTIONS)
        positive("feedback.scale", self.scale)


C = TypeVar("C", bound=FeedbackConfig)


@dataclass(frozen=True)
class Lane:
    """One run in a stack: its seed and its feedback settings. A lane that pads the stack has none."""

    seed: int
    feedback: Any


class FeedbackMode(Generic[C]):
    """The backward pass of one mode over its lanes of a stack: signal s_l = B_{l+1} delta_{l+1}, l = 1 .. L-1.

    `matrices[l - 1]` (n_{l+1}, n_l, R) is the matrix behind s_l, standing as the weight W_{l+1} that it stands for, so that
    weight alignment compares like with like. A mode sets `matrices`; where its rule is another than a product with them,
    it overrides `signal`.
    """

    Config: ClassVar[type[FeedbackConfig]] = FeedbackConfig
    matrices: list[Array]

    def __init__(self, lanes: Sequence[Lane | None], weights: Sequence[Array]) -> None:
        """`weights[l - 1]` (n_l, n_{l-1}, R) are live views of the lanes' forward weights."""
        self.lanes, self.weights = lanes, weights

    @staticmethod
    def redraws_per_step(config: Any) -> float:
        """Return how often all matrices are drawn anew per step: for the estimate of a sweep's time."""
        return 0.0

    def begin_step(self, step: int) -> None:
        """Do what is due before the backward pass of `step`."""

    def signal(self, layer: int, delta: Array, out: Array) -> None:
        """delta_{l+1} (n_{l+1}, N, R) -> s_l in out (n_l, N, R), l = `layer`."""
        propagate_back(self.matrices[layer - 1], delta, out)


def fixed_matrices(lanes: Sequence[Lane | None], weights: Sequence[Array]) -> list[Array]:
    """Draw each lane's feedback matrices once, shapes as those of the weights from layer 2 on."""
    matrices = [np.zeros(weight.shape) for weight in weights[1:]]
    for position, lane in enumerate(lanes):
        if lane is not None:
            for layer, matrix in enumerate(matrices, start=2):
                unit = draw(lane.feedback.distribution, stream(lane.seed, "feedback", layer), *matrix.shape[:2])
                matrix[..., position] = lane.feedback.scale * unit
    return matrices
