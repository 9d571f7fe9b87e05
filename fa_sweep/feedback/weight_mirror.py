"""Weight mirrors (Akrout et al., 2019): between training steps noise runs forward, and B learns from what comes out."""

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
    """`mirror_steps` a training step, each on `mirror_batch` noise inputs of deviation `mirror_noise`.

    `mirror_rate` multiplies what B learns, `mirror_decay` is the fraction that it loses, both a mirror step.
    """

    mirror_steps: int
    mirror_batch: int
    mirror_noise: float
    mirror_rate: float
    mirror_decay: float

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("feedback.mirror_steps", self.mirror_steps, 1)
        at_least("feedback.mirror_batch", self.mirror_batch, 2)  # of one output nothing is left once it is centred
        positive("feedback.mirror_noise", self.mirror_noise)
        positive("feedback.mirror_rate", self.mirror_rate)
        if not 0 <= self.mirror_decay < 1:
            raise ConfigError(f"feedback.mirror_decay is {self.mirror_decay}; it must be at least 0 and below 1")


class WeightMirror(FeedbackMode[WeightMirrorConfig]):
    """s_l = B_{l+1} delta_{l+1}; B <- (1 - mirror_decay) B + mirror_rate mean(y x^T) after each training step.

    x ~ N(0, mirror_noise^2) at layer l, y = f(W_{l+1} x) less its mean over the batch; the output layer is linear. Layer by
    layer, each from noise of its own, without biases.
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
        """Return what shapes the arrays and the work."""
        return config.mirror_steps, config.mirror_batch

    @staticmethod
    def examples_per_step(config: WeightMirrorConfig) -> float:
        """Return the noise inputs of a step, which are drawn, carried and correlated."""
        return 1.2 * config.mirror_steps * config.mirror_batch

    @staticmethod
    def chance(config: Any) -> Chance:
        """Return "none": B learns, so that no fresh draw has its law."""
        return "none"

    def learn(self, updates: Sequence[Array]) -> None:
        """Mirror the forward weights as they are now."""
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
