"""Reads a table from a CSV file: columns of numbers or of texts, with missing values, in any of the usual dialects.

The file may be damaged or hostile. Every fault raises a `ConfigError` whose one-line message names the file and the fault.
"""

import csv
import math
import os
import re
import zlib
from array import array
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import BinaryIO, TextIO

import numpy as np

from fa_sweep._typing import Array
from fa_sweep.checks import shown
from fa_sweep.errors import ConfigError
from fa_sweep.process.resources import in_bytes, require_memory
from fa_sweep.tasks._contents import opened
from fa_sweep.tasks._dialect import LONGEST_LINE, SEPARATORS, Dialect, dialect_of, is_decimal_comma, is_number

FIRST_CHECKED = 2**17  # the memory for all values is first estimated after this many have been read
COPIES = 2.2  # peak memory relative to all values in float64, because they are held as read and again after the split
MOST_EMPTY = 2**20  # limit for lines without values, because a small gzipped file may hold billions of them
MOST_CATEGORIES = 10_000  # limit for the different texts of one column
CATEGORY_BYTES = 200  # memory of one of them, about
MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "?", "-"})  # missing values, in lower case
SEPARATED = "columns must be separated by commas, semicolons, tabs or |"
# A number with a unit, or with points or commas between thousands. It is refused, because as a text it would mean nothing.
_ALMOST_A_NUMBER = re.compile(r"[$€£]?\s*[+-]?\d[\d.,'\u2019\s]*[%$€£]?")


@dataclass(frozen=True)
class Table:
    """A table of numbers and texts.

    Attributes:
        path: the file, for messages.
        names: the names of the columns. A column without a name is called "Unnamed: 3", as in pandas, if it is the fourth.
        values: (rows, columns), NaN where a value is missing. In a column of texts, the number of each text in `categories`.
        categories: the different texts of each column of texts, in alphabetical order.
        left_out: the names of the file's columns that were left out.
        first_missing: the line and the column of the first missing value, in words; empty if there is none.
        notes: how the file is written, in words, if that is unusual.
    """

    path: str
    names: list[str]
    values: Array
    categories: dict[str, list[str]]
    left_out: frozenset[str]
    first_missing: str
    notes: tuple[str, ...]

    def column(self, name: str) -> Array:
        """Return the values (rows,) of a column."""
        values: Array = self.values[:, self._places[name]]
        return values

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.names)}  # a table may have 100,000 columns

    def without(self, drop: Collection[str]) -> "Table":
        """Return the table without some columns. The values are copied."""
        drop = frozenset(drop)
        if not drop & self._places.keys():
            return self
        kept = [place for place, name in enumerate(self.names) if name not in drop]
        return replace(
            self,
            names=[self.names[place] for place in kept],
            values=self.values[:, kept],
            categories={name: texts for name, texts in self.categories.items() if name not in drop},
            left_out=self.left_out | drop,
        )


def look_at_csv(path: str) -> None:
    """Check the first megabyte of a CSV file, so that an unusable file is refused before all of it is read.

    Raises:
        ConfigError: a larger file has no line end in its first megabyte, or an estimate says that it does not fit into memory.
    """
    if not path.strip():
        return  # `FileConfig` refuses an empty path
    with opened(path) as file:
        beginning, size = file.read(LONGEST_LINE), os.fstat(file.fileno()).st_size
    dialect = dialect_of(path, beginning, len(beginning) == size)
    require_memory({path: int(COPIES * 8 * size / dialect.bytes_per_value)})


def read_table(path: str, file: BinaryIO, size: int, drop: Sequence[str] = ()) -> Table:
    """Read a CSV file with a header, line by line.

    Args:
        path: the name of the file, for messages only.
        file: the open file, at its beginning; a `BufferedReader`.
        size: the size of the file in bytes. While the file is read, the memory for all rows is estimated from it.
        drop: the names of columns to leave out. Their cells may hold anything.

    Raises:
        ConfigError: the file is not such a table, or it does not fit into memory. For a bad value, the message names its line
            and column.
    """
    beginning = file.peek(LONGEST_LINE)[:LONGEST_LINE]  # type: ignore[attr-defined]
    dialect = dialect_of(path, beginning, len(beginning) == size)
    try:
        text = dialect.text(file)
        lines = _lines(path, text)
        for _ in range(dialect.before):
            next(lines)
        reader = csv.reader(lines, delimiter=dialect.separator, skipinitialspace=True)
        names = _names(path, next(reader, []))
        rows = _Rows(path, dialect, names, drop)
        checked = FIRST_CHECKED
        for row in reader:
            rows.take(reader.line_num + dialect.before, row)
            if rows.held >= checked:
                require_memory({path: int(COPIES * 8 * rows.held * size / file.tell())})
                checked = 4 * rows.held
        text.detach()  # otherwise the file would be closed with it
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} cannot be read: {' '.join(str(error).split())}; save it as UTF-8") from error
    except (OSError, EOFError, zlib.error, csv.Error) as error:
        raise ConfigError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    return rows.table()


def _lines(path: str, file: TextIO) -> Iterator[str]:
    """Yield the lines of a text file. Refuse very long lines, because a file without line ends would fill the memory."""
    number = 1
    while line := file.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE and line[-1] not in "\r\n":
            raise ConfigError(f"{path}, line {number} is longer than {in_bytes(LONGEST_LINE)}; this is no CSV file with lines")
        number += 1
        yield line


def _names(path: str, header: list[str]) -> list[str]:
    """Return the names of the columns. Raise ConfigError if the first line is not a header, or two columns have one name."""
    names = [name.strip() for name in header]
    if not any(names):
        raise ConfigError(f"{path} is empty, or begins with an empty line; its first line must name the columns")
    numbers = [name for name in names if re.search(r"\d", name) and (is_number(name) or is_decimal_comma(name))]
    # Whole numbers in increasing order may be names, such as years or the numbers that pandas gives to columns.
    ordered = all(name.isdecimal() for name in numbers) and all(float(a) < float(b) for a, b in pairwise(numbers))
    if len(numbers) == sum(map(bool, names)) or not ordered:
        kind = "is numbers" if len(numbers) == len(names) else f"holds numbers such as {shown(numbers[0])}"
        raise ConfigError(f"{path} has no header: its first line {kind}; add one line of names")
    if len(names) == 1:
        raise ConfigError(f"{path} has no column beside the target, {shown(names[0])}; {SEPARATED}")
    names = [name or f"Unnamed: {place}" for place, name in enumerate(names)]
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ConfigError(f"{path} has two columns of one name, {shown(name)}; rename one, or add the line of names")
        seen.add(name)
    return names


class _Rows:
    """Collects the rows of a table. Each column holds numbers or texts, whichever its first value is.

    Attributes:
        held: how much is held in memory, in units of one value.
    """

    def __init__(self, path: str, dialect: Dialect, names: list[str], drop: Sequence[str]) -> None:
        self._left_out = left_out = frozenset(drop) & frozenset(names)
        self._path, self._dialect, self._width = path, dialect, len(names)
        self._kept = [place for place, name in enumerate(names) if name not in left_out]
        self._all = len(self._kept) == len(names)
        self.names = [names[place] for place in self._kept]
        self._values = array("d")
        self._texts: dict[int, dict[str, float]] = {}
        self._first: dict[int, int] = {}  # the line of the first value of each column, where one is known
        self._first_missing = ""
        self._decimals: dict[str, str] = {}  # the first number with each kind of decimal mark, and its line
        self._empty, self._categories = 0, 0

    @property
    def held(self) -> int:
        return len(self._values) + self._categories * CATEGORY_BYTES // 8

    def take(self, line: int, row: list[str]) -> None:
        """Take the cells of one line."""
        if not any(row):
            self._empty += 1
            if self._empty > MOST_EMPTY:
                raise ConfigError(f"{self._path} has more than {MOST_EMPTY:,} lines without values; remove them")
            return
        if len(row) != self._width:
            raise ConfigError(f"{self._path}, line {line} has {len(row)} values for {self._width} columns; correct it")
        if not self._all:
            row = [row[place] for place in self._kept]
        values = None if self._texts else self._plain(line, row)
        self._values.extend(values or [self._cell(line, column, cell.strip()) for column, cell in enumerate(row)])

    def _plain(self, line: int, row: list[str]) -> list[float] | None:
        """Return the numbers of a row that needs no closer look, otherwise None. Most rows need none, and this is fast."""
        try:
            values = list(map(float, row))
        except ValueError:
            return None
        if not math.isfinite(sum(values)):  # a value may be missing; or the sum overflows, although every value is finite
            return None
        if self._dialect.separator != ",":
            if "," in self._decimals:
                return None
            if "." not in self._decimals and (cell := next((cell for cell in row if "." in cell), None)):
                self._decimals["."] = f"{shown(cell)} in line {line}"
        return values

    def _cell(self, line: int, column: int, cell: str) -> float:
        """Return the value of a cell: its number, the number of its text in the column, or NaN if it is missing."""
        if cell.lower() in MISSING:
            self._first_missing = self._first_missing or f"line {line}, column {self.names[column]}"
            return math.nan
        where = f"{self._path}, line {line}, column {self.names[column]}"
        number = self._number(line, where, cell)
        if number is not None and not math.isfinite(number):
            raise ConfigError(f"{where}: {shown(cell)}; every value has to be finite")
        is_text = number is None
        known = column in self._texts
        if is_text != known and (known or self._has_numbers(column)):
            self._refuse_mixture(where, column, cell, is_text)
        if number is not None:
            self._first.setdefault(column, line)
            return number
        if _ALMOST_A_NUMBER.fullmatch(cell):
            remedy = f"write it as 1234.5, or leave the column out: {self._drop(column)}"
            raise ConfigError(f"{where}: {shown(cell)} is no number; {remedy}")
        return self._text(where, column, cell)

    def _text(self, where: str, column: int, cell: str) -> float:
        texts = self._texts.setdefault(column, {})
        if cell not in texts:
            if len(texts) == MOST_CATEGORIES:
                count = f"more than {MOST_CATEGORIES:,} different texts"
                raise ConfigError(f"{self._path}: column {self.names[column]} has {count}; leave it out: {self._drop(column)}")
            texts[cell] = float(len(texts))
            self._categories += 1
        return texts[cell]

    def _number(self, line: int, where: str, cell: str) -> float | None:
        try:
            number = float(cell)
        except ValueError:
            if self._dialect.separator == "," or not is_decimal_comma(cell):
                return None
            mark, number = ",", float(cell.replace(",", "."))
        else:
            mark = "."
            if self._dialect.separator == "," or "." not in cell:
                return number
        self._decimals.setdefault(mark, f"{shown(cell)} in line {line}")
        if other := self._decimals.get("," if mark == "." else "."):
            raise ConfigError(f"{where}: {shown(cell)}, but {other}; write all decimals with a point, or all with a comma")
        return number

    def _has_numbers(self, column: int) -> bool:
        """Whether a column that has no texts has had a number."""
        if column in self._first:
            return True
        width = len(self.names)
        return any(not math.isnan(value) for value in self._values[column::width])

    def _refuse_mixture(self, where: str, column: int, cell: str, is_text: bool) -> None:
        what = "is no number, but earlier values of the column are" if is_text else "is a number, but earlier values are texts"
        raise ConfigError(f"{where}: {shown(cell)} {what}; correct it, or leave the column out: {self._drop(column)}")

    def _drop(self, column: int) -> str:
        return f"task.drop={in_list([self.names[column]])}"

    def table(self) -> Table:
        """Return the table of all rows. Raise ConfigError if it has no rows or no columns."""
        if not self.names:
            raise ConfigError(f"task.drop leaves out every column of {self._path}; keep the target and at least one input")
        if not self._values:
            raise ConfigError(f"{self._path} has a header and no rows")
        values = np.frombuffer(self._values).reshape(-1, len(self.names))
        categories = {}
        for column, texts in self._texts.items():
            categories[self.names[column]] = sorted(texts)
            place = {text: float(place) for place, text in enumerate(sorted(texts))}
            order = np.array([place[text] for text in texts])
            known = ~np.isnan(values[:, column])
            values[known, column] = order[values[known, column].astype(np.intp)]
        return Table(self._path, self.names, values, categories, self._left_out, self._first_missing, self._notes())

    def _notes(self) -> tuple[str, ...]:
        parts = [] if self._dialect.separator == "," else [f"columns separated by {SEPARATORS[self._dialect.separator]}"]
        parts += ["decimal commas"] if "," in self._decimals else []
        parts += ["UTF-16"] if self._dialect.encoding == "utf-16" else []
        return (f"{self._path} is read with {', '.join(parts)}",) if parts else ()


def in_list(names: Sequence[str]) -> str:
    """Write names as a list on the command line, such as ['Unnamed: 0',id]."""
    return "[" + ",".join(name if re.fullmatch(r"[A-Za-z_]\w*", name) else f"'{name}'" for name in names) + "]"
