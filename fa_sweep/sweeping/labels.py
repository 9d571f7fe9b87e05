"""The labels of a sweep: its name and tags, which the user chooses and may change. Nothing else depends on them."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from fa_sweep.checks import label
from fa_sweep.errors import ConfigError, Unreadable
from fa_sweep.process.notices import say_once
from fa_sweep.sweeping.storage import read_json, write_json

LABELS = "labels.json"


@dataclass(frozen=True)
class Labels:
    """The labels of a sweep. `name` is empty if it has none."""

    name: str = ""
    tags: tuple[str, ...] = ()


def read_labels(folder: Path) -> Labels:
    """Return the labels of the sweep in a folder. If the file is damaged, the user is told, and there are none."""
    path = folder / LABELS
    try:
        values = read_json(path)
        name, tags = values.get("name", ""), values.get("tags", [])
        if not isinstance(name, str) or not isinstance(tags, list):
            raise ConfigError("name must be a text, and tags a list")
        for text in filter(None, (name, *tags)):
            label("name or tag", text)
    except Unreadable as error:
        say_once(f"{error}; the name and the tags of this sweep are not shown")
        return Labels()
    except (ConfigError, TypeError) as error:
        say_once(f"{path} is damaged: {error}; the name and the tags of this sweep are not shown")
        return Labels()
    return Labels(name, tuple(tags))


def write_labels(folder: Path, name: str, tags: Iterable[str] = ()) -> None:
    """Write the labels of the sweep in a folder, in place of any before. Raises CannotWrite."""
    write_json(asdict(Labels(name, tuple(dict.fromkeys(tags)))), folder / LABELS)
