"""A small language that selects runs: `task.name == 'xor' and outcome in ['converged', 'diverged'] and train.lr < 0.1`.

    query       = conjunction { "or" conjunction }
    conjunction = negation { "and" negation }
    negation    = [ "not" ] comparison
    comparison  = value { operator value } | value [ "not" ] "in" value
    operator    = "==" | "!=" | "<" | "<=" | ">" | ">="
    value       = name | number | text | "true" | "false" | "null" | list | "(" query ")"
    list        = "[" [ value { "," value } ] "]"

A name may have dots and slashes, such as `train.lr` or `final.angle_deg/gradient`. Comparisons can be chained, as in
`0.01 <= train.lr < 1`. A run in which a name has no value, or a value of another kind, satisfies only `!=` and `not`.
"""

import math
import operator
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from fa_sweep.checks import did_you_mean, shown
from fa_sweep.errors import ConfigError
from fa_sweep.process.secrets import redact

LONGEST = 10_000  # characters
_LONGEST_NUMBER = 400  # characters; Python refuses to read whole numbers of thousands of digits
_OPTIONS = {"feedback": "feedback.mode", "task": "task.name", "init": "init.distribution"}
DEEPEST = 40  # levels of parentheses and brackets
Row = Mapping[str, Any]
Value = Callable[[Row], Any]

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])|-inf\b)
  | (?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
  | (?P<name>[A-Za-z_]\w*(?:[./][\w-]+)*)
  | (?P<sign>==|!=|<=|>=|[<>=()\[\],])
    )""",
    re.VERBOSE,
)
_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_CONSTANTS: Mapping[str, Any] = {"true": True, "false": False, "null": None, "none": None, "nan": math.nan, "inf": math.inf}
_WORDS = ("and", "or", "not", "in")


@dataclass(frozen=True)
class Query:
    """A parsed query.

    Attributes:
        text: The query as it was given.
        names: The names that occur in it, in their order.
        selects: Returns whether a row satisfies the query. A row maps names to values.
    """

    text: str
    names: tuple[str, ...]
    selects: Callable[[Row], bool]

    def check_names(self, known: Collection[str]) -> None:
        """Raise ConfigError if a name is not among the known ones. The message suggests a similar name, or quotes."""
        for name in self.names:
            if name not in known:
                meant = f"did you mean {_OPTIONS[name]}? " if name in _OPTIONS else did_you_mean(name, known)
                remedy = meant or f"if it is a text, quote it: '{name}'; "
                said = f"query {shown(self.text)}: no run has anything called {name}"
                raise ConfigError(f"{said}; {remedy}names are settings, such as train.lr, and columns, such as outcome")


def parse(text: str) -> Query:
    """Parse a query.

    Raises:
        ConfigError: The text is no query. The message says where it goes wrong.
    """
    if len(text) > LONGEST:
        raise ConfigError(f"the query has {len(text):,} characters; it may have {LONGEST:,}: give a shorter one")
    parser = _Parser(text)
    condition = parser.whole()
    return Query(text, tuple(dict.fromkeys(parser.names)), lambda row: bool(_true(condition(row))))


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    place: int


class _Parser:
    """A parser by recursive descent, with one method per rule of the grammar."""

    def __init__(self, text: str) -> None:
        self.text, self.names = redact(text), list[str]()
        self.tokens, self.next, self.depth = self._tokens(), 0, 0

    def _tokens(self) -> list[_Token]:
        found, place, end = [], 0, len(self.text.rstrip())
        while place < end:
            match = _TOKEN.match(self.text, place)
            if match is None:
                here = self.text[place:].lstrip()
                self.fail(f"{shown(here[:20])} cannot be read" + ("; the quote is not closed" if here[0] in "'\"" else ""))
            found.append(_Token(str(match.lastgroup), match[str(match.lastgroup)], match.start(str(match.lastgroup))))
            place = match.end()
        return [*found, _Token("end", "", end)]

    def fail(self, why: str) -> NoReturn:
        if re.search(r"&&|\|\||\b(AND|OR|NOT|IN)\b", self.text):
            why += "; the words are and, or, not, in"
        raise ConfigError(f"query {shown(self.text)}: {why}; write, for example, \"task.name == 'xor' and train.lr < 0.1\"")

    @property
    def token(self) -> _Token:
        return self.tokens[self.next]

    def takes(self, *texts: str) -> str:
        """Take the next token if it is one of these signs or words, and return it; otherwise return ""."""
        if self.token.kind in ("sign", "name") and self.token.text in texts:
            self.next += 1
            return self.tokens[self.next - 1].text
        return ""

    def whole(self) -> Value:
        if self.token.kind == "end":
            self.fail("it is empty")
        condition = self.query()
        if self.token.kind != "end":
            self.fail(f"{shown(self.token.text)} at character {self.token.place + 1} is one too many")
        return condition

    def query(self) -> Value:
        members = [self.conjunction()]
        while self.takes("or"):
            members.append(self.conjunction())
        return members[0] if len(members) == 1 else lambda row: any(_true(member(row)) for member in members)

    def conjunction(self) -> Value:
        members = [self.negation()]
        while self.takes("and"):
            members.append(self.negation())
        return members[0] if len(members) == 1 else lambda row: all(_true(member(row)) for member in members)

    def negation(self) -> Value:
        times = 0
        while self.takes("not"):
            times += 1
        inner = self.comparison()
        if not times:
            return inner
        return lambda row: _true(inner(row)) == (times % 2 == 0)

    def comparison(self) -> Value:
        left = self.value()
        if found := self._membership(left):
            return found
        links: list[tuple[str, Value]] = []
        while sign := self.takes("==", "!=", "<", "<=", ">", ">=", "="):
            if sign == "=":
                self.fail("= compares nothing: write == for equal")
            links.append((sign, self.value()))
        if not links:
            return left

        def holds(row: Row) -> bool:
            values = [left(row), *(value(row) for _, value in links)]
            return all(_holds(sign, values[n], values[n + 1]) for n, (sign, _) in enumerate(links))

        return holds

    def _membership(self, left: Value) -> Value | None:
        negated = False
        if self.token.text == "not" and self.token.kind == "name" and self.tokens[self.next + 1].text == "in":
            self.next, negated = self.next + 1, True
        if not self.takes("in"):
            return None
        members = self.value()

        def contains(row: Row) -> bool:
            value, among = left(row), members(row)
            if isinstance(among, str):
                return (isinstance(value, str) and value in among) != negated
            return (isinstance(among, list) and any(_holds("==", value, member) for member in among)) != negated

        return contains

    def value(self) -> Value:
        token = self.token
        if self.takes("("):
            return self._nested(")", self.query)
        if self.takes("["):
            return self._nested("]", self._members)
        if token.kind == "number":
            if len(token.text) > _LONGEST_NUMBER:
                self.fail(f"the number at character {token.place + 1} is too long")
            self.next += 1
            number = float(token.text) if re.search(r"[.eEf]", token.text) else int(token.text)
            return lambda row: number
        if token.kind == "text":
            self.next += 1
            text = re.sub(r"\\(.)", r"\1", token.text[1:-1])
            return lambda row: text
        if token.kind == "name" and token.text not in _WORDS:
            self.next += 1
            return self._named(token.text)
        if token.kind == "end":
            self.fail("it ends where a value should stand")
        self.fail(f"{shown(token.text)} at character {token.place + 1} stands where a value should stand")

    def _named(self, name: str) -> Value:
        if name.lower() in _CONSTANTS:
            constant = _CONSTANTS[name.lower()]
            return lambda row: constant
        self.names.append(name)
        return lambda row: row.get(name)

    def _nested(self, closing: str, inside: Callable[[], Value]) -> Value:
        self.depth += 1
        if self.depth > DEEPEST:
            self.fail(f"it is nested more than {DEEPEST} levels deep")
        value = inside()
        if not self.takes(closing):
            self.fail(f"a closing {closing} is missing")
        self.depth -= 1
        return value

    def _members(self) -> Value:
        members: list[Value] = []
        while self.token.text != "]" or self.token.kind != "sign":
            members.append(self.query())
            if not self.takes(","):
                break
        return lambda row: [member(row) for member in members]


def _true(value: Any) -> bool:
    """Whether a value counts as true: true itself, or a number other than 0 and NaN. A text, a list or nothing does not."""
    return isinstance(value, bool | int | float) and bool(value) and not _is_nan(value)


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _holds(sign: str, left: Any, right: Any) -> bool:
    if _is_nan(left):
        left = None
    if _is_nan(right):
        right = None
    if sign in ("==", "!="):
        return _equal(left, right) == (sign == "==")
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (left, right))
    return (numbers or (isinstance(left, str) and isinstance(right, str))) and _ORDERS[sign](left, right)


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_equal, left, right))
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)
