"""Turns the columns of a table into inputs: index columns are left out, texts become one-hot, missing values are filled."""

import re
from collections.abc import Collection, Sequence

import numpy as np

from fa_sweep._typing import Array
from fa_sweep.errors import ConfigError
from fa_sweep.process.resources import require_memory
from fa_sweep.tasks._table import COPIES, Table, in_list

UNNAMED = re.compile(r"Unnamed: \d+(\.\d+)*")  # a column without a name; also as pandas names one when it reads a table
# Names of columns that identify rows and say nothing about them.
_IDENTIFYING = re.compile(r"index|level_0|id|row_?(id|nr|no|num|number|index|names?)?|nr|no|#", re.IGNORECASE)
FEW_CATEGORIES = 20  # a column with no more different texts is used, even if most of them occur once
FAR_SCALES = 100.0  # inputs whose standard deviations differ by this factor learn at very different speeds
_SHOWN = 6


def some(names: Sequence[str]) -> str:
    """Join names into a text, and shorten a long list."""
    if len(names) > _SHOWN:
        return f"{', '.join(names[: _SHOWN - 1])} and {len(names) - _SHOWN + 1} more"
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def index_columns(table: Table, target: str) -> list[str]:
    """Return the names of the columns that only number or name the rows, and of those without a name and values.

    A column without a name counts if all its values differ and are whole numbers or texts. A column with a name such as "id"
    counts if all its values differ and are whole numbers.
    """
    return [name for name in table.names if name != target and _identifies_rows(table, name)]


def _identifies_rows(table: Table, name: str) -> bool:
    values, is_text, unnamed = table.column(name), name in table.categories, UNNAMED.fullmatch(name)
    if unnamed and np.isnan(values).all():
        return True
    if not unnamed and not (_IDENTIFYING.fullmatch(name) and not is_text):
        return False
    whole = is_text or (values == np.round(values)).all()  # False if a value is missing
    return bool(whole and not np.isnan(values).any() and len(np.unique(values)) == len(values))


def without_missing(table: Table, target: str, missing: str) -> Array:
    """Return the indices of the rows to use.

    Args:
        table: the table.
        target: the name of the target's column.
        missing: what becomes of missing values: "refuse", "drop" or "mean" (see `CsvConfig`).

    Raises:
        ConfigError: values are missing and must not be, or no rows are left, or a column has no values at all.
    """
    gaps = np.isnan(table.values)
    if not gaps.any():
        return np.arange(len(gaps))
    counts = {name: int(count) for name, count in zip(table.names, gaps.sum(axis=0), strict=True) if count}
    if empty := [name for name, count in counts.items() if count == len(gaps)]:
        raise ConfigError(f"{table.path}: {_columns(empty)} no values; leave out what is empty: task.drop={in_list(empty)}")
    rows = np.flatnonzero(~gaps.any(axis=1))
    if missing == "drop":
        if not len(rows):
            raise ConfigError(f"task.missing is 'drop', but every row of {table.path} lacks a value; choose task.missing=mean")
        return rows
    by_column = f"column {some([f'{name}: {count}' for name, count in counts.items()])}"
    found = f"{len(gaps) - len(rows)} of {len(gaps)} rows of {table.path} lack values ({by_column}; first in"
    found += f" {table.first_missing})"
    if missing == "refuse":
        raise ConfigError(f"{found}; task.missing=drop leaves these rows out, task.missing=mean fills in means")
    if target in counts:
        raise ConfigError(f"{found}; a missing target cannot be filled in: choose task.missing=drop")
    return np.arange(len(gaps))


def _columns(names: Sequence[str]) -> str:
    return f"column {names[0]} has" if len(names) == 1 else f"columns {some(names)} have"


def refuse_categories(path: str, name: str, categories: int, rows: int, remedy: str) -> None:
    """Raise ConfigError if a column of texts identifies its rows rather than groups them."""
    if categories == rows or (categories > FEW_CATEGORIES and 2 * categories > rows):
        raise ConfigError(f"{path}: column {name} has {categories} different texts in {rows} rows, too many; {remedy}")


def input_names(table: Table, target: str) -> list[str]:
    """Return the names of the inputs: those of the columns or, for a column of texts, COLUMN=TEXT for each text."""
    names: list[str] = []
    for name in table.names:
        if name != target:
            names += [f"{name}={text}" for text in table.categories[name]] if name in table.categories else [name]
    return names


def encoded(table: Table, target: str, rows: Array) -> Array:
    """Return the inputs of some rows, in the order of the columns.

    Returns:
        (rows, inputs), with one input per column of numbers, and one per category for a column of texts. NaN where the value
        is missing, for a text in all inputs of the column.

    Raises:
        ConfigError: a column has as many texts as rows, or nearly so, or the inputs do not fit into memory.
    """
    columns = np.flatnonzero([name != target for name in table.names])
    if not table.categories.keys() - {target}:
        numbers: Array = table.values[np.ix_(rows, columns)]
        return numbers
    for name, texts in table.categories.items():
        if name != target:
            remedy = f"leave it out: task.drop={in_list([name])}"
            refuse_categories(table.path, name, len(texts), len(table.values), remedy)
    width = len(input_names(table, target))
    require_memory({table.path: int(COPIES * 8 * len(rows) * width)})
    inputs, place = np.zeros((len(rows), width)), 0
    for column in columns:
        values, categories = table.values[rows, column], table.categories.get(table.names[column])
        if categories is None:
            inputs[:, place] = values
            place += 1
            continue
        known = np.flatnonzero(~np.isnan(values))
        inputs[known, place + values[known].astype(np.intp)] = 1.0
        inputs[np.isnan(values), place : place + len(categories)] = np.nan
        place += len(categories)
    return inputs


def fill_means(parts: Sequence[Array], names: Sequence[str], path: str) -> None:
    """Replace NaN in the columns of all arrays, in place, by the means of the first array's columns.

    Raises:
        ConfigError: a column of the first array has no values.
    """
    known = ~np.isnan(parts[0])
    counts = known.sum(axis=0)
    if (counts == 0).any():
        name = names[int(np.argmin(counts))]
        raise ConfigError(f"{path}: input {name} has no values among the training examples; choose task.missing=drop")
    means = np.where(known, parts[0], 0.0).sum(axis=0) / counts
    for part in parts:
        np.copyto(part, means, where=np.isnan(part))


def standardise(parts: Sequence[Array]) -> None:
    """Shift and scale the columns of all arrays in place, by the means and standard deviations of the first array's columns."""
    mean, deviation = parts[0].mean(axis=0), parts[0].std(axis=0)
    scale = np.where(deviation > 0, deviation, 1.0)  # 1 avoids a division by 0: a constant column becomes 0
    for part in parts:
        np.subtract(part, mean, out=part)
        np.divide(part, scale, out=part)


def notes_on(table: Table, target: str, drop: Collection[str], missing: str, used: int) -> list[str]:
    """Return what the user should know about the columns of a table.

    Args:
        table: the table without the columns in `drop`.
        target: the name of the target's column.
        drop: the columns that were left out.
        missing: what became of missing values.
        used: the number of rows that are used.
    """
    path, notes = table.path, []
    if left := [name for name in drop if name in table.left_out]:
        notes.append(f"{path}: {'column' if len(left) == 1 else 'columns'} {some(left)} left out")
    texts = [name for name in table.categories if name != target]
    for name in texts[:_SHOWN]:
        known = table.categories[name]
        notes.append(f"{path}: column {name} holds texts: {len(known)} categories ({some(known)}), one input for each")
    if len(texts) > _SHOWN:
        notes.append(f"{path}: {len(texts) - _SHOWN} more columns hold texts, with one input for each category")
    inputs = [name for name in table.names if name != target and name not in table.categories]
    for name in [name for name in inputs if _numbers_rows(table.column(name))][:_SHOWN]:
        notes.append(f"{path}: column {name} numbers the rows, but is an input; task.drop={in_list([name])} leaves it out")
    if (gaps := int(np.isnan(table.values).any(axis=1).sum())) and missing == "mean":
        notes.append(f"{path}: missing values in {gaps} of {len(table.values)} rows are filled with means of the training rows")
    if used < len(table.values):
        notes.append(f"{path}: {len(table.values) - used} of {len(table.values)} rows lack values and are left out")
    return notes


def _numbers_rows(values: Array) -> bool:
    return len(values) > 2 and values[0] in (0, 1) and bool((np.diff(values) == 1).all())


def notes_on_scales(inputs: Array, names: Sequence[str], path: str, standardised: bool) -> list[str]:
    """Return what the user should know about the scales of the training inputs (examples, inputs) before they are changed."""
    notes, deviation = [], inputs.std(axis=0)
    if constant := [name for name, value in zip(names, deviation, strict=True) if value == 0]:
        verb = "is" if len(constant) == 1 else "are"
        what = "and becomes 0" if len(constant) == 1 else "and become 0"
        notes.append(f"{path}: {some(constant)} {verb} constant over the training examples{f' {what}' if standardised else ''}")
    scales = np.maximum(np.abs(inputs.mean(axis=0)), deviation)[deviation > 0]
    if not standardised and len(scales) and (scales.max() >= FAR_SCALES or scales.max() >= FAR_SCALES * scales.min()):
        wide = f"the inputs have scales from {scales.min():.2g} to {scales.max():.2g}"
        notes.append(f"{path}: {wide}; task.standardise=true brings them all to mean 0 and standard deviation 1")
    return notes
