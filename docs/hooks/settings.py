"""Describes every setting: its type, range, default and meaning.

Type and meaning come from the dataclasses of the settings and their docstrings, defaults from conf/. The range is what the
program itself says when it refuses a value that is out of range.
"""

import dataclasses
import inspect
import math
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np
import yaml  # type: ignore[import-untyped]

from fa_sweep.cli.configuration import conf_dir
from fa_sweep.cli.own_conf import composer_of_conf
from fa_sweep.errors import ConfigError
from fa_sweep.feedback import MODES, FeedbackConfig
from fa_sweep.tasks import TaskConfig
from hydra_plugins.fa_sweep.stack_launcher import StackLauncherConf

TYPES = {int: "whole number", float: "number", bool: "true or false", str: "text", type(None): "null", Any: "any"}
# Values that a setting of each type is likely to refuse.
UNUSABLE: dict[Any, tuple[Any, ...]] = {int: (-1, 0), float: (-1.0, 0.0, math.nan, 1e9), str: ("?", "")}
TABLE = re.compile(r"[;,] a key of `\w+`")  # the range lists the keys
REMEDY = re.compile(r"^(did you mean .*\? )?(it must be|choose|write|give|every width must be) ")
ENTRY = re.compile(r"^    ( *)(\w+): (.*(?:\n(?:    \1 +.*|$))*)", re.MULTILINE)


@dataclass(frozen=True)
class Setting:
    """One setting. All texts are Markdown. `default` is None if the settings of its section have different defaults."""

    name: str
    kind: str
    allowed: str
    default: str | None
    meaning: str


@dataclass(frozen=True)
class Section:
    """The settings of one group, or those that only one of its options has."""

    title: str
    intro: str
    settings: list[Setting]


def meanings(schema: type) -> dict[str, str]:
    """Return what the docstrings of a dataclass and of its parents say about each field."""
    found: dict[str, str] = {}
    for each in reversed(schema.__mro__):
        text = inspect.cleandoc(vars(each).get("__doc__") or "")
        for part in re.findall(r"^(?:Args|Attributes):\n((?:    .*\n?|\n)+)", text, re.MULTILINE):
            found |= {name: TABLE.sub("", " ".join(meaning.split())) for _, name, meaning in ENTRY.findall(part)}
    return found


def kind_of(hint: Any) -> str:
    """Return the type of a setting in words."""
    if get_origin(hint) is list:
        return f"list of {kind_of(get_args(hint)[0])}s"
    if isinstance(hint, UnionType) or len(get_args(hint)) > 1:
        return " or ".join(kind_of(each) for each in get_args(hint))
    return TYPES[hint]


def allowed(group: Any, name: str, hint: Any) -> str:
    """Return the range of a setting, in the words in which `group` refuses a value outside of it; empty if it takes all values.

    Args:
        group: usable settings of the group, an instance of its dataclass.
        name: the field.
        hint: the type of the field.
    """
    found: dict[str, None] = {}
    for one in get_args(hint) if isinstance(hint, UnionType) else (hint,):
        listed = get_origin(one) is list
        for value in UNUSABLE.get(get_args(one)[0] if listed else one, ()):
            try:
                dataclasses.replace(group, **{name: [value] if listed else value})
            except ConfigError as error:
                fault, _, remedy = str(error).rpartition("; ")
                if name in fault:  # and not a consequence of the value for another setting or a file
                    found["not empty" if value == "" else REMEDY.sub("", remedy)] = None
                    break
    return "; ".join(found)


def sections() -> Iterator[Section]:
    """Yield all settings, section by section."""
    with tempfile.TemporaryDirectory() as folder:
        app = _settings([])
        intro = "These stand at the top level. `seed`, `dtype` and `engine` belong to each run, the others to the command."
        yield Section("The run and the command", intro, _rows(app, "", _yaml("config.yaml")))
        for group, shared in (("task", TaskConfig), ("feedback", FeedbackConfig)):
            names = [each.name for each in dataclasses.fields(shared)]
            yield _group(app, group, names)
            for option in _options(group):
                yield _own_settings(group, option, names, Path(folder))
        for group in ("model", "init", "train", "tracking"):
            yield _group(app, group)
        pages = {"tune": "[Tune each mode, then compare](../howto/tuning.md)", "decide": "[How many seeds?](../howto/seeds.md)"}
        for name, page in pages.items():  # groups of settings that have no options
            yield Section(f"`{name}`", f"See {page}.", _rows(getattr(app, name), f"{name}.", _yaml("config.yaml")[name]))
    launcher = StackLauncherConf()
    intro = "See [From laptop to cluster](../howto/cluster.md)."
    yield Section("`hydra.launcher`", intro, _rows(launcher, "hydra.launcher.", dataclasses.asdict(launcher)))


def _group(app: Any, group: str, names: Sequence[str] | None = None) -> Section:
    """Return the settings of a group, or those named, which all of its options share."""
    usual, options = _defaults(group), _options(group)
    intro = ""
    if len(options) > 1:
        listed = ", ".join(f"`{name}`" for name in options)
        intro = f"`{group}=NAME` chooses one of {listed}. The defaults below are those of `{usual}`."
    if names is None:
        intro = " ".join([intro, *filter(None, (_difference(group, option) for option in options))])
    rows = _rows(getattr(app, group), f"{group}.", _yaml(f"{group}/{usual}.yaml"), names)
    return Section(f"`{group}`", intro, rows)


def _own_settings(group: str, option: str, shared: Sequence[str], folder: Path) -> Section:
    """Return what an option has beside the settings that all options share, and where its defaults of these differ."""
    path = f"{group}/{option}.yaml"
    settings = getattr(_settings(_words(group, option, folder)), group)
    own = [each.name for each in dataclasses.fields(settings) if each.name not in shared]
    intro = " ".join(filter(None, (_first_comment(path), _difference(group, option, shared))))
    return Section(f"`{group}={option}`", intro, _rows(settings, f"{group}.", _yaml(path), own))


def _rows(group: Any, prefix: str, defaults: dict[str, Any] | None, names: Sequence[str] | None = None) -> list[Setting]:
    """Describe the settings of a group, and of the groups inside it, apart from those that have a section of their own."""
    hints, texts, rows = get_type_hints(type(group)), meanings(type(group)), []
    for name in [each.name for each in dataclasses.fields(group) if not each.name.startswith("_")] if names is None else names:
        value = getattr(group, name)
        if dataclasses.is_dataclass(value):
            if prefix:
                rows += _rows(value, f"{prefix}{name}.", None if defaults is None else defaults[name])
            continue
        default = None if defaults is None else _shown(defaults[name])
        rows.append(
            Setting(f"{prefix}{name}", kind_of(hints[name]), allowed(group, name, hints[name]), default, texts.get(name, ""))
        )
    return rows


def _settings(words: Sequence[str]) -> Any:
    return composer_of_conf().settings(words)


def _words(group: str, option: str, folder: Path) -> list[str]:
    """Return the words that choose an option, together with what it needs: a file, or one-hot targets."""
    words, values = [f"{group}={option}"], _yaml(f"{group}/{option}.yaml")
    if group == "task" and "path" in values:
        words.append(f"task.path={_data(folder, option)}")
    if group == "task" and "target" in values:
        words.append("task.target=y")
    if group == "feedback" and MODES[option].one_hot:
        words.append("task=digits")
    return words


def _data(folder: Path, task: str) -> Path:
    """Write a small file that a task can read: a table with a target y, or images."""
    labels = np.arange(2000) % 2
    path = folder / ("data.csv" if task == "csv" else "data.npz")
    if task == "csv":
        path.write_text("x,y\n" + "".join(f"{n / 2000},{label}\n" for n, label in enumerate(labels)), encoding="utf-8")
    else:
        np.savez(path, x=np.zeros((2000, 2, 2)), y=labels)
    return path


@cache
def _yaml(name: str) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((Path(conf_dir()) / name).read_text(encoding="utf-8"))
    return values


def _options(group: str) -> list[str]:
    return sorted(path.stem for path in (Path(conf_dir()) / group).glob("*.yaml"))


def _defaults(group: str) -> str:
    """Return the option of a group that is chosen if no other is."""
    return str(next(each[group] for each in _yaml("config.yaml")["defaults"] if group in each))


def _first_comment(name: str) -> str:
    """Return the comment at the top of a file of settings."""
    lines = (Path(conf_dir()) / name).read_text(encoding="utf-8").splitlines()
    text = " ".join(line.removeprefix("#").strip() for line in takewhile(lambda line: line.startswith("#"), lines))
    return f"{text.rstrip('.')}." if text else ""


def _difference(group: str, option: str, names: Sequence[str] | None = None) -> str:
    """Say which defaults of an option differ from those of the usual option of its group, apart from its name."""
    usual, values = _flat(_yaml(f"{group}/{_defaults(group)}.yaml")), _flat(_yaml(f"{group}/{option}.yaml"))
    skipped = {"name", "mode", "defaults"}
    changed = [
        f"`{group}.{key}` is {_shown(value)}"
        for key, value in values.items()
        if key not in skipped and value != usual.get(key) and (names is None or key.partition(".")[0] in names)
    ]
    return f"With `{group}={option}`, the default of {', of '.join(changed)}." if changed else ""


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings by their dotted names."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def _shown(value: Any) -> str:
    if value == "???":
        return "none: it must be given"
    if isinstance(value, str) and (reference := re.fullmatch(r"\$\{(.+)\}", value)):
        return f"that of `{reference[1].lstrip('.')}`"
    if value == "":
        return "empty"
    return f"`{yaml.safe_dump(value, default_flow_style=True, width=999).splitlines()[0]}`"
