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
from fa_sweep.numerics.losses import LOSSES
from fa_sweep.process.secrets import has_secrets, remember_secrets_of
from fa_sweep.roles import neutrals
from fa_sweep.settings.compatibility import completed
from fa_sweep.settings.identity import flatten, unflatten
from fa_sweep.settings.messages import intended, unknown_setting
from fa_sweep.settings.schema import AppConfig
from fa_sweep.tasks import TASKS, TaskConfig, TaskKind, make_task

T = TypeVar("T")

AUTO = "auto"  # the value of a setting that is told from the data
BATCH_SIZE = 32  # what `train.batch_size=auto` stands for
_MOST_KNOWN = 64
_known: dict[tuple[str, frozenset[str]], dict[str, Any]] = {}  # what tasks have told

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
    return completed(build(AppConfig, _with_batch_size(_told(plain)), shared=shared))


def _told(plain: Mapping[str, Any]) -> Mapping[str, Any]:
    """Replace the settings that are `auto` by what the task tells from its data (see `TaskKind`)."""
    task, train = plain.get("task"), plain.get("train")
    if not isinstance(task, dict) or not isinstance(train, dict) or task.get("name") not in list(TASKS):
        return plain  # `build` says what is wrong
    kind = TASKS[task["name"]]
    if kind.tell is None:
        return plain
    flat = flatten(task)
    asked = frozenset(name for name in kind.may_be_auto if flat.get(name) == AUTO)
    flat |= {name: kind.may_be_auto[name] for name in asked}
    if "loss" in asked and train.get("loss") in LOSSES:
        flat["loss"] = train["loss"]
    config: Any = build(kind.Config, unflatten(flat), "task.")
    flat |= _tell(kind, config, asked)
    # These two settings of the training take their values from the task unless they are given.
    proposed = {"loss": flat["loss"], "threshold": flat["success.value"]}
    train = train | {name: value for name, value in proposed.items() if train.get(name) == AUTO}
    return {**plain, "task": unflatten(flat), "train": train}


def _tell(kind: TaskKind, config: TaskConfig, asked: frozenset[str]) -> dict[str, Any]:
    """Return what a task tells from its data. It is cached, so that a sweep reads them once. Keys contain the data's hash."""
    key = repr(config), asked
    if key not in _known:
        assert kind.tell is not None
        _known[key] = kind.tell(config, asked)
        while len(_known) > _MOST_KNOWN:
            del _known[next(iter(_known))]
    return _known[key]


def _with_batch_size(plain: Mapping[str, Any]) -> Mapping[str, Any]:
    """Replace `train.batch_size=auto` by `BATCH_SIZE`, or by the number of training examples if there are fewer."""
    train = plain.get("train")
    if not isinstance(train, dict) or train.get("batch_size") != AUTO or not isinstance(plain.get("task"), dict):
        return plain
    dtype = "float32" if plain.get("dtype") == "float32" else "float64"
    task = make_task(_convert(TaskConfig, plain["task"], "task"), 0, dtype)
    size = BATCH_SIZE if task.training is None else min(BATCH_SIZE, len(task.training.inputs))
    return {**plain, "train": train | {"batch_size": size}}


@cache
def _hints(schema: Any) -> dict[str, Any]:
    return get_type_hints(schema)


def build(schema: type[T], values: Mapping[str, Any], path: str = "", shared: dict[Any, Any] | None = None) -> T:
    """Build a dataclass, and the dataclasses nested in it, from plain values.

    Args:
        schema: the dataclass.
        values: the value of every field, nested by group. Fields that were added later may be missing (see `roles.added`).
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
    values = {**neutrals(cast(Any, schema)), **values}
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
            known = "[a,b]" if get_args(hint) == (str,) else "[10,10]"
            raise ConfigError(f"{field} is {shown(value)}; it must be a list, such as {intended(hint, value) or known}")
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
