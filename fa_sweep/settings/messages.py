"""Writes the error for a setting that does not exist, and guesses what a value of the wrong type was meant to be."""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

from fa_sweep.checks import did_you_mean, shown
from fa_sweep.errors import ConfigError
from fa_sweep.feedback import MODES, FeedbackConfig
from fa_sweep.settings.schema import AppConfig
from fa_sweep.tasks import TASKS, TaskConfig

_FAR = 0.75  # least similarity (difflib's ratio) for a setting of another group to be suggested


def unknown_setting(field: str, known: Iterable[Any], given: str = "") -> ConfigError:
    """Return the error for a setting that does not exist, with a suggestion if there is one.

    Args:
        field: the dotted name that was given.
        known: the names that exist in the same group.
        given: the value that the user gave, if it is known.
    """
    name, names = field.rpartition(".")[2], [str(k) for k in known]
    meant = did_you_mean(name, names)
    if options := _options_with(field):
        meant = f"it belongs to {' or '.join(options)}: choose that first; "
    elif not meant and (elsewhere := _of_other_groups(name)):
        value = f"={given}" if given else ""
        meant = f"did you mean {' or '.join(f'{path}{value}' for path in elsewhere)}? "
    beside = f"known here: {', '.join(sorted(names))}" if names else "nothing is known here"
    return ConfigError(f"{shown(field)[1:-1]} is not a setting; {meant}{beside}")


def siblings(field: str) -> list[str]:
    """Return the names of the settings in a dotted setting's group, without options that only some modes or tasks have."""
    schema: Any = AppConfig
    for name in field.split(".")[:-1]:
        schema = get_type_hints(schema).get(name)
        if not is_dataclass(schema):
            return []
    return [f.name for f in fields(schema)]


def kind_of(field: str) -> Any:
    """Return the type of a dotted setting, even if only some modes or tasks have it. None if it does not exist."""
    *groups, name = field.split(".")
    schemas: list[Any] = [AppConfig]
    for group in groups:
        found = [get_type_hints(schema).get(group) for schema in schemas]
        schemas = [variant for schema in found if is_dataclass(schema) for variant in _variants(schema)]
    hints = [get_type_hints(schema) for schema in schemas]
    return next((hint[name] for hint in hints if name in hint), None)


def intended(hint: Any, value: Any, field: str = "") -> str:
    """Return how a value of the wrong type was probably meant to be written.

    Args:
        hint: the type that the setting should have.
        value: the value that was given.
        field: the dotted name of the setting. Only a suggestion to sweep over several values contains it.

    Returns:
        The suggestion, as the user would write it on the command line. Empty if there is none.
    """
    if get_origin(hint) is list:
        if isinstance(value, str) and get_args(hint) == (str,):
            return f"[{value}]"
        if type(value) in (int, float):
            return f"[{value}]"
        return f"[{value}]" if isinstance(value, str) and re.fullmatch(r"[0-9]+([,x-][0-9]+)*", value) else ""
    if hint in (int, float) and isinstance(value, str):
        if bounds := re.fullmatch(r"(-?\d+)\s*(?:\.\.\.?|:|-|to)\s*(-?\d+)", value):
            first, last = int(bounds[1]), int(bounds[2])
            return f"-m '{field}=range({f'{first},' if first else ''}{last + 1})'"
        if re.fullmatch(r"\d+,\d+", value):
            return value.replace(",", ".")
    if hint in (int, float) and isinstance(value, list) and value and all(type(item) in (int, float) for item in value):
        return f"-m {field}={','.join(map(str, value[:20]))}"
    if hint is int and type(value) is float and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if hint is bool and value in (0, 1):
        return str(bool(value)).lower()
    if hint is str and type(value) in (bool, float, type(None)):
        return f"\"{field}='{str(value).lower() if type(value) is bool else value}'\""
    return ""


def _options_with(field: str) -> list[str]:
    """Return up to four modes or tasks that have this setting, written as on the command line, such as `task=spirals`."""
    group, _, name = field.partition(".")
    kinds: dict[str, Any] = {"feedback": MODES, "task": TASKS}
    if group not in kinds:
        return []
    schemas = {option: _schema(kinds[group], option) for option in kinds[group]}
    return [f"{group}={option}" for option, schema in schemas.items() if name in {f.name for f in fields(schema)}][:4]


def _of_other_groups(name: str) -> list[str]:
    """Return up to two dotted settings, of any group, with this name or a similar one. Those of `train` come first."""
    paths: dict[str, list[str]] = {}
    for group, schema in get_type_hints(AppConfig).items():
        for variant in _variants(schema) if is_dataclass(schema) else ():
            for f in fields(variant):
                path = f"{group}.{f.name}"
                if path not in paths.setdefault(f.name, []):
                    paths[f.name].append(path)
    near = [name] if name in paths else difflib.get_close_matches(name[:40], list(paths), n=1, cutoff=_FAR)
    order = ("train", "model", "init", "feedback", "task", "tracking", "tune", "decide")
    found = sorted((path for match in near for path in paths[match]), key=lambda path: order.index(path.partition(".")[0]))
    return found[:2]


def _variants(schema: Any) -> list[Any]:
    """Return the schema of a group. For feedback and task, the schemas of all modes or tasks follow."""
    if schema is FeedbackConfig:
        return [schema, *(_schema(MODES, name) for name in MODES)]
    if schema is TaskConfig:
        return [schema, *(_schema(TASKS, name) for name in TASKS)]
    return [schema]


def _schema(pieces: Mapping[str, Any], name: str) -> Any:
    try:
        return pieces[name].Config
    except Exception:  # a third party's piece that fails to load must not spoil this message
        return FeedbackConfig if pieces is MODES else TaskConfig


def is_text(hint: Any) -> bool:
    """Whether a setting of this type, or of an unknown type (None), may be text."""
    return hint is None or hint is str or str in get_args(hint)
