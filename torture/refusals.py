"""Collects all cases that the program must refuse: command lines, and the files that they name."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torture import lines
from torture.configs import YAML
from torture.datasets import CSV, IDX, NPZ, bomb

Content = bytes | Callable[[Path], object]


@dataclass(frozen=True)
class Refusal:
    """A command line that the program must refuse.

    Attributes:
        kind: the row of the table that counts the case.
        arguments: the command's arguments.
        what: which file is wrong and how; empty if only the command line is wrong.
        files: the files to make first, by their path in the working folder. A value is the file's content, or a function that
            makes the file at a given path.
        environment: further environment variables.
        module: the module to run.
    """

    kind: str
    arguments: Sequence[str]
    what: str = ""
    files: Mapping[str, Content] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    module: str = "fa_sweep"

    def __str__(self) -> str:
        words = " ".join(self.arguments).encode(errors="backslashreplace").decode()
        words = words if len(words) < 100 else f"{words[:90]}..."
        set_to = "".join(f"{name}={value} " for name, value in self.environment.items())
        return f"{set_to}{self.module} {words}" + (f" with {self.what}" if self.what else "")


SPECIAL: Mapping[str, Content] = {
    "a FIFO": os.mkfifo, "a folder": lambda path: path.mkdir(), "a link to nothing": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to /dev/zero": lambda path: path.symlink_to("/dev/zero"),
    "a link to /dev/null": lambda path: path.symlink_to("/dev/null"),
}  # fmt: skip


def refusals() -> list[Refusal]:
    """Return all cases that the program must refuse."""
    cases = [Refusal("override", [text]) for text in lines.GRAMMAR]
    cases += [Refusal("sweep", ["-m", text]) for text in lines.SWEPT]
    cases += [Refusal("value", [text]) for text in lines.VALUES] + [Refusal("value", words) for words in lines.TOGETHER]
    cases += [Refusal("flag", words) for words in lines.FLAGS]
    cases += [Refusal("tracking", [_tracking(uri)]) for uri in lines.TRACKING]
    from_outside = ("nonsense", "sqlite:////proc/x.db", "http://[")
    cases += [Refusal("tracking", ["seed=1"], environment={"MLFLOW_TRACKING_URI": uri}) for uri in from_outside]
    cases += [Refusal("analysis", words, module="analysis") for words in lines.ANALYSIS]
    mine = ["--config-dir", "own", "+experiment=mine"]
    cases += _with_files("config", mine, "own/experiment/mine.yaml", {**YAML, **SPECIAL})
    cases += _with_files("data", ["task=csv", "task.target=y", "task.path=data.csv"], "data.csv", {**CSV, **SPECIAL})
    npz: Mapping[str, Content] = {**NPZ, **SPECIAL, "2 MB that unpack to 2 GB": bomb}
    cases += _with_files("data", ["task=images", "task.path=data.npz"], "data.npz", npz)
    cases += _with_files("data", ["task=images", "task.path=data-images-idx3-ubyte"], "data-images-idx3-ubyte", IDX)
    return cases


def _tracking(uri: str) -> str:
    return f"tracking.uri={uri}" if uri in ("''", "null", "[]") else f'tracking.uri="{uri}"'


def _with_files(kind: str, arguments: Sequence[str], file: str, contents: Mapping[str, Content]) -> list[Refusal]:
    return [Refusal(kind, arguments, f"{file}: {what}", {file: data}) for what, data in contents.items()]
