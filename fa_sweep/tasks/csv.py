"""A table of numbers from a CSV file with a header: one column is the target, all others are inputs."""

from dataclasses import dataclass

import numpy as np

from fa_sweep.checks import ConfigError, did_you_mean, one_of
from fa_sweep.tasks.base import Examples, Task, TaskKind, one_hot
from fa_sweep.tasks.files import FileConfig, class_labels, read_csv
from fa_sweep.tasks.split import split_examples


@dataclass
class CsvConfig(FileConfig):
    """`target`: the target's column; `kind`: classification (whole numbers, an output a class) or regression (one output).

    `standardise`: inputs, and a regression's target, to mean 0 and standard deviation 1 over the examples to train on.
    """

    target: str
    kind: str
    standardise: bool

    def __post_init__(self) -> None:
        one_of("task.kind", self.kind, ("classification", "regression"))
        super().__post_init__()


def make(config: CsvConfig, seed: int) -> Task:
    """Return the rows, split as the settings say. Raises ConfigError, naming file and fault."""
    config.check_content()
    names, values = read_csv(config.path)
    if config.target not in names:
        known = f"{did_you_mean(config.target, names)}it has {', '.join(names[:20])}"
        raise ConfigError(f"task.target is {config.target!r}; {config.path} has no such column; {known}")
    if len(names) < 2:
        raise ConfigError(f"{config.path} has no column beside the target")
    column = names.index(config.target)
    x, y = np.delete(values, column, axis=1), values[:, column]
    if config.kind == "classification":
        labels, classes = class_labels(y, f"{config.path}, column {config.target}")
        training, held_out = split_examples(config, Examples(x, one_hot(labels, classes)), labels, config.path)
    else:
        training, held_out = split_examples(config, Examples(x, y[:, None]), None, config.path)
    if config.standardise:
        x_mean, x_scale = _moments(training.inputs)
        y_mean, y_scale = _moments(training.targets) if config.kind == "regression" else (0.0, 1.0)
        training, held_out = (
            Examples((e.inputs - x_mean) / x_scale, (e.targets - y_mean) / y_scale) for e in (training, held_out)
        )
    return Task(held_out, "regression" if config.kind == "regression" else "one_hot", training=training)


def _moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    deviation = values.std(axis=0)
    return values.mean(axis=0), np.where(deviation > 0, deviation, 1.0)  # a constant column stays at 0


TASK = TaskKind(make, CsvConfig, not_science=("path",))
