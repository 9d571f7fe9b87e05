"""The base class of all feedback modes, and the data that a mode receives. Each mode has a file of its own beside this one.

Axes: R lanes of the mode, N examples, O outputs and I inputs of the forward weight that a feedback matrix replaces.
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
    """The settings that every mode has. A mode with further options extends this class.

    Attributes:
        mode: the name of the mode.
        distribution: the distribution that feedback matrices are drawn from, a key of `DISTRIBUTIONS`.
        scale: the factor that multiplies each draw. It does not depend on `init.scale`.
        match_norm: whether each matrix is rescaled to the Frobenius norm of the initial weight that it replaces. `scale` then
            has no effect.
        sparsity: the fraction of each matrix's entries that are 0.
        seed: the seed of the feedback draws; null for the run's own seed.
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
    """What a mode knows about the run in one of its lanes. A padding lane has None instead.

    Attributes:
        seed: the seed of the run's feedback draws.
        feedback: the run's feedback settings, an instance of the mode's `Config`.
        init: the run's settings of initial weights (`InitConfig`).
        purpose: the purpose of the random streams that feedback is drawn from (a key of `PURPOSES` in
            `fa_sweep.numerics.streams`). Another purpose than "feedback" gives feedback that the run never trains with.
    """

    seed: int
    feedback: Any
    init: Any
    purpose: str = "feedback"


@dataclass(frozen=True)
class Forward:
    """What a mode knows about the forward networks in its lanes.

    Attributes:
        weights: `weights[l - 1]` (n_l, n_{l-1}, R) is W_l. These are live views: they change with every training step. A mode
            must not write to them.
        activation: the activation function of the hidden layers.
        layout: the memory layout of all arrays.
        batch_size: the number of examples N in a training step.
    """

    weights: list[Array]
    activation: Activation
    layout: Layout
    batch_size: int


@dataclass
class Backward:
    """What a mode may read during a backward pass, restricted to its own lanes.

    Attributes:
        deltas: `deltas[l]` (n_l, N, R) is dLoss/dz_l, or what the mode uses in its place, times `step`. The arrays are filled
            from the top down: those of layer l and below are not valid yet when s_l is computed.
        step: the factor (R,) that every delta contains. In training it is minus the learning rate, divided by N if
            `train.reduction` is "mean"; in an evaluation it is 1.
        target: the targets y* (n_L, N, R). Empty where `FeedbackMode.ahead` is used in place of `signal`.
    """

    deltas: list[Array]
    step: Array
    target: Array


@dataclass(frozen=True)
class Ahead:
    """How the compiled engine computes the signals of the next steps.

    Attributes:
        steps: the number S of steps that this holds for, at least 1.
        feedback: the kind of feedback. "weights": the forward weights, as they are at each step. "matrices": the fixed matrices
            in `arrays`. "zeros": all signals are 0. "projections": random projections, for batches of one example.
        arrays: for "matrices", one matrix (O, I, R) per weight from W_2 on. For "projections", a single array (S, H, 1, R):
            s_l / |delta_{l+1}| of all H hidden units at each step. Otherwise empty.
    """

    steps: int
    feedback: str
    arrays: list[Array]


class FeedbackMode(Generic[C]):
    """The base class of feedback modes: how errors travel back through a stack of networks.

    A mode computes the signals s_l, l = L-1 .. 1, that hidden layers receive in place of dLoss/dh_l. The caller then computes
    delta_l = s_l * f'(z_l), the pseudo-gradients delta_l h_{l-1}^T, and the update. The output layer always gets its true
    error. By default s_l = M^T delta_{l+1} with M = `matrices[l - 1]` (n_{l+1}, n_l, R). A matrix has the shape of the forward
    weight W_{l+1} that it replaces, so that the two can be compared.

    Adding a mode: write a module NAME.py in this package with `MODE = TheClass`. In a distribution of your own, declare the
    class as an entry point NAME of the group "fa_sweep.feedback" instead. A file conf/feedback/NAME.yaml (in this project or in
    your package) gives `mode: NAME` and a value for every setting.

    Lanes: one instance serves a slice of a stack, which is trained in lockstep. Each of the R lanes holds one run, or padding.
    The runs of a slice have the same task, network structure, training schedule and `slice_key`. They may differ in seeds,
    initial weights, learning rates, momenta, weight decay, and in the mode's other options.

    Constructor: it receives `lanes` and `forward`. `lanes` has R entries: first the runs, each a `Lane`, at least one; then the
    padding, each None. The weights in `forward` have their initial values. Matrices that are fixed, or that learn, are drawn
    here. The base class stores `lanes`, `forward` and `layout`. A network without hidden layers has no feedback, and
    `forward.weights[1:]` is then empty.

    Training step t = 0, 1, ...:

    1. The caller runs the forward pass and fills `deltas[L]`.
    2. `begin_step(t)` draws whatever is redrawn at this step.
    3. `refresh()` recomputes whatever depends on the current forward weights.
    4. `signal(l, backward, out)` for l = L-1 down to 1, each followed by the caller's multiplication with f'(z_l).
    5. The caller makes the step: W_l <- kept[l - 1] W_l + updates[l - 1].
    6. `learn(updates)` changes feedback that learns.

    Evaluation, after some of the steps: `begin_evaluation()`; then, for l = L-1 down to 1, `signal(l, ...)` on the whole
    evaluation set, with `step` = 1 and another N; then `effective(l)` for each l. After `begin_evaluation`, `matrices` must
    hold the feedback that the run uses now. An evaluation must not change what later steps do.

    Compiled engine (`engine=numba`): available for modes that override `ahead`. In training it calls `ahead` in place of
    `begin_step`, `refresh`, `signal` and `learn`. Evaluations are as above.

    Independence: a run's numbers must not depend on the stack, to the last bit: not on the other lanes, their number or order,
    or the padding. Draw each lane from its own streams, `stream(lane.seed, lane.purpose, layer, kind)`, or with `Draws` and
    `fixed_matrices` from `fa_sweep.feedback._draws`, which use kinds 0 and 1. Combine arrays with elementwise operations and
    with the products and sums of `layout`, never across lanes. Read an option from one lane on behalf of all only if
    `slice_key` contains it. A diverged run has weights of NaN: that must not raise an error.

    Chance: for runs whose `chance` is "own", evaluations construct further instances. Their lanes have another `purpose`, and
    `forward.batch_size` is the size of the evaluation set. After construction `forward` is replaced by one with the current
    weights; then `begin_step(0)`, `refresh` and `signal` are called. So read `self.forward.weights` when they are needed, and
    do not keep references from the constructor. These instances have no `kept`.

    Attributes:
        Config: the dataclass of the mode's settings. `FeedbackConfig`, or a subclass with further fields that checks their
            values in `__post_init__` and raises `ConfigError`. Static methods and lanes receive an instance of it.
        one_hot: whether the mode needs one-hot targets. With any other task, its runs are refused before training.
        numerics: the version of the mode's numbers. Raise it with every change that alters any number of the mode's runs.
            Unless it is 0 it is part of the ids of these runs, so that results of an older version are not reused.
        matrices: `matrices[l - 1]` (n_{l+1}, n_l, R), set by the mode: the feedback matrix behind s_l.
        keeps: the fraction (R,) of every forward weight that remains after a step. A mode whose rule decays the weights sets
            it; otherwise it is None.
        kept: `kept[l - 1]` (R,), set by the caller before the first step: the fraction of W_l that remains after a step, with
            both `keeps` and weight decay taken into account.
        lanes: the lanes that the constructor got.
        forward: the forward networks.
        layout: `forward.layout`.

    Example: conf/feedback/drift.yaml repeats conf/feedback/random.yaml with `mode: drift` and adds `rate: 0.01`. The module
    fa_sweep/feedback/drift.py is::

        # Feedback that drifts towards the forward weights: B <- B + rate (W - B) after each step.
        from dataclasses import dataclass

        from fa_sweep.errors import ConfigError
        from fa_sweep.feedback import FeedbackConfig, FeedbackMode
        from fa_sweep.feedback._draws import fixed_matrices


        @dataclass
        class DriftConfig(FeedbackConfig):
            rate: float

            def __post_init__(self):
                super().__post_init__()
                if not 0 <= self.rate <= 1:
                    raise ConfigError(f"feedback.rate is {self.rate}; it must be at least 0 and at most 1")


        class Drift(FeedbackMode[DriftConfig]):
            Config = DriftConfig

            def __init__(self, lanes, forward):
                super().__init__(lanes, forward)
                self.matrices = fixed_matrices(lanes, forward)
                self._rate = self.per_lane([lane.feedback.rate if lane else None for lane in lanes])

            @staticmethod
            def chance(config):
                return "none"  # the feedback learns, so a new draw would not be comparable

            def learn(self, updates):
                for matrix, weight in zip(self.matrices, self.forward.weights[1:], strict=True):
                    matrix += self._rate * (weight - matrix)


        MODE = Drift
    """

    Config: ClassVar[type[FeedbackConfig]] = FeedbackConfig
    one_hot: ClassVar[bool] = False
    numerics: ClassVar[int] = 0
    matrices: list[Array]
    keeps: Array | None = None
    kept: list[Array]

    def __init__(self, lanes: Sequence[Lane | None], forward: Forward) -> None:
        self.lanes, self.forward, self.layout = lanes, forward, forward.layout

    @staticmethod
    def slice_key(config: Any) -> Hashable:
        """Return the options that runs must share to lie in the same slice of a stack.

        These are the options that decide the shapes of the mode's arrays, or the work that is done for all lanes together.
        """
        return ()

    @staticmethod
    def draws_per_step(config: Any) -> float:
        """Return the cost of redrawing matrices per step, for the estimate of a sweep's duration.

        Returns:
            A relative cost: 4 if all matrices are drawn at every step, 1 if projections are drawn in their place, and 0 if
            nothing is redrawn. It is less in proportion if redraws are rarer.
        """
        return 0.0

    @staticmethod
    def examples_per_step(config: Any) -> float:
        """Return the cost of the mode's own products per step, for the estimate of a sweep's duration.

        The unit is the cost of one training example in one step.
        """
        return 0.0

    @staticmethod
    def chance(config: Any) -> Chance:
        """Return which feedback gives the run's chance angles, the metrics `chance_deg/*`.

        A chance angle is the angle between backpropagation and feedback of the same kind with which the run has never trained.

        Returns:
            "own": feedback that this class draws from other streams, at the first and the last evaluation. For modes whose
            feedback is random and does not learn.
            "none": no feedback, so these angles are NaN. For modes whose feedback learns or is not random.
            "unit": unit draws of `feedback.distribution`, at the first evaluation only.
        """
        return "unit"

    def begin_step(self, step: int) -> None:
        """Draw whatever the mode draws anew at this training step. Called before `refresh`, with steps counted from 0."""

    def refresh(self) -> None:
        """Recompute whatever depends on the current forward weights, without drawing anything."""

    def ahead(self, first: int, steps: int, backward: Backward) -> Ahead | None:
        """Return the feedback of the next training steps in advance, for the compiled engine.

        Modes that do not override this method cannot be trained by that engine. Override it if the signals fit one of the kinds
        of `Ahead`, no matrix has to be recomputed from the weights, and the mode neither learns nor sets `keeps`.

        Args:
            first: the number of the first of these steps, counted from 0.
            steps: the number of steps asked for, at least 1.
            backward: holds the deltas of the last of these steps as soon as the engine has made them. It has no `target`.

        Returns:
            The feedback of at most `steps` steps. The engine asks again for those that remain.
        """
        return None

    def begin_evaluation(self) -> None:
        """Prepare `matrices` for an evaluation, by default with `refresh`.

        Afterwards `matrices` holds the matrices of the last step. If they depend on weights, they are recomputed from the
        current ones.
        """
        self.refresh()

    def signal(self, layer: int, backward: Backward, out: Array) -> None:
        """Compute the signal s_l of a hidden layer, by default `matrices[l - 1]`^T delta_{l+1}.

        The result must contain the factor `backward.step`, as the deltas do. A mode that computes its signal from targets or
        from signs must therefore multiply by it.

        Args:
            layer: the number l of the hidden layer, 1 <= l < L.
            backward: the deltas of the layers above. N is the batch size in training, and the size of the evaluation set in an
                evaluation.
            out: the array (n_l, N, R) to fill. It may be `backward.deltas[l]` itself.
        """
        self.layout.propagate_back(self.matrices[layer - 1], backward.deltas[layer + 1], out)

    def learn(self, updates: Sequence[Array]) -> None:
        """Update feedback that learns, after the forward weights have made a training step.

        Args:
            updates: `updates[l - 1]` (n_l, n_{l-1}, R) was added to W_l, after W_l had been multiplied by `kept[l - 1]`.
        """

    def effective(self, layer: int) -> Array:
        """Return the matrix whose angle to W_{l+1} is measured, l = `layer`: (n_{l+1}, n_l, R)."""
        return self.matrices[layer - 1]

    def per_lane(self, values: Sequence[float | None]) -> Array:
        """Return one number per lane as an array (R,) of the stack's floating-point type; None becomes 0."""
        return np.array([0.0 if value is None else value for value in values], self.layout.dtype)
