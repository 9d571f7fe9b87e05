"""Finds out how a CSV file is written: its encoding, whether it is gzipped, and what separates its columns."""

import csv
import gzip
import io
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, BinaryIO, cast

from fa_sweep.errors import ConfigError
from fa_sweep.process.resources import in_bytes

LONGEST_LINE = 2**20  # limit for one line of a CSV file, in characters
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_LINES = 20  # how many lines decide what the separator is
_NAMED = re.compile(r"sep=(.)", re.IGNORECASE)  # Excel reads such a first line, and hides it
_DECIMAL_COMMA = re.compile(r"[+-]?(\d+,\d*|,\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written.

    Attributes:
        zipped: whether it is gzipped.
        encoding: the encoding of its text.
        separator: what separates the columns; a key of `SEPARATORS`.
        before: the number of lines before the header.
        bytes_per_value: about how many bytes of the file one value takes.
    """

    zipped: bool
    encoding: str
    separator: str
    before: int
    bytes_per_value: float

    def text(self, file: BinaryIO) -> io.TextIOWrapper:
        """Return the text of an open file, which is at its beginning. Line ends are left as they are."""
        content = gzip.GzipFile(fileobj=file) if self.zipped else file
        return io.TextIOWrapper(cast(IO[bytes], content), newline="", encoding=self.encoding)


def dialect_of(path: str, beginning: bytes, whole: bool) -> Dialect:
    """Find out how a CSV file is written.

    Args:
        path: the name of the file, for messages only.
        beginning: its first bytes.
        whole: whether these are all of its bytes.

    Raises:
        ConfigError: the file is empty or no text, or it has no line ends.
    """
    if beginning[:4] == b"PK\x03\x04":
        raise ConfigError(f"{path} is a zip archive or an Excel workbook; save the table as CSV")
    zipped, taken = beginning[:2] == b"\x1f\x8b", len(beginning)
    if zipped:
        beginning, taken, whole = _unzipped(path, beginning, whole)
    if not beginning:
        raise ConfigError(f"{path} is empty")
    encoding = "utf-16" if beginning[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    text = beginning.decode(encoding, "replace")
    lines = text.splitlines(keepends=True)
    if not whole and len(lines) < 2:
        raise ConfigError(f"{path}, line 1 is longer than {in_bytes(LONGEST_LINE)}; this is no CSV file with lines")
    if "\0" in text[: 2**12]:
        raise ConfigError(f"{path} holds NUL characters, so it is no text; save it as CSV in UTF-8")
    named = _NAMED.fullmatch(lines[0].strip("\r\n")) if lines else None
    before = 1 if named else 0
    some = lines[before : before + _LINES]
    separator = named[1] if named and named[1] in SEPARATORS else _separator(some)
    values = text.count(separator) + len(lines)
    return Dialect(zipped, encoding, separator, before, taken / max(1, values))


def _unzipped(path: str, beginning: bytes, whole: bool) -> tuple[bytes, int, bool]:
    """Return the first megabyte of a gzipped file, how many bytes of the file hold it, and whether it is all."""
    unzip = zlib.decompressobj(31)
    try:
        content = unzip.decompress(beginning, LONGEST_LINE)
    except zlib.error as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    return content, max(1, len(beginning) - len(unzip.unconsumed_tail)), whole and not unzip.unconsumed_tail


def _separator(lines: Sequence[str]) -> str:
    """Return the separator that splits most lines into as many columns as the first one, and most cells into numbers."""
    scores = {separator: score for separator in SEPARATORS if (score := _score(lines, separator)) is not None}
    return max(scores, key=lambda separator: scores[separator], default=",")  # of equal scores, the first one


def _score(lines: Sequence[str], separator: str) -> tuple[float, float] | None:
    try:
        rows = [row for row in csv.reader(lines, delimiter=separator, skipinitialspace=True) if row]
    except csv.Error:
        return None
    if not rows or len(rows[0]) < 2:
        return None
    cells = [cell for row in rows[1:] for cell in row]
    numbers = sum(is_number(cell) or (separator != "," and is_decimal_comma(cell)) for cell in cells)
    return sum(len(row) == len(rows[0]) for row in rows) / len(rows), numbers / max(1, len(cells))


def is_number(text: str) -> bool:
    """Whether a cell is a number with a decimal point, or without decimals."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def is_decimal_comma(text: str) -> bool:
    """Whether a cell is a number with a decimal comma, such as "1,5"."""
    return _DECIMAL_COMMA.fullmatch(text.strip()) is not None
