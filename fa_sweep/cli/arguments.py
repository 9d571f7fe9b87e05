"""Check a command line before Hydra reads it, and prepare it for a sweep's record.

It refuses flags that have no use here, and overrides that Hydra would misread.
"""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, get_origin

from hydra._internal.utils import get_args_parser
from hydra.conf import HydraConf
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, Override, Sweep

from fa_sweep.checks import shown
from fa_sweep.cli.config_files import ONE_OPTION, one_option
from fa_sweep.cli.configuration import conf_dir
from fa_sweep.cli.refusals import in_quotes, parsed
from fa_sweep.errors import ConfigError
from fa_sweep.process.secrets import redact
from fa_sweep.settings.build import plain_text
from fa_sweep.settings.messages import kind_of
from fa_sweep.sweeping.record import group_of, split_words

MOST_WORDS = 1000  # that a command line may have; Hydra parses each of them three times
LONGEST_WORD = 10_000  # the most characters that a word may have between two commas
_FOLDER_FLAGS = ("--config-dir", "-cd", "--config-path", "-cp")
_REFUSED_FLAGS = {
    "run": "--run changes nothing here: leave it out (hydra.mode=RUN makes a single run of a preset that sweeps)",
    "info": "--info only shows Hydra's internals: use --cfg job to print the settings, or dry_run=true to print the plan",
    "experimental_rerun": "--experimental-rerun is not allowed, because it would unpickle a file: to repeat a run, use the "
    "command in its tag `reproduce` in MLflow",
}


def check_arguments(arguments: Sequence[str]) -> None:
    """Refuse a command line that Hydra would reject, or would understand in a way that nobody intends.

    Args:
        arguments: The words of the command line after the program's name.

    Raises:
        ConfigError: The message names the argument and the remedy.
    """
    if len(arguments) > MOST_WORDS:
        raise ConfigError(
            f"{len(arguments):,} arguments are more than {MOST_WORDS:,}; write the settings into my_conf/experiment/NAME.yaml, "
            "and give --config-dir my_conf +experiment=NAME"
        )
    for argument in arguments:
        plain_text("an argument", argument)
        if len(max(argument.split(","), key=len)) > LONGEST_WORD:  # Hydra's parser would take seconds
            raise ConfigError(
                f"{shown(argument)[1:-1]}: the value has more than {LONGEST_WORD:,} characters; check that it is the right "
                "text, and give a shorter one"
            )
    flags = get_args_parser().parse_args(list(arguments))
    if flags.shell_completion:
        _check_completion(flags.overrides)
        return
    for name, remedy in _REFUSED_FLAGS.items():
        if getattr(flags, name, None):
            raise ConfigError(remedy)
    if flags.package is not None and flags.cfg is None:
        raise ConfigError("--package selects a part of what --cfg prints: leave it out, or add --cfg job")
    if flags.resolve and flags.cfg is None and not flags.help:
        raise ConfigError("--resolve computes the values that --cfg prints: leave it out, or add --cfg job")
    if flags.config_dir is not None and not os.path.isdir(flags.config_dir):
        raise ConfigError(f"--config-dir is {shown(flags.config_dir)[1:-1]}; there is no such folder: check the path")
    parser = OverridesParser.create()
    overrides = [parsed(text, parser) for text in flags.overrides]
    places = [conf_dir(), *([flags.config_dir] if flags.config_dir else []), *_search_path(overrides)]
    for override in overrides:
        _check_override(override, places)


def _check_completion(overrides: Sequence[str]) -> None:
    """Refuse --shell-completion unless it installs or removes completion, or a shell calls it to complete a word."""
    if len(overrides) != 1 or not re.fullmatch(r"(install|uninstall|query)=(bash|fish|zsh)", overrides[0]):
        raise ConfigError("--shell-completion takes install=SHELL or uninstall=SHELL, for bash, fish or zsh")
    if overrides[0].startswith("query=") and not {"COMP_LINE", "COMP_POINT"} & os.environ.keys():
        shell = overrides[0].partition("=")[2]
        raise ConfigError(f"--shell-completion query={shell} is for the shell to call; install={shell} sets it up")


def _check_override(override: Override, places: Iterable[str]) -> None:
    """Refuse an override that cannot work here, or that Hydra would misread. `places` are the configuration folders."""
    key, path = override.key_or_group, override.key_or_group.strip("/").replace("/", ".").split(".")
    if override.is_delete():
        if path in (["hydra"], ["hydra", "launcher"], ["hydra", "sweeper"]):
            raise ConfigError(f"{override.input_line}: the program cannot work without these settings; leave it out")
        return
    if path == [""]:
        raise ConfigError(f"{shown(override.input_line)} is not a setting; write NAME=VALUE, such as seed=3")
    _check_place(override, path)
    merges = isinstance(override.value(), dict)
    if path == ["hydra"] or (path in (["hydra", "launcher"], ["hydra", "sweeper"]) and "/" not in key and not merges):
        raise ConfigError(
            f"{shown(override.input_line)[1:-1]}: {key} is a group of settings; set one of them, such as "
            "hydra.launcher.executor=local, or choose another, such as hydra/launcher=joblib"
        )
    if path[:2] == ["hydra", "sweeper"] and _has_sweep(override.value()):
        raise ConfigError(
            f"{shown(override.input_line)[1:-1]}: put several values into quotes, as in {{feedback:'random,direct'}}"
        )
    if path == ["hydra", "verbose"]:
        given: Any = override.value()
        names = given if isinstance(given, list) else [given]
        if not all(isinstance(name, str | bool) for name in names):
            raise ConfigError(f"{shown(override.input_line)[1:-1]}: write true, false, or the names of loggers")
    if path == ["hydra", "searchpath"]:
        for place in search_path_of(override):
            if "://" not in place and not os.path.isdir(place):
                raise ConfigError(f"hydra.searchpath has {shown(place)[1:-1]}; there is no such folder: check the path")
    if _is_group(key, places):
        _check_group(override, key.strip("/"))


def _has_sweep(value: Any) -> bool:
    """Whether a list or a mapping has a value such as `range(5)`, which Hydra's own settings cannot hold."""
    if isinstance(value, dict | list):
        return any(map(_has_sweep, value.values() if isinstance(value, dict) else value))
    return isinstance(value, Sweep)


def _check_place(override: Override, path: Sequence[str]) -> None:
    """Refuse an override of a setting that Hydra does not have, or of a list's item by anything but its index."""
    for length in range(1, len(path)):
        parent = ".".join(path[:length])
        if get_origin(kind_of(parent)) is list and not path[length].isdecimal():
            raise ConfigError(f"{shown(override.input_line)[1:-1]}: {parent} is a list; write it whole: {parent}=[10,10]")
    if path[0] == "hydra" and len(path) > 1 and path[1] not in {field.name for field in fields(HydraConf)}:
        raise ConfigError(f"{shown(override.input_line)[1:-1]}: Hydra has no such setting; leave it out")


def _is_group(key: str, places: Iterable[str]) -> bool:
    """Whether an override's key names a configuration group in one of the folders `places`, or one of Hydra's."""
    if key.strip("/") in ONE_OPTION or "/" in key.strip("/"):
        return True
    return "." not in key and any((Path(place) / key).is_dir() for place in places)


def _check_group(override: Override, group: str) -> None:
    """Refuse a value of a configuration group that is not the name of one option.

    Hydra would silently take the last option of a list, and a mapping would set only some of the group's settings.
    """
    value: Any = override._value
    values: list[Any]
    if isinstance(value, ChoiceSweep):
        values = list(value.list)
    elif override.is_sweep_override():
        values = [] if isinstance(value, Glob) else [0]
    else:
        values = [override.value()]
    for one in values:
        if isinstance(one, str) or hasattr(one, "text"):
            continue
        remedy = one_option(group)
        if isinstance(one, dict) and one:
            single = next(iter(one))
            remedy = f"{remedy}; give settings one by one: {group}.{single}={one[single]}"
        if isinstance(one, list):
            names = ",".join(str(getattr(item, "text", item)) for item in one)
            remedy = f"a group takes the name of one of its options; to sweep over several: -m {group}={names[:200]}"
        raise ConfigError(f"{shown(override.input_line)[1:-1]}: {remedy}")


def _search_path(overrides: Iterable[Override]) -> list[str]:
    found = [search_path_of(o) for o in overrides if o.key_or_group == "hydra.searchpath" and not o.is_delete()]
    return [place for places in found for place in places]


def search_path_of(override: Override) -> list[str]:
    """Return the places that an override of hydra.searchpath lists.

    The prefix `file://` is removed. Places with another scheme, such as `pkg://`, stay unchanged.

    Raises:
        ConfigError: The value is not a list of texts.
    """
    value = override.value()
    if not isinstance(value, list) or not all(isinstance(place, str) for place in value):
        raise ConfigError(f"{shown(override.input_line)[1:-1]}: it must be a list of folders, such as [file://my_conf]")
    return [place.removeprefix("file://") for place in value]


def with_design(design: str, words: Sequence[str]) -> list[str]:
    """Return the words of a sweep with its design. Raises ConfigError if they name a design, too."""
    for word in words:
        if group_of(word) == "design":
            raise ConfigError(f"{word} is given to {design}, which is a design itself; leave it out")
    return [f"design={design}", *words]


def config_flags(arguments: Sequence[str]) -> list[str]:
    """Return the flags and overrides of a command line that say where configurations are, with absolute paths.

    A command that repeats a run needs them, because its overrides may name options from those folders. In another working
    folder, relative paths would not lead there.
    """
    flags = get_args_parser().parse_known_args(list(arguments))[0]
    found: list[str] = []
    for name, value in (
        ("config-dir", flags.config_dir),
        ("config-path", flags.config_path),
        ("config-name", flags.config_name),
    ):
        if value is not None:
            found.append(f"--{name}={_absolute(value) if name != 'config-name' else value}")
    return [*found, *(absolute_override(o) for o in flags.overrides if is_search_path(o))]


def absolute_places(arguments: Sequence[str]) -> list[str]:
    """Return a command line with absolute configuration folders, so that it can be repeated in another working folder."""
    found: list[str] = []
    follows = False
    for argument in arguments:
        name, given, value = argument.partition("=")
        if follows:
            argument = _absolute(argument)
        elif given and name in _FOLDER_FLAGS:
            argument = f"{name}={_absolute(value)}"
        elif is_search_path(argument):
            argument = absolute_override(argument)
        follows = not follows and not given and name in _FOLDER_FLAGS
        found.append(argument)
    return found


def words_to_keep(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return a command line's flags and overrides as a sweep's record stores them.

    Tracking settings are left out, secrets are masked, and configuration folders are made absolute.
    """
    flags, overrides = split_words(absolute_places(arguments))
    kept = [override for override in overrides if group_of(override) != "tracking"]
    return list(map(redact, flags)), list(map(redact, kept))


def is_search_path(text: str) -> bool:
    """Whether an argument sets hydra.searchpath."""
    return text.lstrip("+").startswith("hydra.searchpath=")


def absolute_override(text: str) -> str:
    """Return an override of hydra.searchpath with its folders made absolute."""
    (override,) = OverridesParser.create().parse_overrides([text])
    places = [place if "://" in place else f"file://{_absolute(place)}" for place in search_path_of(override)]
    return f"{override.get_key_element()}=[{','.join(in_quotes(place) for place in places)}]"


def _absolute(path: str) -> str:
    return path if "://" in path else os.path.abspath(path)
