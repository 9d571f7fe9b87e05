"""The types that every task is made of. Each task has a file of its own beside this one."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fa_sweep._typing import Array
from fa_sweep.checks import one_of
from fa_sweep.errors import ConfigError
from fa_sweep.numerics.losses import LOSSES
from fa_sweep.numerics.sampling import SAMPLINGS
from fa_sweep.roles import JUDGING, PROPOSING

# The metrics that an evaluation computes in addition to the loss, for each kind of target.
METRICS = {
    "binary": ("accuracy", "accuracy_sampled"),  # an output is compared with a boundary
    "one_hot": ("accuracy", "accuracy_sampled"),  # one output per class, the largest wins
    "regression": ("normalised_squared_error", "centred_squared_error"),
}


@dataclass
class SuccessConfig:
    """The condition under which an evaluation counts as a success.

    Args:
        metric: "loss", or one of the metrics in `METRICS` for the task's kind of target.
        direction: "at_least" or "at_most".
        value: the bound, in the unit of the metric. It is the value of `train.threshold` unless that is set explicitly.

    Raises:
        ConfigError: the metric or the direction is unknown.
    """

    metric: str
    direction: str
    value: float

    def __post_init__(self) -> None:
        one_of("task.success.metric", self.metric, dict.fromkeys(["loss", *(m for names in METRICS.values() for m in names)]))
        one_of("task.success.direction", self.direction, ("at_least", "at_most"))


@dataclass
class TaskConfig:
    """Settings that every task has. A task with options of its own extends this class.

    Args:
        name: the task's name in the table of tasks.
        loss: the value of `train.loss` unless that is set explicitly; a key of `LOSSES`.
        sampling: the value of `train.sampling` unless that is set explicitly; a key of `SAMPLINGS`.
        success: when an evaluation counts as a success.

    Raises:
        ConfigError: the loss or the sampling is unknown.
    """

    name: str
    loss: str = field(metadata=PROPOSING)
    sampling: str = field(metadata=PROPOSING)
    success: SuccessConfig = field(metadata=JUDGING)

    def __post_init__(self) -> None:
        one_of("task.loss", self.loss, LOSSES)
        one_of("task.sampling", self.sampling, SAMPLINGS)


@dataclass(frozen=True)
class Examples:
    """Inputs and targets, one row per example.

    Args:
        inputs: (examples, n_0), float64, or float32 if the runs are trained in float32.
        targets: (examples, n_L), of the same type.

    Raises:
        ConfigError: an array is not two-dimensional, or the two differ in length.
    """

    inputs: Array
    targets: Array

    def __post_init__(self) -> None:
        if len(self.inputs) != len(self.targets) or self.inputs.ndim != 2 or self.targets.ndim != 2:
            raise ConfigError(f"inputs {self.inputs.shape} and targets {self.targets.shape} are no examples, a row each")

    @property
    def nbytes(self) -> int:
        """The size of both arrays together, in bytes."""
        return int(self.inputs.nbytes + self.targets.nbytes)

    def astype(self, dtype: str) -> "Examples":
        """Return the examples in the given floating-point type. Arrays that already have it are not copied."""
        return Examples(self.inputs.astype(dtype, copy=False), self.targets.astype(dtype, copy=False))


@dataclass(frozen=True)
class Task:
    """The examples that runs are trained and evaluated on. `TaskKind` states what they must satisfy.

    Give either `training` or `fresh`, and leave the other one None.

    Args:
        evaluation: the examples of every evaluation. All of them are used each time.
        targets: the kind of targets: "binary", "one_hot" or "regression" (the keys of `METRICS`).
        training: a fixed set of examples to train on; None if every step draws new ones.
        fresh: `fresh(generator, n)` draws n new examples; None if there is a fixed set.
        decision_boundary: outputs above this value count as class 1. Used for binary targets only.
        target: what the targets are, for the user, such as "task.target 'label': 3 classes". Empty if that needs no words.
        notes: what the user should know about the examples, such as columns that were left out.

    Raises:
        ConfigError: not exactly one of `training` and `fresh` is given, or the kind of targets is unknown.
    """

    evaluation: Examples
    targets: str
    training: Examples | None = None
    fresh: Callable[[np.random.Generator, int], Examples] | None = None
    decision_boundary: float = 0.5
    target: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.training is None) is (self.fresh is None):
            raise ConfigError("a task has either a training set or a function that makes fresh examples: give one of the two")
        one_of("a task's targets", self.targets, METRICS)

    @property
    def inputs(self) -> int:
        """n_0, the number of inputs."""
        return int(self.evaluation.inputs.shape[1])

    @property
    def outputs(self) -> int:
        """n_L, the number of outputs."""
        return int(self.evaluation.targets.shape[1])

    @property
    def nbytes(self) -> int:
        """The size of the evaluation set and the training set together, in bytes."""
        return self.evaluation.nbytes + (self.training.nbytes if self.training else 0)

    def astype(self, dtype: str) -> "Task":
        """Return the task with examples of the given floating-point type, or the task itself if it already has that type."""
        if self.evaluation.inputs.dtype == dtype:
            return self
        training = None if self.training is None else self.training.astype(dtype)
        return replace(self, evaluation=self.evaluation.astype(dtype), training=training)

    @property
    def digest(self) -> str:
        """SHA-256 of the values in all arrays, cut to 16 hex digits. Fresh examples are not included."""
        sets = [self.evaluation, *([self.training] if self.training else [])]
        arrays = [array for examples in sets for array in (examples.inputs, examples.targets)]
        return hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest()[:16]


@dataclass(frozen=True)
class TaskKind:
    """A kind of task: how its examples are built from settings and a seed. This is the contract for new tasks.

    A module of `fa_sweep/tasks` defines the kind as `TASK`, and the module's name is the task's name. Another distribution
    adds one through an entry point in the group `fa_sweep.tasks`. In both cases `conf/task/NAME.yaml` holds the values of all
    settings (in the checkout, or in the other distribution's own package).

    **Settings.** `Config` extends `TaskConfig` by the task's options. An option is an int, a float, a bool, a string, a list or
    a dataclass of these; it may also allow None. Options have no default in code, because the YAML file gives each a value.
    `__post_init__` calls the parent's `__post_init__` and raises `ConfigError` for a value out of range. Every option is part
    of a run's id, unless its field states a role that says otherwise (`fa_sweep.roles`).

    **What `make` is given.** `make(settings, seed)` gets an instance of `Config`, already checked, and a seed,
    0 <= seed < 2^63. It returns a new `Task`. It raises `ConfigError`, naming the fault, if a file cannot be used.

    **Seeds.** With `seeded=True` each seed has a task of its own: another teacher, say, or other examples. Otherwise all runs
    share one task, and `make` always gets the seed 0. The tasks of all seeds must agree in everything but the values: number of
    examples, n_0, n_L, `targets` and `decision_boundary`. Runs of different seeds are trained side by side, and planning looks
    at the task of seed 0 alone.

    **Determinism.** Equal settings and seeds must give the same arrays, bit for bit, in every call and every process: `make` is
    called during planning, and again in each process that trains. Draw random numbers from
    `fa_sweep.numerics.streams.stream(seed, "task", layer, kind)`, never from NumPy's global generator. The stream with layer 0
    and kind 2 is reserved for `fresh`. A run's id covers the settings and the task's code, but not the examples. Whatever else
    they depend on, such as the content of a file, must therefore be a setting. Tasks are cached and shared, so nothing may
    change their arrays later.

    **Shapes.** Inputs are (examples, n_0) and targets (examples, n_L), both float64 and finite. n_0 and n_L become the
    widths of the network's first and last layers. The caller converts the examples to float32 if the runs ask for it.

    **Targets.** `Task.targets` is one of:

    - "binary": each target is 0 or 1, usually with n_L = 1. A prediction is right if all outputs are on the same side of
      `decision_boundary` as their targets.
    - "one_hot": one output per class, 1 for the right class and 0 elsewhere. A prediction is right if the largest output is
      that of the right class. The loss `cross_entropy` needs this kind.
    - "regression": any numbers. Errors are measured relative to the targets, so not all targets may be 0.

    **Fresh examples.** A task has either a fixed set `training`, or a function `fresh(generator, n)` that draws n new
    `Examples`. The YAML file of a task with `fresh` says `sampling: fresh`. `fresh` takes all randomness from the generator and
    keeps no state of its own. Each seed has one generator, which is passed to every call for that seed.

    **Settings told from the data.** The YAML file of a task may give a setting the value `auto`, such as `loss: auto`. `tell`
    then supplies the value before a run gets its id, so that the id depends on the value alone.

    Args:
        make: builds the task from settings and a seed.
        Config: the dataclass of the task's settings.
        seeded: whether each seed has a task of its own.
        numbers: `numbers(settings)` is called before `make`. It returns how many 8-byte numbers `make` will hold in memory, by
            the setting that asks for them, such as "task.points". A task that does not fit into memory is then refused, and the
            message names the setting that asks for most. None if the settings do not tell the sizes; nothing is checked then.
        may_be_auto: the settings that may be `auto`, by dotted name ("success.metric"), each with a value in its range.
        tell: `tell(settings, asked)` returns values of settings by dotted name, at least of those in `asked`, which are `auto`.
            In `settings`, these have the values of `may_be_auto`. `loss` has the value of `train.loss`, if that is given.

    Example:
        A complete module, `fa_sweep/tasks/clouds.py`:

            from dataclasses import dataclass

            from fa_sweep.checks import at_least
            from fa_sweep.numerics.streams import stream
            from fa_sweep.tasks import Examples, Task, TaskConfig, TaskKind


            @dataclass
            class CloudsConfig(TaskConfig):
                examples: int
                distance: float  # between the centres of the two clouds, along each axis

                def __post_init__(self):
                    super().__post_init__()
                    at_least("task.examples", self.examples, 1)


            def make(config, seed):
                def draw(generator):
                    labels = generator.integers(2, size=(config.examples, 1)).astype(float)
                    inputs = generator.standard_normal((config.examples, 2)) + config.distance * labels
                    return Examples(inputs, labels)

                training, evaluation = draw(stream(seed, "task")), draw(stream(seed, "task", kind=1))
                return Task(evaluation, "binary", training=training)


            def numbers(config):
                return {"task.examples": 2 * config.examples * (2 + 1)}


            TASK = TaskKind(make, CloudsConfig, seeded=True, numbers=numbers)

        Its settings, `conf/task/clouds.yaml`:

            name: clouds
            loss: squared
            sampling: permutation
            examples: 200
            distance: 3.0
            success: {metric: accuracy, direction: at_least, value: 0.95}
    """

    make: Callable[[Any, int], Task]
    Config: type[TaskConfig] = TaskConfig
    seeded: bool = False
    numbers: Callable[[Any], dict[str, int]] | None = None
    may_be_auto: Mapping[str, Any] = field(default_factory=dict)
    tell: Callable[[Any, frozenset[str]], dict[str, Any]] | None = None


def one_hot(labels: Array, classes: int) -> Array:
    """Encode class labels as one-hot targets.

    Args:
        labels: (examples,), whole numbers from 0 to classes - 1.
        classes: the number of classes.

    Returns:
        (examples, classes), 1 in the column of each example's class and 0 elsewhere.
    """
    encoded = np.zeros((len(labels), classes))
    encoded[np.arange(len(labels)), labels] = 1.0
    return encoded
