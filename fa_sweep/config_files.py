"""Configuration files, checked before Hydra builds anything from them: whatever is wrong with one is said in one line.

A few hundred bytes of YAML can stand for more values than any memory holds, and every kind of damage has an error of its own.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import yaml  # type: ignore[import-untyped]
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra._internal.core_plugins.importlib_resources_config_source import ImportlibResourcesConfigSource
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from fa_sweep.checks import ConfigError, shown

LARGEST_BYTES = 2**18
MOST_VALUES = 50_000  # of one file, anchors counted as often as they are repeated
DEEPEST = 40
# The groups of which a run has exactly one option: a list of options would be merged, the last one winning in silence.
ONE_OPTION = ("task", "model", "init", "feedback", "train", "tracking", "experiment", "hydra/launcher", "hydra/sweeper")

_PLAIN_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq")} | {"!"}
_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@contextmanager
def checked_files() -> Iterator[None]:
    """Have Hydra's own sources of configuration files check each file that they load, while the block runs."""
    sources: tuple[Any, ...] = (FileConfigSource, ImportlibResourcesConfigSource)
    originals = [source.load_config for source in sources]
    for source, original in zip(sources, originals, strict=True):
        source.load_config = _checked(original)
    try:
        yield
    finally:
        for source, original in zip(sources, originals, strict=True):
            source.load_config = original


def _checked(load: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    def load_config(source: Any, config_path: str) -> Any:
        path = os.path.join(source.path, source._normalize_file_name(config_path))
        if os.path.isfile(path):
            check_file(path)
        try:
            loaded = load(source, config_path)
        except (HydraException, OmegaConfBaseException, ConfigError):
            raise
        except Exception as error:
            raise ConfigError(f"{path} cannot be used{_said(error)}; mend it or take another file") from error
        _check_defaults(path, loaded.config)
        return loaded

    return load_config


def check_file(path: str) -> None:
    """Raise ConfigError, naming file, line and fault, for a file that is no plain YAML of reasonable size."""
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}; mend it or take another file") from error
    if len(content) > LARGEST_BYTES:
        raise ConfigError(f"{path} is larger than {LARGEST_BYTES // 2**10} KiB; no configuration is: is it the right file?")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError(
            f"{path}, line {line}: byte {content[error.start]:#04x} is no UTF-8; save the file as UTF-8"
        ) from error
    try:
        _count_values(path, text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}{_said(error)}; mend the YAML there") from error


def _said(error: Exception) -> str:
    """Return what a YAML error says: where, then what; any other error's own words."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is not None:
        return f", line {mark.line + 1}: {' '.join(str(problem).split())}"
    return f": {shown(str(error))[1:-1] or type(error).__name__}"


def _count_values(path: str, text: str) -> None:
    """Go through a document's events, which costs no more than its length, and refuse what would cost more to build."""
    anchors: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = []  # anchor, and how many values there were before
    keys: list[set[str] | None] = []
    is_key: list[bool] = []
    values = 0
    for event in yaml.parse(text, Loader=_PARSER):
        where = f"{path}, line {event.start_mark.line + 1}"
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            keys.pop(), is_key.pop()
            if anchor:
                anchors[anchor] = values - before
            continue
        if not isinstance(event, yaml.NodeEvent):
            continue
        _check_tag(where, event)
        _check_key(where, event, keys, is_key)
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in anchors:
                raise ConfigError(f"{where}: *{event.anchor} stands within &{event.anchor} itself or before it; write it out")
            values += anchors[event.anchor]
        else:
            values += 1
            if isinstance(event, yaml.CollectionStartEvent):
                open_nodes.append((event.anchor, values - 1))
                keys.append(set() if isinstance(event, yaml.MappingStartEvent) else None)
                is_key.append(True)
            elif event.anchor:
                anchors[event.anchor] = 1
        if values > MOST_VALUES:
            raise ConfigError(
                f"{where}: the file stands for more than {MOST_VALUES} values; write fewer, or repeat fewer anchors"
            )
        if len(open_nodes) > DEEPEST:
            raise ConfigError(f"{where}: nested more than {DEEPEST} levels deep; no setting is: take levels out")


def _check_tag(where: str, event: Any) -> None:
    tag = getattr(event, "tag", None)
    if tag and tag not in _PLAIN_TAGS:
        raise ConfigError(f"{where}: the tag {shown(tag)[1:-1]} is not allowed; write a plain value: no object is ever built")


def _check_key(where: str, event: Any, keys: Sequence[set[str] | None], is_key: list[bool]) -> None:
    """Refuse a second key of the same name in a mapping."""
    if not keys or (mine := keys[-1]) is None:
        return
    if is_key[-1] and isinstance(event, yaml.ScalarEvent) and event.value != "<<":
        if event.value in mine:
            raise ConfigError(f"{where}: the key {shown(event.value)[1:-1]} stands there twice; remove one")
        mine.add(event.value)
    is_key[-1] = not is_key[-1]


def _check_defaults(path: str, config: Any) -> None:
    """Refuse a file that is no mapping, and one whose defaults list gives a group of ours several options."""
    from omegaconf import DictConfig, ListConfig

    if not isinstance(config, DictConfig):
        raise ConfigError(f"{path} holds no settings; a configuration is a mapping of names to values")
    if (defaults := config._get_node("defaults")) is None:
        return
    if not isinstance(defaults, ListConfig):
        raise ConfigError(f"{path}: defaults is {shown(defaults)}; it must be a list of options, such as - task: xor")
    for entry in defaults._iter_ex(resolve=False):
        for key, option in entry.items_ex(resolve=False) if isinstance(entry, DictConfig) else ():
            group = str(key).split()[-1].lstrip("/").partition("@")[0]
            if not isinstance(option, str | type(None)) and (group in ONE_OPTION or not isinstance(option, ListConfig)):
                raise ConfigError(f"{path}: defaults has {group}: {shown(option)}; {one_option(group)}")


def one_option(group: str) -> str:
    """Return the remedy for a group that was given several options, or a value that names none."""
    return f"a group takes the name of one option; sweep over several with -m {group}=a,b"
