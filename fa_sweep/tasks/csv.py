"""A table from a CSV file with a header: one column is the target, all others are inputs."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fa_sweep._typing import Array
from fa_sweep.checks import did_you_mean, one_of
from fa_sweep.errors import ConfigError
from fa_sweep.roles import added
from fa_sweep.tasks._base import Examples, Task, TaskKind, one_hot
from fa_sweep.tasks._columns import (
    encoded,
    fill_means,
    index_columns,
    input_names,
    notes_on,
    notes_on_scales,
    refuse_categories,
    some,
    standardise,
    without_missing,
)
from fa_sweep.tasks._contents import Contents
from fa_sweep.tasks._files import FileConfig, class_labels, size_of_test
from fa_sweep.tasks._split import parts_in_words, split_rows
from fa_sweep.tasks._table import Table, look_at_csv, read_table

MOST_CLASSES = 20  # most different whole numbers that are taken for classes unless `task.kind` says so
# For each kind of target, the loss and the metric of success if they are `auto`.
PROPOSED = {"classification": ("cross_entropy", "accuracy"), "regression": ("squared", "centred_squared_error")}
# For each metric of success, the direction and the value if they are `auto`.
BOUNDS = {
    "accuracy": ("at_least", 0.95),
    "accuracy_sampled": ("at_least", 0.95),
    "loss": ("at_most", 0.05),
    "normalised_squared_error": ("at_most", 0.1),
    "centred_squared_error": ("at_most", 0.1),
}


@dataclass
class CsvConfig(FileConfig):
    """Settings of a task whose examples are the rows of a CSV file.

    Args:
        target: the name of the target's column.
        kind: "classification" (one output per class) or "regression" (one output).
        drop: the names of columns that are left out. Columns that number the rows are added to it when a run is composed.
        missing: what becomes of missing values. "refuse" refuses the file, "drop" leaves out their rows, and "mean" fills in
            the mean of the column over the training examples; in a column of texts, the share of each category.
        standardise: whether to shift and scale each input, and the target of a regression, to mean 0 and standard deviation 1
            over the training examples.

    Raises:
        ConfigError: a value is unknown, or the file cannot be used.
    """

    target: str
    kind: str
    drop: list[str] = field(metadata=added([]))
    missing: str = field(metadata=added("refuse"))
    standardise: bool

    def __post_init__(self) -> None:
        one_of("task.kind", self.kind, ("classification", "regression"))
        one_of("task.missing", self.missing, ("refuse", "drop", "mean"))
        if self.target in self.drop:
            raise ConfigError(f"task.drop has {self.target!r}, which is task.target; the target cannot be left out")
        look_at_csv(self.path)  # refuses a bad file before all of it is read to compute its hash
        super().__post_init__()


_read: dict[tuple[str, str | None], Table] = {}  # the table that `tell` has read, for `make`


def _table(config: CsvConfig) -> Table:
    """Read the file, without the columns that `drop` names. Raises ConfigError if it cannot be used, or lacks a column."""
    table = _read.pop((config.path, config.content), None)
    if table is None or not table.left_out <= set(config.drop):
        contents = Contents(config.content, config.path)
        with contents.stream(config.path) as (file, size):
            table = read_table(config.path, file, size, config.drop)
        contents.verify()
    known = dict.fromkeys([*table.names, *sorted(table.left_out)])
    for setting, names in (("target", [config.target]), ("drop", config.drop)):
        for name in names:
            if name not in known:
                it_has = f"{did_you_mean(name, known)}it has {', '.join(list(known)[:20])}"
                raise ConfigError(f"task.{setting} is {name!r}; {config.path} has no such column; {it_has}")
    return table.without(config.drop)


def tell(config: CsvConfig, asked: frozenset[str]) -> dict[str, Any]:
    """Tell settings from the file: which columns to leave out and, if asked, kind, loss, success and held_out."""
    table = _table(config)
    _read.clear()
    _read[config.path, config.content] = table
    drop = [*config.drop, *index_columns(table, config.target)]
    table = table.without(drop)
    target, rows = table.column(config.target), without_missing(table, config.target, config.missing)
    kind = _kind(config, asked, target[rows], config.target in table.categories) if "kind" in asked else config.kind
    loss, metric = PROPOSED[kind]
    metric = metric if "success.metric" in asked else config.success.metric
    direction, value = BOUNDS[metric]
    told = {"kind": kind, "loss": loss, "held_out": size_of_test(len(rows))}
    told |= {"success.metric": metric, "success.direction": direction, "success.value": value}
    return {"drop": drop, "content": config.content} | {name: told[name] for name in asked}


def _kind(config: CsvConfig, asked: frozenset[str], values: Array, is_text: bool) -> str:
    """Tell classification from regression: by the loss or the metric if they are given, otherwise by the target's values."""
    if "success.metric" not in asked and config.success.metric != "loss":
        return "classification" if config.success.metric.startswith("accuracy") else "regression"
    if is_text or config.loss == "cross_entropy":
        return "classification"
    different = len(np.unique(values))
    few = different <= 2 or (different <= MOST_CLASSES and 3 * different <= len(values))
    return "classification" if few and (values == np.round(values)).all() else "regression"


def make(config: CsvConfig, seed: int) -> Task:
    """Build the task from the rows of the file, split as the settings say. Raises ConfigError if the file cannot be used."""
    table = _table(config)
    if len(table.names) < 2:
        raise ConfigError(f"{config.path} has no column beside the target; keep at least one input")
    complete = without_missing(table, config.target, config.missing)
    targets, labels, described = _targets(config, table, complete)
    rows = split_rows(config, len(complete), labels, config.path)
    names = input_names(table, config.target)
    training, evaluation = (Examples(encoded(table, config.target, complete[part]), targets[part]) for part in rows)
    notes = [*table.notes, *notes_on(table, config.target, config.drop, config.missing, len(complete))]
    del table, targets  # frees memory, because the examples are copies
    if config.missing == "mean":
        fill_means([training.inputs, evaluation.inputs], names, config.path)
    notes += notes_on_scales(training.inputs, names, config.path, config.standardise)
    if config.standardise:
        standardise([training.inputs, evaluation.inputs])
        if config.kind == "regression":
            standardise([training.targets, evaluation.targets])
    trained = len(training.inputs)
    notes.append(f"{config.path}: {parts_in_words(config, trained, len(complete) - trained - config.validation)}")
    kind = "regression" if config.kind == "regression" else "one_hot"
    return Task(evaluation, kind, training=training, target=described, notes=tuple(notes))


def _targets(config: CsvConfig, table: Table, rows: Array) -> tuple[Array, Array | None, str]:
    """Return the targets (examples, outputs), the class of each example (None for regression), and what they are in words."""
    y, texts, field = table.column(config.target)[rows], table.categories.get(config.target), f"task.target {config.target!r}"
    if config.kind == "regression":
        if texts is not None:
            raise ConfigError(f"task.target is {config.target!r}; its values are texts: choose task.kind=classification")
        return y[:, None], None, f"{field}: numbers from {y.min():g} to {y.max():g}"
    if texts is not None:
        refuse_categories(config.path, config.target, len(texts), len(y), "choose another task.target")
    labels, classes = class_labels(y, f"{config.path}, column {config.target}", "choose task.kind=regression")
    known = np.unique(y)
    names = [texts[int(value)] if texts else f"{value:g}" for value in known]
    return one_hot(labels, classes), labels, f"{field}: {classes} classes ({some(names)})"


MAY_BE_AUTO = {
    "kind": "classification",
    "loss": "squared",
    "held_out": 1,
    "success.metric": "loss",
    "success.direction": "at_most",
    "success.value": 1.0,
}
TASK = TaskKind(make, CsvConfig, may_be_auto=MAY_BE_AUTO, tell=tell)
