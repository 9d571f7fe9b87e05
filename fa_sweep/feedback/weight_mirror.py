"""Weight mirrors (Akrout et al., 2019): between training steps B learns from noise that is sent through the forward weights."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fa_sweep._typing import Array
from fa_sweep.checks import at_least, positive
from fa_sweep.errors import ConfigError
from fa_sweep.feedback._base import Chance, FeedbackConfig, FeedbackMode, Forward, Lane
from fa_sweep.feedback._draws import fixed_matrices
from fa_sweep.numerics.streams import stream


@dataclass
class WeightMirrorConfig(FeedbackConfig):
    """The settings of weight mirrors.

    Attributes:
        mirror_steps: the number of mirror steps after each training step.
        mirror_batch: the number of noise inputs per mirror step, at least 2.
        mirror_noise: the standard deviation of the noise.
        mirror_rate: the learning rate of B in a mirror step.
        mirror_decay: the fraction of B that is lost per mirror step.
    """

    mirror_steps: int
    mirror_batch: int
    mirror_noise: float
    mirror_rate: float
    mirror_decay: float

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("feedback.mirror_steps", self.mirror_steps, 1)
        at_least("feedback.mirror_batch", self.mirror_batch, 2)  # with one example, subtracting the batch's mean leaves 0
        positive("feedback.mirror_noise", self.mirror_noise)
        positive("feedback.mirror_rate", self.mirror_rate)
        if not 0 <= self.mirror_decay < 1:
            raise ConfigError(f"feedback.mirror_decay is {self.mirror_decay}; it must be at least 0 and below 1")


class WeightMirror(FeedbackMode[WeightMirrorConfig]):
    """Signals s_l = B_{l+1} delta_{l+1}, where B learns to resemble W^T from the response of W to noise.

    After each training step, `mirror_steps` times: B^T <- (1 - mirror_decay) B^T + mirror_rate mean(y x^T). Here
    x ~ N(0, mirror_noise^2) replaces the activity of layer l, and y = f(W_{l+1} x) minus its mean over the batch; f is the
    identity at the output layer. Every layer has noise of its own, and biases are left out.
    """

    Config = WeightMirrorConfig
    numerics = 1

    def __init__(self, lanes: Sequence[Lane | None], forward: Forward) -> None:
        super().__init__(lanes, forward)
        self.matrices = fixed_matrices(lanes, forward)
        settings = [lane.feedback if lane else None for lane in lanes]
        self._times, batch = next((s.mirror_steps, s.mirror_batch) for s in settings if s)
        self._noise = [s.mirror_noise if s else 0.0 for s in settings]
        self._rate = self.per_lane([s.mirror_rate / batch if s else None for s in settings])
        self._keeps = self.per_lane([1.0 - s.mirror_decay if s else None for s in settings])
        runs = len(lanes)
        self._inputs = [self.layout.zeros(w.shape[1], batch, runs) for w in forward.weights[1:]]
        self._outputs = [self.layout.zeros(w.shape[0], batch, runs) for w in forward.weights[1:]]
        self._steps = [np.zeros_like(w) for w in forward.weights[1:]]
        layers = range(2, len(forward.weights) + 1)
        self._streams = [[stream(lane.seed, "mirror", layer) if lane else None for lane in lanes] for layer in layers]

    @staticmethod
    def slice_key(config: WeightMirrorConfig) -> Hashable:
        """Return the number of mirror steps and the size of their batches, which all lanes of a slice must share."""
        return config.mirror_steps, config.mirror_batch

    @staticmethod
    def examples_per_step(config: WeightMirrorConfig) -> float:
        """Return 1.2 times the number of noise inputs per training step."""
        return 1.2 * config.mirror_steps * config.mirror_batch

    @staticmethod
    def chance(config: Any) -> Chance:
        """Measure no chance angles ("none"): B learns, so a new draw would not have its distribution."""
        return "none"

    def learn(self, updates: Sequence[Array]) -> None:
        """Make the mirror steps with the current forward weights."""
        for _ in range(self._times):
            for layer in range(len(self.matrices)):
                self._mirror(layer)

    def _mirror(self, layer: int) -> None:
        x, y, weight = self._inputs[layer], self._outputs[layer], self.forward.weights[layer + 1]
        for lane, generator in enumerate(self._streams[layer]):
            if generator is not None:
                x[..., lane] = self._noise[lane] * generator.standard_normal(x.shape[1::-1]).T
        self.layout.propagate(weight, x, y)
        if layer < len(self.matrices) - 1:
            self.forward.activation.apply(y, y)
        np.subtract(y, np.add.reduce(y, axis=1, keepdims=True) / y.shape[1], out=y)
        np.multiply(y, self._rate, out=y)
        self.layout.outer(y, x, self._steps[layer])
        matrix = self.matrices[layer]
        np.multiply(matrix, self._keeps, out=matrix)
        np.add(matrix, self._steps[layer], out=matrix)


MODE = WeightMirror
