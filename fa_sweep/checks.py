"""Range checks of settings. Each raises `ConfigError` with one line that names the field, its value and a remedy."""

import difflib
import math
from collections.abc import Iterable
from typing import Any

from fa_sweep.errors import ConfigError

WHOLE_LIMIT = 2**63  # whole numbers below it fit into Parquet's integers and MLflow's parameters without loss
_SHOWN = 80  # messages shorten values with more characters than this
_LABEL = 100  # the most characters of a name or tag that a user gives to a sweep


def shown(value: Any) -> str:
    """Return the representation of a value for a message, on one line and shortened in the middle if it is long."""
    try:
        text = repr(value)
    except ValueError:  # Python refuses to convert an integer of thousands of digits to text
        return "a number of thousands of digits"
    text = " ".join(text.split()).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN // 2]} ... {text[-_SHOWN // 4 :]}"


def positive(field: str, value: float) -> None:
    """Raise ConfigError unless 0 < value < infinity."""
    if not 0 < value < math.inf:
        raise ConfigError(f"{field} is {value}; it must be positive and finite")


def at_least(field: str, value: int, least: int) -> None:
    """Raise ConfigError unless value >= least."""
    if value < least:
        raise ConfigError(f"{field} is {value}; it must be at least {least}")


def at_most(field: str, value: int, most: int) -> None:
    """Raise ConfigError unless value <= most."""
    if value > most:
        raise ConfigError(f"{field} is {value}; it must be at most {most}")


def one_of(field: str, value: Any, known: Iterable[Any]) -> None:
    """Raise ConfigError unless the value, as text, is one of the known names. The message lists them."""
    names = [str(name) for name in known]
    if str(value) not in names:
        raise ConfigError(f"{field} is {shown(value)}; {did_you_mean(str(value), names)}choose one of {', '.join(names)}")


def label(field: str, text: Any) -> None:
    """Raise ConfigError unless a name or tag that a user gives to a sweep is one short line of printable text."""
    if not isinstance(text, str) or not text.strip() or not text.isprintable() or len(text) > _LABEL:
        raise ConfigError(f"{field} is {shown(text)}; it must be one line of at most {_LABEL} printable characters")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return "did you mean X? " if a known name X is similar to this one, otherwise an empty text."""
    near = difflib.get_close_matches(name[:_SHOWN], list(known), n=1)
    return f"did you mean {near[0]}? " if near else ""
