"""Composed settings in, checked dataclasses out; where conf/ lies; a refused setting as one line.

Types are checked here and not by OmegaConf's structured configs, so that a feedback mode or a task brings its own options
in its own file, and every refusal names field, value and remedy in one line.
"""

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from omegaconf import OmegaConf
from omegaconf.errors import MissingMandatoryValue

from fa_sweep.checks import ConfigError, did_you_mean, one_of
from fa_sweep.compatibility import completed
from fa_sweep.feedback import MODES, FeedbackConfig
from fa_sweep.schema import AppConfig
from fa_sweep.secrets import redact, redacted
from fa_sweep.tasks import TASKS, TaskConfig

T = TypeVar("T")

_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def conf_dir() -> str:
    """Return the absolute path of the configuration folder: the wheel's copy, else the checkout's."""
    package = Path(__file__).resolve().parent
    packaged = package / "conf"
    return str(packaged if packaged.is_dir() else package.parent / "conf")


def resolve(composed: Any) -> AppConfig:
    """Turn a composed DictConfig into checked settings. Raises ConfigError, or OmegaConf's error for a bad interpolation."""
    values = {str(key): composed[key] for key in composed if key != "hydra"}
    plain = {
        k: OmegaConf.to_container(v, resolve=True, throw_on_missing=True) if OmegaConf.is_config(v) else v
        for k, v in values.items()
    }
    return settings_of(plain)


def settings_of(plain: Mapping[str, Any], shared: dict[Any, Any] | None = None) -> AppConfig:
    """Turn resolved plain values into checked settings; `shared` as in `build`. Raises ConfigError."""
    return completed(build(AppConfig, plain, shared=shared))


@cache
def _hints(schema: Any) -> dict[str, Any]:
    return get_type_hints(schema)


def build(schema: type[T], values: Mapping[str, Any], path: str = "", shared: dict[Any, Any] | None = None) -> T:
    """Make a dataclass of plain values, nested ones too. Raises ConfigError for an unknown, missing or mistyped setting.

    `shared` remembers the groups that were made: jobs of a sweep differ in few of them, by the thousand in their seed alone.
    """
    hints = _hints(cast(Any, schema))
    for name in values:
        if name not in hints:
            raise unknown_setting(f"{path}{name}", hints)
    for name in hints:
        if name not in values:
            raise ConfigError(f"{path}{name} is missing; restore it, conf/ gives every setting a value")
    return schema(**{name: _convert(hint, values[name], f"{path}{name}", shared) for name, hint in hints.items()})


def unknown_setting(field: str, known: Any) -> ConfigError:
    """Return the error for a setting that no schema has."""
    name, names = field.rpartition(".")[2], [str(k) for k in known]
    return ConfigError(f"{field} is not a setting; {did_you_mean(name, names)}known here: {', '.join(sorted(names))}")


def _convert(hint: Any, value: Any, field: str, shared: dict[Any, Any] | None = None) -> Any:
    if is_dataclass(hint):
        if not isinstance(value, dict):
            raise ConfigError(f"{field} is {value!r}; it must be a group of settings")
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
            raise ConfigError(f"{field} is {value!r}; it must be a list, such as [10,10]")
        return [_convert(get_args(hint)[0], item, f"{field}[{i}]") for i, item in enumerate(value)]
    if hint is NoneType and value is None:
        return None
    if hint is str and type(value) is bool:
        return str(value).lower()
    if hint is str and type(value) is int:
        return str(value)
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise ConfigError(f"{field} is {value!r}; it must be {_KINDS[hint]}")
    return value


def _alternative(hints: tuple[Any, ...], value: Any) -> Any:
    """Return which of several types a value is meant to be; the first that is not None where it is none of them."""
    kinds = {list: list, NoneType: NoneType}
    for hint in hints:
        if type(value) is kinds.get(get_origin(hint) or hint, hint):
            return hint
    return next(hint for hint in hints if hint is not NoneType)


def _variant(schema: Any, values: Mapping[str, Any], field: str) -> Any:
    """Return the schema of the feedback mode or task that the values name."""
    if schema is FeedbackConfig:
        one_of(f"{field}.mode", values.get("mode"), MODES)
        return MODES[values["mode"]].Config
    if schema is TaskConfig:
        one_of(f"{field}.name", values.get("name"), TASKS)
        return TASKS[values["name"]].Config
    return schema


def yaml_without_secrets(config: Any) -> str:
    """Return a configuration as YAML, interpolations as they stand, its secrets masked."""
    return OmegaConf.to_yaml(OmegaConf.create(redacted(OmegaConf.to_container(config, resolve=False))))


def siblings(field: str) -> list[str]:
    """Return the names known beside a dotted setting, as far as they do not depend on a mode or task."""
    schema: Any = AppConfig
    for name in field.split(".")[:-1]:
        schema = get_type_hints(schema).get(name)
        if not is_dataclass(schema):
            return []
    return [f.name for f in fields(schema)]


def one_line(error: BaseException) -> str:
    """Return what an error of Hydra, OmegaConf or ours says, in one line that names field, value and what is allowed."""
    return redact(_one_line(error))


def _one_line(error: BaseException) -> str:
    if isinstance(error, ConfigError):
        return str(error)
    text = "\n".join(str(part) for part in (error, error.__cause__) if part is not None)
    unknown = re.search(r"Could not override '([^']+)'", text)
    missing = re.search(r"Key '([^']+)' is not in struct", text)
    if unknown and missing:
        path = unknown[1].split(".")
        # The first part of the key that is unknown, or the part of a mapping given for it.
        field = ".".join(path[: path.index(missing[1]) + 1]) if missing[1] in path else f"{unknown[1]}.{missing[1]}"
        given = re.search(r"use \+(.*)", text)
        return f"{unknown_setting(field, siblings(field))}" + (f" (given: {given[1]})" if given else "")
    if isinstance(error, MissingMandatoryValue) and error.full_key:
        return f"{error.full_key} has no value; give it one: {error.full_key}=..."
    option = re.search(r"Could not find '([^']+)'\s+Available options in '([^']+)':((?:\s+\S+)+?)\s*(?:Config search|$)", text)
    if option:
        group, name = option[2], option[1].rpartition("/")[2]
        return f"{group} is '{name}'; {did_you_mean(name, option[3].split())}choose one of {', '.join(option[3].split())}"
    text = re.split(r"Config search path|Set the environment variable|\s+full_key:|See https?:", text)[0]
    # Where the message itself does not say which setting it speaks of, the error may know.
    about = getattr(error, "override", None) or getattr(error, "full_key", None)
    return " ".join([*([f"{about}:"] if about and str(about) not in text else []), *text.split()])
