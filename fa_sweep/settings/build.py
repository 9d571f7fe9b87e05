"""Turns composed settings (plain nested dictionaries) into checked dataclasses.

Types are checked here rather than by OmegaConf's structured configs. A feedback mode or a task can thus define its options in
its own file, and every error names field, value and remedy in one line.
"""

from collections.abc import Mapping
from dataclasses import is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from fa_sweep.checks import WHOLE_LIMIT, one_of, shown
from fa_sweep.errors import ConfigError
from fa_sweep.feedback import MODES, FeedbackConfig
from fa_sweep.process.secrets import has_secrets, remember_secrets_of
from fa_sweep.settings.compatibility import completed
from fa_sweep.settings.messages import intended, unknown_setting
from fa_sweep.settings.schema import AppConfig
from fa_sweep.tasks import TASKS, TaskConfig

T = TypeVar("T")

STORE = "tracking.uri"  # the one setting that may hold a password

_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def settings_of(plain: Mapping[str, Any], shared: dict[Any, Any] | None = None) -> AppConfig:
    """Turn plain values, with all interpolations resolved, into checked settings of the application.

    Args:
        plain: the value of every setting, nested by group.
        shared: a cache of groups of settings that were built before; see `build`.

    Raises:
        ConfigError: a setting is unknown, missing, mistyped or out of range, or two settings contradict each other.
    """
    return completed(build(AppConfig, plain, shared=shared))


@cache
def _hints(schema: Any) -> dict[str, Any]:
    return get_type_hints(schema)


def build(schema: type[T], values: Mapping[str, Any], path: str = "", shared: dict[Any, Any] | None = None) -> T:
    """Build a dataclass, and the dataclasses nested in it, from plain values.

    Args:
        schema: the dataclass.
        values: the value of every field, nested by group.
        path: the dotted name of the group, ending in a dot, for messages. Empty at the top level.
        shared: a cache of nested groups, to be passed to every call within a sweep. Each group is then built once and shared by
            all jobs that have it. This pays, because thousands of jobs may differ only in their seed.

    Raises:
        ConfigError: a setting is unknown, missing, mistyped or out of range.
    """
    hints = _hints(cast(Any, schema))
    for name in values:
        if name not in hints:
            raise unknown_setting(f"{path}{name}", hints)
    for name in hints:
        if name not in values:
            raise ConfigError(f"{path}{name} is missing; restore it, conf/ gives every setting a value")
    return schema(**{name: _convert(hint, values[name], f"{path}{name}", shared) for name, hint in hints.items()})


def _convert(hint: Any, value: Any, field: str, shared: dict[Any, Any] | None = None) -> Any:
    if is_dataclass(hint):
        if not isinstance(value, dict):
            raise ConfigError(f"{field} is {shown(value)}; it must be a group of settings")
        key = field, repr(value)
        if shared is None or key not in shared:
            made = build(_variant(hint, value, field), value, f"{field}.", shared)
            if shared is None:
                return made
            shared[key] = made
        return shared[key]
    if get_origin(hint) is UnionType:
        return _convert(_alternative(get_args(hint), value), value, field)
    if get_origin(hint) is list:
        if not isinstance(value, list):
            raise ConfigError(f"{field} is {shown(value)}; it must be a list, such as {intended(hint, value) or '[10,10]'}")
        return [_convert(get_args(hint)[0], item, f"{field}[{i}]") for i, item in enumerate(value)]
    if hint is NoneType and value is None:
        return None
    return _scalar(hint, value, field)


def _scalar(hint: Any, value: Any, field: str) -> Any:
    """Check a single value. Convert an int if a float or text is required, and a bool if text is required."""
    if type(value) is int and not -WHOLE_LIMIT < value < WHOLE_LIMIT:
        other = ", or written with a point or an exponent, such as 1e30" if hint is float else ""
        raise ConfigError(f"{field} is {shown(value)}; a whole number must be below 2^63{other}")
    if hint is str and type(value) is bool:
        return str(value).lower()
    if hint is str and type(value) is int:
        return str(value)
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        meant = intended(hint, value, field)
        raise ConfigError(
            f"{field} is {shown(value)}; it must be {_KINDS[hint]}" + (f": did you mean {meant}?" if meant else "")
        )
    if hint is str:
        plain_text(field, value)
        if field != STORE and "://" in value and has_secrets(value):
            remember_secrets_of(value)  # from now on they are masked in all output
            raise ConfigError(f"{field} holds a password; only {STORE} may, which is never written down: leave it out here")
    return value


def plain_text(field: str, value: str) -> None:
    """Raise ConfigError if a text contains NUL or a lone surrogate, because some files cannot hold these characters."""
    odd = next((character for character in value if character == "\0" or "\ud800" <= character <= "\udfff"), None)
    if odd is not None:
        raise ConfigError(
            f"{field} is {shown(value)}; the character U+{ord(odd):04X} cannot be written to a file: leave it out"
        )


def _alternative(hints: tuple[Any, ...], value: Any) -> Any:
    """Return the member of a union that is the value's type. If there is none, return the first that is not None."""
    kinds = {list: list, NoneType: NoneType}
    for hint in hints:
        if type(value) is kinds.get(get_origin(hint) or hint, hint):
            return hint
    return next(hint for hint in hints if hint is not NoneType)


def _variant(schema: Any, values: Mapping[str, Any], field: str) -> Any:
    """Return the settings class of the feedback mode or task that the values name. Return any other schema unchanged."""
    if schema is FeedbackConfig:
        one_of(f"{field}.mode", values.get("mode"), MODES)
        return MODES[str(values["mode"])].Config
    if schema is TaskConfig:
        one_of(f"{field}.name", values.get("name"), TASKS)
        return TASKS[str(values["name"])].Config
    return schema
