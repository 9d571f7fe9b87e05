"""Check YAML configuration files before Hydra loads them, so that every fault is reported in one line.

Without these checks, a few hundred bytes of YAML could expand to more values than fit into memory, and each kind of fault would
raise a different error.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import yaml  # type: ignore[import-untyped]
from hydra._internal.config_repository import ConfigRepository
from hydra.core.object_type import ObjectType
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from fa_sweep.checks import shown
from fa_sweep.errors import ConfigError

LARGEST_BYTES = 2**18
MOST_VALUES = 50_000  # in one file; an alias counts as many values as the node that it repeats
DEEPEST = 40  # levels of nesting
# Groups from which a run takes exactly one option. Hydra would merge a list of options, silently preferring the last one.
ONE_OPTION = ("task", "model", "init", "feedback", "train", "tracking", "experiment", "hydra/launcher", "hydra/sweeper")

_PLAIN_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq")} | {"!"}
_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@contextmanager
def checked_files() -> Iterator[None]:
    """Have Hydra check each configuration file before it loads it, as long as the block runs."""
    original = ConfigRepository.load_config

    def load_config(repository: ConfigRepository, config_path: str) -> Any:
        source = repository._find_object_source(config_path, ObjectType.CONFIG)
        if source is None or source.scheme() == "structured":
            return original(repository, config_path)
        path = os.path.join(source.path, source._normalize_file_name(config_path))
        if os.path.isfile(path):
            check_file(path)
        try:
            loaded = original(repository, config_path)
        except (HydraException, OmegaConfBaseException):
            raise
        except Exception as error:
            raise ConfigError(f"{path} cannot be used{_said(error)}; mend it or take another file") from error
        if loaded is not None:
            _check_defaults(path, loaded)
        return loaded

    ConfigRepository.load_config = load_config  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        ConfigRepository.load_config = original  # type: ignore[method-assign]


def check_file(path: str) -> None:
    """Check that a file is plain YAML of a reasonable size.

    Raises:
        ConfigError: The file is something else, is too large or cannot be read. The message names the file, the fault and, if
            it is known, the line.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}; mend it or take another file") from error
    if len(content) > LARGEST_BYTES:
        raise ConfigError(
            f"{path} is larger than {LARGEST_BYTES // 2**10} KiB; a configuration is never that large: is it the right file?"
        )
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError(
            f"{path}, line {line}: byte {content[error.start]:#04x} is not UTF-8; save the file as UTF-8"
        ) from error
    try:
        _count_values(path, text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}{_said(error)}; mend the YAML there") from error


def _said(error: Exception) -> str:
    """Return the line and the problem that a YAML error states, or the text of any other error."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is not None:
        return f", line {mark.line + 1}: {' '.join(str(problem).split())}"
    return f": {shown(str(error))[1:-1] or type(error).__name__}"


def _count_values(path: str, text: str) -> None:
    """Check a document's tags, keys, depth and number of values without building the values.

    Reading the parser's events takes time in proportion to the document's length; building the values may take far more.
    """
    anchors: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = []  # each node's anchor, and the number of values before the node
    keys: list[set[str] | None] = []  # each open node's keys so far; None for a sequence
    is_key: list[bool] = []  # for each open mapping, whether its next node is a key
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
                raise ConfigError(
                    f"{where}: *{event.anchor} refers to &{event.anchor}, which does not end before it; "
                    f"write the values out in place of *{event.anchor}"
                )
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
                f"{where}: the file expands to more than {MOST_VALUES} values; write fewer, or repeat fewer anchors"
            )
        if len(open_nodes) > DEEPEST:
            raise ConfigError(f"{where}: nested more than {DEEPEST} levels deep; no setting needs that: remove levels")


def _check_tag(where: str, event: Any) -> None:
    """Refuse a tag other than those of plain values, because it may create an object."""
    tag = getattr(event, "tag", None)
    if tag and tag not in _PLAIN_TAGS:
        raise ConfigError(
            f"{where}: the tag {shown(tag)[1:-1]} is not allowed; write a plain value: a configuration cannot create objects"
        )


def _check_key(where: str, event: Any, keys: Sequence[set[str] | None], is_key: list[bool]) -> None:
    """Refuse a key that its mapping already has."""
    if not keys or (mine := keys[-1]) is None:
        return
    if is_key[-1] and isinstance(event, yaml.ScalarEvent) and event.value != "<<":
        if event.value in mine:
            raise ConfigError(f"{where}: the key {shown(event.value)[1:-1]} appears twice; remove one")
        mine.add(event.value)
    is_key[-1] = not is_key[-1]


def _check_defaults(path: str, loaded: Any) -> None:
    """Refuse a file that is not a mapping, or whose defaults list gives a group of `ONE_OPTION` several options."""
    if not isinstance(loaded.config, DictConfig):
        raise ConfigError(f"{path} holds no settings; a configuration is a mapping of names to values")
    for default in loaded.defaults_list or ():
        group, option = str(getattr(default, "group", "")).lstrip("/"), getattr(default, "value", None)
        if group in ONE_OPTION and not isinstance(option, str | None):
            raise ConfigError(f"{path}: defaults has {group}: {shown(option)}; {one_option(group)}")


def one_option(group: str) -> str:
    """Return the remedy to print for a group that was given several options, or a value that is not an option's name."""
    return f"a group takes the name of one of its options; sweep over several with -m {group}=a,b"
