"""The settings of a run and of the application as plain dataclasses, ranges checked where they live.

No field has a default here: values stand in conf/, once.
"""

import math
from dataclasses import dataclass

from fa_sweep.activations import ACTIVATIONS
from fa_sweep.checks import ConfigError, at_least, one_of, positive
from fa_sweep.distributions import DISTRIBUTIONS
from fa_sweep.feedback import MODES, FeedbackConfig
from fa_sweep.losses import LOSSES
from fa_sweep.tasks import TASKS, TaskConfig

SEED_LIMIT = 2**63  # what Parquet's integers and MLflow's parameters carry without loss


@dataclass
class ModelConfig:
    """A network of fully connected layers: hidden widths, activation of the hidden layers, biases or not."""

    hidden: list[int]
    activation: str
    negative_slope: float
    bias: bool

    def __post_init__(self) -> None:
        for width in self.hidden:
            if width < 1:
                raise ConfigError(f"model.hidden is {list(self.hidden)}; every width must be at least 1")
        one_of("model.activation", self.activation, ACTIVATIONS)
        if not 0 <= self.negative_slope < 1:
            raise ConfigError(f"model.negative_slope is {self.negative_slope}; it must be at least 0 and below 1")


@dataclass
class InitConfig:
    """Initial weights: `scale` times the distribution's unit draw."""

    distribution: str
    scale: float

    def __post_init__(self) -> None:
        one_of("init.distribution", self.distribution, DISTRIBUTIONS)
        positive("init.scale", self.scale)


@dataclass
class TrainConfig:
    """Training by plain stochastic gradient descent, its evaluations, and when a run counts as converged.

    `steps`, `eval_every` in steps; `batch_size`, `eval_samples` in examples; `hold` in evaluations; `threshold` in the
    unit of the task's success metric.
    """

    loss: str
    lr: float
    steps: int
    batch_size: int
    eval_every: int
    eval_samples: int
    threshold: float
    hold: int

    def __post_init__(self) -> None:
        one_of("train.loss", self.loss, LOSSES)
        positive("train.lr", self.lr)
        for name in ("steps", "batch_size", "eval_every", "eval_samples", "hold"):
            at_least(f"train.{name}", getattr(self, name), 1)
        if not math.isfinite(self.threshold):
            raise ConfigError(f"train.threshold is {self.threshold}; it must be a finite number")

    def evaluation_steps(self) -> list[int]:
        """Every multiple of `eval_every`, and the last step."""
        steps = list(range(0, self.steps, self.eval_every))
        return steps if steps[-1] == self.steps - 1 else [*steps, self.steps - 1]


@dataclass
class RunConfig:
    """Everything that a run's numbers and outcome depend on."""

    seed: int
    task: TaskConfig
    model: ModelConfig
    feedback: FeedbackConfig
    init: InitConfig
    train: TrainConfig

    def __post_init__(self) -> None:
        if not 0 <= self.seed < SEED_LIMIT:
            raise ConfigError(f"seed is {self.seed}; it must be at least 0 and below 2^63")
        one_of("task.name", self.task.name, TASKS)
        one_of("feedback.mode", self.feedback.mode, MODES)
        if self.task.success.metric.startswith("accuracy") and not 0 <= self.train.threshold <= 1:
            raise ConfigError(f"train.threshold is {self.train.threshold}; an accuracy lies between 0 and 1")
        if not isinstance(self.feedback, MODES[self.feedback.mode].Config):
            raise ConfigError(
                f"feedback.mode is {self.feedback.mode!r} in the settings of another mode; choose feedback={self.feedback.mode}"
            )


@dataclass
class TrackingConfig:
    """Where MLflow keeps the runs, and whether every metric's history goes there (`all`) or the main ones' (`main`)."""

    uri: str
    experiment: str
    metrics: str

    def __post_init__(self) -> None:
        one_of("tracking.metrics", self.metrics, ("main", "all"))
        for name in ("uri", "experiment"):
            if not getattr(self, name).strip():
                raise ConfigError(f"tracking.{name} is empty; give it a name")


@dataclass
class AppConfig(RunConfig):
    """A run's settings and how the application treats it: none of these changes a number."""

    tracking: TrackingConfig
    resume: bool
    report: bool
    dry_run: bool
    n_jobs: str

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_jobs != "auto" and not (self.n_jobs.isdigit() and int(self.n_jobs) > 0):
            raise ConfigError(f"n_jobs is {self.n_jobs}; it must be auto or a number of processes, at least 1")
