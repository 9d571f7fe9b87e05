"""A table of numbers from a CSV file with a header: one column is the target, all others are inputs."""

from dataclasses import dataclass

import numpy as np

from fa_sweep.checks import did_you_mean, one_of
from fa_sweep.errors import ConfigError
from fa_sweep.tasks._base import Examples, Task, TaskKind, one_hot
from fa_sweep.tasks._contents import Contents
from fa_sweep.tasks._files import FileConfig, class_labels, look_at_csv, read_csv
from fa_sweep.tasks._split import split_rows


@dataclass
class CsvConfig(FileConfig):
    """Settings of a task whose examples are the rows of a CSV file.

    Args:
        target: the name of the target's column.
        kind: "classification" (the target is a whole number, one output per class) or "regression" (one output).
        standardise: whether to shift and scale each input, and the target of a regression, to mean 0 and standard deviation 1
            over the training set.

    Raises:
        ConfigError: the kind is unknown, or the file cannot be used.
    """

    target: str
    kind: str
    standardise: bool

    def __post_init__(self) -> None:
        one_of("task.kind", self.kind, ("classification", "regression"))
        look_at_csv(self.path)  # refuses a bad file before all of it is read to compute its hash
        super().__post_init__()


def make(config: CsvConfig, seed: int) -> Task:
    """Build the task from the rows of the file, split as the settings say. Raises ConfigError if the file cannot be used."""
    contents = Contents(config.content, config.path)
    with contents.stream(config.path) as (file, size):
        names, values = read_csv(config.path, file, size)
    contents.verify()
    if config.target not in names:
        known = f"{did_you_mean(config.target, names)}it has {', '.join(names[:20])}"
        raise ConfigError(f"task.target is {config.target!r}; {config.path} has no such column; {known}")
    if len(names) < 2:
        raise ConfigError(f"{config.path} has no column beside the target")
    column = names.index(config.target)
    y, labels = values[:, column], None
    targets = y[:, None]
    if config.kind == "classification":
        labels, classes = class_labels(y, f"{config.path}, column {config.target}")
        targets = one_hot(labels, classes)
    rows = split_rows(config, len(values), labels, config.path)
    inputs = np.delete(np.arange(len(names)), column)
    training, held_out = (Examples(values[np.ix_(part, inputs)], targets[part]) for part in rows)
    del values, y, targets  # frees memory, because the examples are copies
    if config.standardise:
        _standardise([training.inputs, held_out.inputs])
        if config.kind == "regression":
            _standardise([training.targets, held_out.targets])
    return Task(held_out, "regression" if config.kind == "regression" else "one_hot", training=training)


def _standardise(parts: list[np.ndarray]) -> None:
    """Shift and scale the columns of all arrays in place, by the means and standard deviations of the first array's columns."""
    mean, deviation = parts[0].mean(axis=0), parts[0].std(axis=0)
    scale = np.where(deviation > 0, deviation, 1.0)  # 1 avoids a division by 0: a constant column becomes 0
    for part in parts:
        np.subtract(part, mean, out=part)
        np.divide(part, scale, out=part)


TASK = TaskKind(make, CsvConfig)
