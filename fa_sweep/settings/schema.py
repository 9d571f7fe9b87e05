"""The settings of a run and of the application as plain dataclasses, ranges checked where they live.

No field has a default here: values stand in conf/, once.
"""

import math
import re
from dataclasses import dataclass, field, fields, is_dataclass
from typing import get_type_hints

from fa_sweep.checks import WHOLE_LIMIT, at_least, one_of, positive
from fa_sweep.errors import ConfigError
from fa_sweep.feedback import MODES, FeedbackConfig
from fa_sweep.models.fully_connected import ModelConfig
from fa_sweep.numerics.distributions import DISTRIBUTIONS
from fa_sweep.numerics.losses import LOSSES
from fa_sweep.numerics.optimisers import OPTIMISERS
from fa_sweep.numerics.sampling import SAMPLINGS
from fa_sweep.process.secrets import remember_secrets_of
from fa_sweep.roles import APPLICATION, COMPUTING, FREE, JUDGING, OBSERVING, PROPOSING
from fa_sweep.tasks import TASKS, TaskConfig

RESUME = ("true", "same_environment", "false")
MOST_PROCESSES = 9999
FEW_EVALUATIONS = 10_000  # so many are listed in a few milliseconds


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
    """Training by stochastic gradient descent or a variant of it, its evaluations, and when a run counts as converged.

    `steps`, `eval_every` in steps; `epochs`, where given, has set `steps`; `batch_size`, `eval_samples` in examples; `hold` in
    evaluations; `threshold` in the unit of the task's success metric.
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
        """Return the steps after which to evaluate, the last one always among them."""
        last = self.steps - 1
        if isinstance(self.eval_at, list):
            chosen = [step for step in self.eval_at if step < last]
        elif self.eval_at == "every":
            chosen = list(range(0, self.steps, self.eval_every))
        else:
            spacing, count = self.eval_at.split(":")
            parts = [k / max(1, int(count) - 1) for k in range(int(count))]
            # As many steps from 0 to the last as asked for, in equal differences, or in equal ratios of step + 1.
            chosen = [round(last * p if spacing == "linear" else self.steps**p - 1) for p in parts]
        return sorted({*chosen, last})

    def evaluations(self) -> int:
        """Return how many evaluations there are without listing them, almost exactly where `log:` asks for very many."""
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
        # Below `dense` the steps are closer than 1, so that every step is among them; above it every one is another step.
        last, scale = int(count) - 1, math.log(self.steps)
        dense = min(last / scale, self.steps)
        return min(self.steps, round(dense + last * (1 - math.log(max(dense, 1)) / scale)))


@dataclass
class RunConfig:
    """Everything that a run's numbers and outcome depend on."""

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
    """Where MLflow keeps the runs, and what goes there of histories.

    `uri`: a tracking URI, or `auto` for the one in MLFLOW_TRACKING_URI, else a SQLite file under outputs; `metrics`: histories
    of `all` metrics or of the `main` ones; `history`: whole (`full`), a few points (`thin`), last values alone (`none`), or as
    much as size allows (`auto`); `timeout_s`: how long to wait for an answer, in seconds.
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
        remember_secrets_of(self.uri)  # from here on nothing that is written or printed shows them
        for name in ("uri", "experiment"):
            if not getattr(self, name).strip():
                raise ConfigError(f"tracking.{name} is empty; give it a name")


@dataclass
class AppConfig(RunConfig):
    """A run's settings and how the application treats it: none of these changes a number.

    `resume`: `true` reuses every finished run of the same id, `same_environment` those that were computed with the same
    libraries on the same kind of processor, `false` none.
    """

    tracking: TrackingConfig = field(metadata=APPLICATION)
    resume: str = field(metadata=APPLICATION)
    report: bool = field(metadata=APPLICATION)
    dry_run: bool = field(metadata=APPLICATION)
    confirm: bool = field(metadata=APPLICATION)
    n_jobs: str = field(metadata=APPLICATION)

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("resume", self.resume, RESUME)
        if not re.fullmatch(r"auto|0*[1-9][0-9]{0,3}", self.n_jobs):
            raise ConfigError(f"n_jobs is {self.n_jobs}; it must be auto or a number of processes, from 1 to {MOST_PROCESSES}")


def run_alone(settings: RunConfig) -> RunConfig:
    """Return the run of checked settings, without what concerns the application."""
    return with_seed(settings, settings.seed)


def with_seed(run: RunConfig, seed: int) -> RunConfig:
    """Return the same checked run with another seed, 0 <= seed < 2^63; nothing is checked again, by the million."""
    other = object.__new__(RunConfig)
    for name in RUN_FIELDS:  # one by one: an update of the dictionary would take twice the memory
        setattr(other, name, getattr(run, name))
    other.seed = seed
    return other


def differ_in_seed_alone(run: RunConfig, other: RunConfig) -> bool:
    """Whether two runs differ in nothing but their seeds, as far as can be told at once: they have the very same groups.

    By the thousand, the runs of a sweep share the objects that hold their settings.
    """
    return all(getattr(run, name) is getattr(other, name) for name in GROUPS) and all(
        getattr(run, name) == getattr(other, name) for name in _SINGLE
    )
