"""Range checks of settings: each raises `ConfigError` with field, value and remedy in one line."""

import difflib
import math
from collections.abc import Iterable
from typing import Any

from fa_sweep.errors import ConfigError

WHOLE_LIMIT = 2**63  # what Parquet's integers and MLflow's parameters carry without loss
_SHOWN = 80  # characters of a value that a message quotes


def shown(value: Any) -> str:
    """Return a value as a message quotes it: in one line, cut where it is long."""
    try:
        text = repr(value)
    except ValueError:  # Python refuses to write out an integer of thousands of digits
        return "a number of thousands of digits"
    text = " ".join(text.split()).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN // 2]} ... {text[-_SHOWN // 4 :]}"


def positive(field: str, value: float) -> None:
    """Raise unless 0 < value < infinity."""
    if not 0 < value < math.inf:
        raise ConfigError(f"{field} is {value}; it must be positive and finite")


def at_least(field: str, value: int, least: int) -> None:
    """Raise unless value >= least."""
    if value < least:
        raise ConfigError(f"{field} is {value}; it must be at least {least}")


def at_most(field: str, value: int, most: int) -> None:
    """Raise unless value <= most."""
    if value > most:
        raise ConfigError(f"{field} is {value}; it must be at most {most}")


def one_of(field: str, value: Any, known: Iterable[Any]) -> None:
    """Raise unless value is among the known ones, which the message lists."""
    names = [str(name) for name in known]
    if str(value) not in names:
        raise ConfigError(f"{field} is {shown(value)}; {did_you_mean(str(value), names)}choose one of {', '.join(names)}")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return "did you mean X? " for a near miss, else nothing."""
    near = difflib.get_close_matches(name[:_SHOWN], list(known), n=1)
    return f"did you mean {near[0]}? " if near else ""
