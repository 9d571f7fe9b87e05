"""What every feedback mode is made of; the modes themselves stand beside this file, one a file.

Axes: R lanes of the mode, N examples, O and I as in the forward weight that a feedback matrix stands for.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, TypeVar

import numpy as np

from fa_sweep._typing import Array
from fa_sweep.checks import one_of, positive
from fa_sweep.errors import ConfigError
from fa_sweep.numerics.activations import Activation
from fa_sweep.numerics.distributions import DISTRIBUTIONS
from fa_sweep.numerics.layout import Layout

Chance = Literal["own", "none", "unit"]


@dataclass
class FeedbackConfig:
    """Settings that every mode has; a mode with options of its own extends it.

    `distribution`, `scale` of the draws; `match_norm`: each matrix is rescaled to the Frobenius norm of the initial weight
    that it replaces; `sparsity`: the fraction of its entries that are 0; `seed`: of the draws, null for the run's own.
    """

    mode: str
    distribution: str
    scale: float
    match_norm: bool
    sparsity: float
    seed: int | None

    def __post_init__(self) -> None:
        one_of("feedback.distribution", self.distribution, DISTRIBUTIONS)
        positive("feedback.scale", self.scale)
        if not 0 <= self.sparsity < 1:
            raise ConfigError(f"feedback.sparsity is {self.sparsity}; it must be at least 0 and below 1")
        if self.seed is not None and not 0 <= self.seed < 2**63:
            raise ConfigError(f"feedback.seed is {self.seed}; it must be at least 0 and below 2^63, or null")


C = TypeVar("C", bound=FeedbackConfig)


@dataclass(frozen=True)
class Lane:
    """One run in a stack: the seed of its feedback draws, its feedback and init settings. A padding lane has none.

    `purpose` is that of the streams the draws come from: another one gives feedback that the run never trains with.
    """

    seed: int
    feedback: Any
    init: Any
    purpose: str = "feedback"


@dataclass(frozen=True)
class Forward:
    """What a mode sees of its lanes' forward networks: `weights[l - 1]` (n_l, n_{l-1}, R) are live views; the training's N."""

    weights: list[Array]
    activation: Activation
    layout: Layout
    batch_size: int


@dataclass
class Backward:
    """What a mode may use in a backward pass, its own lanes alone.

    `deltas[l]` (n_l, N, R), filled from the top down, are dLoss/dz_l or its stand-in times `step` (R,), which is minus the
    learning rate over N in training and 1 in an evaluation; `target` (n_L, N, R).
    """

    deltas: list[Array]
    step: Array
    target: Array


@dataclass(frozen=True)
class Ahead:
    """What the signals of the next `steps` steps are made with, known before the first of them.

    `feedback`: "weights", the forward weights as they are at each step; "matrices", those of `arrays`, (O, I, R) a layer;
    "zeros"; "projections", one array (S, H, 1, R), a step's signals s_l / |delta_{l+1}| of all H hidden units.
    """

    steps: int
    feedback: str
    arrays: list[Array]


class FeedbackMode(Generic[C]):
    """The backward pass of one mode over its lanes of a stack: signal s_l = B_{l+1} delta_{l+1}, l = 1 .. L-1.

    `matrices[l - 1]` (n_{l+1}, n_l, R) is the matrix behind s_l, standing as the weight W_{l+1} that it stands for, so that
    weight alignment compares like with like. A mode sets `matrices`; where its rule is another than a product with them and
    delta_{l+1}, it overrides `signal`. `keeps` (R,) is the fraction of every forward weight that a step leaves, None for all.
    `kept[l - 1]` (R,), set before the first step, is the fraction of W_l that a step leaves, `train.weight_decay` included.
    """

    Config: ClassVar[type[FeedbackConfig]] = FeedbackConfig
    # Whether targets have to be one-hot.
    one_hot: ClassVar[bool] = False
    # Raised by every change of the mode that alters any number of its runs: part of their ids, and of no others', unless 0.
    numerics: ClassVar[int] = 0
    matrices: list[Array]
    keeps: Array | None = None
    kept: list[Array]

    def __init__(self, lanes: Sequence[Lane | None], forward: Forward) -> None:
        self.lanes, self.forward, self.layout = lanes, forward, forward.layout

    @staticmethod
    def slice_key(config: Any) -> Hashable:
        """Return what runs of the mode have to share to lie in one slice of a stack: options that shape its arrays."""
        return ()

    @staticmethod
    def draws_per_step(config: Any) -> float:
        """Return how often all matrices are drawn anew per step: for the estimate of a sweep's time."""
        return 0.0

    @staticmethod
    def examples_per_step(config: Any) -> float:
        """Return what a mode's own products cost per step, in examples that a step trains on: for the same estimate."""
        return 0.0

    @staticmethod
    def chance(config: Any) -> Chance:
        """Return which feedback a run's angles by chance (`chance_deg/*`) are measured with.

        Returns:
            "own": the mode's own, drawn as this class draws it but from other streams, at the first and the last evaluation.
            "none": nothing, so that these angles are NaN: the feedback learns, or there is nothing random about it.
            "unit": unit draws of `feedback.distribution`, at the first evaluation alone. This is what every mode had before
            modes could say; whoever says nothing keeps these numbers.
        """
        return "unit"

    def begin_step(self, step: int) -> None:
        """Draw what `step` needs before its backward pass."""

    def refresh(self) -> None:
        """Bring `matrices` up to date with the current forward weights, drawing nothing; after `begin_step`."""

    def ahead(self, first: int, steps: int, backward: Backward) -> Ahead | None:
        """Return the feedback of at most so many steps from the `first` on, in place of `begin_step` and `signal`.

        For the compiled engine, which does not know a mode that returns None: one whose signals are no such products, or whose
        matrices follow the weights.
        """
        return None

    def begin_evaluation(self) -> None:
        """Bring `matrices` to what the last step used, or would use with the weights that it left."""
        self.refresh()

    def signal(self, layer: int, backward: Backward, out: Array) -> None:
        """Fill s_l, l = `layer`, into out (n_l, N, R)."""
        self.layout.propagate_back(self.matrices[layer - 1], backward.deltas[layer + 1], out)

    def learn(self, updates: Sequence[Array]) -> None:
        """Follow the step that the forward weights have just made: `updates[l - 1]` (n_l, n_{l-1}, R) was added to W_l."""

    def effective(self, layer: int) -> Array:
        """Return what stands for W_{l+1}, l = `layer`, (n_{l+1}, n_l, R), for the angle between the two."""
        return self.matrices[layer - 1]

    def per_lane(self, values: Sequence[float | None]) -> Array:
        """Return one number a lane, (R,), in the stack's type; 0 for padding."""
        return np.array([0.0 if value is None else value for value in values], self.layout.dtype)
