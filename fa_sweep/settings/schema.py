"""The settings of a run and of the application: plain dataclasses, each of which checks the ranges of its fields.

No field has a default here. Each value is stated once, in conf/.
"""

import math
import re
from dataclasses import dataclass, field, fields, is_dataclass
from typing import get_type_hints

from fa_sweep.checks import WHOLE_LIMIT, at_least, label, one_of, positive
from fa_sweep.errors import ConfigError
from fa_sweep.feedback import MODES, FeedbackConfig
from fa_sweep.models.fully_connected import ModelConfig
from fa_sweep.numerics.distributions import DISTRIBUTIONS
from fa_sweep.numerics.losses import LOSSES
from fa_sweep.numerics.optimisers import OPTIMISERS
from fa_sweep.numerics.sampling import SAMPLINGS
from fa_sweep.process.secrets import remember_secrets_of
from fa_sweep.roles import APPLICATION, COMPUTING, FREE, JUDGING, OBSERVING, PROPOSING
from fa_sweep.settings.designs import DESIGNS, DecideConfig, TuneConfig
from fa_sweep.settings.measures import read_outcomes
from fa_sweep.tasks import TASKS, TaskConfig

RESUME = ("true", "same_environment", "false")
MOST_PROCESSES = 9999
FEW_EVALUATIONS = 10_000  # `log:` with at most this many evaluations is listed and counted; this takes a few milliseconds


@dataclass
class InitConfig:
    """Settings of the initial weights.

    Args:
        distribution: the distribution that weights are drawn from; a key of `DISTRIBUTIONS`.
        scale: the factor by which unit draws of the distribution are multiplied (for a normal distribution, the standard
            deviation; for a uniform one, the largest magnitude).

    Raises:
        ConfigError: the distribution is unknown, or the scale is not positive.
    """

    distribution: str
    scale: float

    def __post_init__(self) -> None:
        one_of("init.distribution", self.distribution, DISTRIBUTIONS)
        positive("init.scale", self.scale)


@dataclass
class TrainConfig:
    """Settings of the training, its evaluations, and the condition under which a run counts as converged.

    Args:
        loss: the loss function; a key of `LOSSES`.
        reduction: whether an update is the "mean" or the "sum" over the examples of the batch.
        optimiser: the rule that turns gradients into updates; a key of `OPTIMISERS`.
        lr: the learning rate.
        momentum: the momentum, 0 <= momentum < 1. Only the optimiser "momentum" uses it.
        weight_decay: in each step, the weights of the hidden layers shrink by the fraction lr * weight_decay. Biases do not.
        output_weight_decay: the same for the weights of the output layer.
        steps: the number of training steps. It is overwritten if `epochs` is given.
        epochs: the number of passes over the training set; null if `steps` is given. A pass has whole batches only.
        batch_size: the number of examples per step.
        sampling: the order of the examples; a key of `SAMPLINGS`.
        eval_every: the number of steps between evaluations. Used only if `eval_at` is "every".
        eval_at: when to evaluate: "every" (see `eval_every`), "linear:50" or "log:50" for 50 steps that are equally spaced on a
            linear or a logarithmic scale, or a list of steps. The last step is always evaluated.
        eval_samples: the number of examples that accuracy_sampled is computed from.
        threshold: the bound for the task's success metric, in the unit of that metric.
        hold: a run counts as converged if its last `hold` evaluations all succeed and it did not diverge.

    Raises:
        ConfigError: a value is unknown or out of range.
    """

    loss: str
    reduction: str
    optimiser: str
    lr: float = field(metadata=FREE)
    momentum: float = field(metadata=FREE)
    weight_decay: float = field(metadata=FREE)
    output_weight_decay: float = field(metadata=FREE)
    steps: int = field(metadata=OBSERVING)
    epochs: int | None = field(metadata=PROPOSING)
    batch_size: int
    sampling: str
    eval_every: int = field(metadata=OBSERVING)
    eval_at: list[int] | str = field(metadata=OBSERVING)
    eval_samples: int = field(metadata=OBSERVING)
    threshold: float = field(metadata=JUDGING)
    hold: int = field(metadata=JUDGING)

    def __post_init__(self) -> None:
        one_of("train.loss", self.loss, LOSSES)
        one_of("train.reduction", self.reduction, ("mean", "sum"))
        one_of("train.optimiser", self.optimiser, OPTIMISERS)
        one_of("train.sampling", self.sampling, SAMPLINGS)
        positive("train.lr", self.lr)
        if not 0 <= self.momentum < 1:
            raise ConfigError(f"train.momentum is {self.momentum}; it must be at least 0 and below 1")
        for name in ("weight_decay", "output_weight_decay"):
            if not 0 <= getattr(self, name) * self.lr < 1:
                raise ConfigError(f"train.{name} is {getattr(self, name)}; it must be at least 0 and below 1 / train.lr")
        for name in ("steps", "batch_size", "eval_every", "eval_samples", "hold"):
            at_least(f"train.{name}", getattr(self, name), 1)
        if self.epochs is not None:
            at_least("train.epochs", self.epochs, 1)
        if not math.isfinite(self.threshold):
            raise ConfigError(f"train.threshold is {self.threshold}; it must be a finite number")
        if isinstance(self.eval_at, list):
            for step in self.eval_at:
                if step < 0:
                    raise ConfigError(f"train.eval_at has {step}; steps begin at 0")
        elif not re.fullmatch(r"every|(linear|log):[1-9]\d{0,6}", self.eval_at):
            raise ConfigError(f"train.eval_at is {self.eval_at!r}; write every, linear:50, log:50 or a list of steps")

    def evaluation_steps(self) -> list[int]:
        """Return the steps after which to evaluate, in increasing order. The last step is always among them."""
        last = self.steps - 1
        if isinstance(self.eval_at, list):
            chosen = [step for step in self.eval_at if step < last]
        elif self.eval_at == "every":
            chosen = list(range(0, self.steps, self.eval_every))
        else:
            spacing, count = self.eval_at.split(":")
            parts = [k / max(1, int(count) - 1) for k in range(int(count))]
            # From step 0 to the last: equal differences of the step (linear), or equal ratios of step + 1 (log).
            chosen = [round(last * p if spacing == "linear" else self.steps**p - 1) for p in parts]
        return sorted({*chosen, last})

    def evaluations(self) -> int:
        """Return the number of evaluations. Above 10,000 with `log:` it is estimated, because listing them would be slow."""
        last = self.steps - 1
        if isinstance(self.eval_at, list):
            return len({step for step in self.eval_at if step < last}) + 1
        if self.eval_at == "every":
            return -(-last // self.eval_every) + 1
        spacing, count = self.eval_at.split(":")
        if spacing == "linear" and int(count) > 1:
            return min(int(count), self.steps)
        if int(count) <= FEW_EVALUATIONS or self.steps == 1:
            return len(self.evaluation_steps())
        # Below the step `dense`, the points on the log scale are less than 1 step apart, so every step there is evaluated.
        # Above it, they are further apart, so each point is a different step.
        last, scale = int(count) - 1, math.log(self.steps)
        dense = min(last / scale, self.steps)
        return min(self.steps, round(dense + last * (1 - math.log(max(dense, 1)) / scale)))


@dataclass
class RunConfig:
    """All settings that the results and the outcome of one run depend on.

    Args:
        seed: the seed of the run's random streams, 0 <= seed < 2^63.
        task: the settings of the task.
        model: the settings of the network's structure.
        feedback: the settings of the feedback mode.
        init: the settings of the initial weights.
        train: the settings of training and evaluation.
        dtype: the floating-point type of the training, "float64" or "float32".
        engine: what computes the steps: "numpy", or the compiled engine "numba", which gives the same numbers.

    Raises:
        ConfigError: a value is unknown or out of range, or `feedback` holds the settings of another mode.
    """

    seed: int = field(metadata=FREE)
    task: TaskConfig
    model: ModelConfig
    feedback: FeedbackConfig = field(metadata=FREE)
    init: InitConfig = field(metadata=FREE)
    train: TrainConfig
    dtype: str
    engine: str = field(metadata=COMPUTING)

    def __post_init__(self) -> None:
        if not 0 <= self.seed < WHOLE_LIMIT:
            raise ConfigError(f"seed is {self.seed}; it must be at least 0 and below 2^63")
        one_of("task.name", self.task.name, TASKS)
        one_of("feedback.mode", self.feedback.mode, MODES)
        one_of("dtype", self.dtype, ("float64", "float32"))
        one_of("engine", self.engine, ("numpy", "numba"))
        if self.task.success.metric.startswith("accuracy") and not 0 <= self.train.threshold <= 1:
            raise ConfigError(f"train.threshold is {self.train.threshold}; an accuracy lies between 0 and 1")
        if not isinstance(self.feedback, MODES[self.feedback.mode].Config):
            raise ConfigError(
                f"feedback.mode is {self.feedback.mode!r} in the settings of another mode; choose feedback={self.feedback.mode}"
            )


RUN_FIELDS = tuple(each.name for each in fields(RunConfig))
GROUPS = tuple(each.name for each in fields(RunConfig) if is_dataclass(get_type_hints(RunConfig)[each.name]))
_SINGLE = tuple(name for name in RUN_FIELDS if name not in (*GROUPS, "seed"))


@dataclass
class TrackingConfig:
    """Settings of MLflow: where runs are imported to, and how much of their histories.

    Args:
        uri: a tracking URI. "auto" stands for the URI in MLFLOW_TRACKING_URI or, if that is unset, for outputs/mlflow.db.
        experiment: the name of the MLflow experiment.
        metrics: whether the histories of "all" metrics are imported, or only those of the "main" metrics.
        history: how much of each history is imported: all of it ("full"), a few points ("thin"), only the last value ("none"),
            or as much as its size allows ("auto").
        timeout_s: how long to wait for the store to answer, in seconds.

    Raises:
        ConfigError: a value is unknown, out of range or empty.
    """

    uri: str
    experiment: str
    metrics: str
    history: str
    timeout_s: float

    def __post_init__(self) -> None:
        positive("tracking.timeout_s", self.timeout_s)
        one_of("tracking.history", self.history, ("auto", "full", "thin", "none"))
        one_of("tracking.metrics", self.metrics, ("main", "all"))
        remember_secrets_of(self.uri)  # from now on they are masked in all output
        for name in ("uri", "experiment"):
            if not getattr(self, name).strip():
                raise ConfigError(f"tracking.{name} is empty; give it a name")


@dataclass
class AppConfig(RunConfig):
    """The settings of a run together with those of the application, which do not affect the run's results.

    Args:
        name: the name of the sweep, for its folder, its run in MLflow and its report; empty for none.
        tracking: the settings of MLflow.
        resume: which finished runs with the same id are reused: "true" for all, "same_environment" for those that were computed
            with the same libraries on the same kind of processor, "false" for none.
        report: whether to write the report after a sweep.
        outcomes: what the report compares the groups by, such as [accuracy:area,loss:best]. The first one is the primary
            outcome. Empty: convergence, or the final value of the success metric if all runs converge or none does.
        margin: two groups count as equivalent if their difference in the primary outcome lies within -margin and +margin, in
            the unit of the outcome (for convergence, 0.05 is 5 percentage points). null for no test of equivalence.
        dry_run: whether to print the plan and train nothing.
        confirm: whether to train even if that is estimated to take more than 30 days. Otherwise it is refused.
        design: "grid" runs every combination, "tune" chooses settings for each group first, and "decide" adds seeds until a
            rule allows the sweep to stop. The verbs `tune` and `decide` set it.
        tune: the settings of tuning.
        decide: the settings of a sweep that adds seeds.
        skip_refused: whether to leave out combinations that cannot be run, instead of refusing the whole sweep.
        n_jobs: the number of processes, or "auto".

    Raises:
        ConfigError: a value is unknown or out of range.
    """

    name: str = field(metadata=APPLICATION)
    tracking: TrackingConfig = field(metadata=APPLICATION)
    resume: str = field(metadata=APPLICATION)
    report: bool = field(metadata=APPLICATION)
    outcomes: list[str] = field(metadata=APPLICATION)
    margin: float | None = field(metadata=APPLICATION)
    dry_run: bool = field(metadata=APPLICATION)
    confirm: bool = field(metadata=APPLICATION)
    skip_refused: bool = field(metadata=APPLICATION)
    design: str = field(metadata=APPLICATION)
    tune: TuneConfig = field(metadata=APPLICATION)
    decide: DecideConfig = field(metadata=APPLICATION)
    n_jobs: str = field(metadata=APPLICATION)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.name:
            label("name", self.name)
        one_of("resume", self.resume, RESUME)
        one_of("design", self.design, DESIGNS)
        self.outcomes = read_outcomes("outcomes", self.outcomes)
        if self.margin is not None:
            positive("margin", self.margin)
        if not re.fullmatch(r"auto|0*[1-9][0-9]{0,3}", self.n_jobs):
            raise ConfigError(f"n_jobs is {self.n_jobs}; it must be auto or a number of processes, from 1 to {MOST_PROCESSES}")


def run_alone(settings: RunConfig) -> RunConfig:
    """Return a copy of checked settings that holds only the settings of the run, not those of the application."""
    return with_seed(settings, settings.seed)


def with_seed(run: RunConfig, seed: int) -> RunConfig:
    """Return a copy of a checked run with another seed, 0 <= seed < 2^63.

    A sweep may make millions of copies. The copy therefore shares the groups of settings, and nothing is checked again.
    """
    other = object.__new__(RunConfig)
    for name in RUN_FIELDS:  # one by one, because updating the object's dictionary at once would take twice the memory
        setattr(other, name, getattr(run, name))
    other.seed = seed
    return other


def differ_in_seed_alone(run: RunConfig, other: RunConfig) -> bool:
    """Whether a quick check shows that two runs differ in nothing but their seeds.

    The check compares groups of settings by identity, because the runs of a sweep usually share these objects. False means only
    that the check cannot tell.
    """
    return all(getattr(run, name) is getattr(other, name) for name in GROUPS) and all(
        getattr(run, name) == getattr(other, name) for name in _SINGLE
    )
