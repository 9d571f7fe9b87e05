"""A sweep's record, `sweep.json`: what is known of the sweep as a whole, checked when it is read.

The file may be damaged, or somebody else's: nothing in it is believed before its type has been checked, and a record of this
version's format carries a checksum.
"""

import json
import os
import platform
import re
import shlex
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from fa_sweep.errors import ConfigError, Unreadable
from fa_sweep.process.secrets import redacted
from fa_sweep.roles import Role, names_with
from fa_sweep.settings.schema import RESUME, AppConfig, TrackingConfig
from fa_sweep.sweep.storage import digest, json_bytes, read_json

RECORD = "sweep.json"
FORMAT = 3  # 1: without format, resume, started, jobs_sha256 and checksum; until 2 the command line was one text
_ADDED_IN_2 = {"format": 1, "resume": "true", "started": "", "jobs_sha256": ""}


@dataclass(frozen=True)
class SweepRecord:
    """What is known of a sweep, or of a single run, as a whole.

    `flags` and `overrides` are the words of the command line, without tracking settings, and `preset` names the preset among
    them, empty where there is none; `created_at_ms` is Unix time; `planned` and `reused` count jobs;
    `hash` is that of the set of its jobs' ids; `tracking` says where MLflow is to hold it, its URI without secrets;
    `environment` is the launching process's; `host`, `pid` and `started` name that process (see `process_started`);
    `jobs_sha256` is the SHA-256 of the job table's file, empty where the format had none.
    """

    format: int
    flags: list[str]
    overrides: list[str]
    preset: str
    single: bool
    created_at_ms: int
    planned: int
    reused: int
    hash: str
    tracking: TrackingConfig
    environment: dict[str, str]
    host: str
    pid: int
    started: str
    resume: str
    jobs_sha256: str

    def content(self) -> bytes:
        """Return the content of the file."""
        values = redacted(asdict(self))
        return json_bytes({**values, "checksum": _checksum(values)})

    @property
    def command(self) -> str:
        """The command line, for a shell."""
        return shlex.join(["python", "-m", "fa_sweep", *self.flags, *self.overrides])

    @property
    def preset_as_it_stands(self) -> str:
        """The preset that the sweep ran with its settings unchanged; empty if it ran none, or changed one of its settings."""
        own = [text for text in self.overrides if group_of(text) not in ("hydra", *names_with(AppConfig, Role.APPLICATION))]
        return self.preset if own == [f"+{_PRESET}={self.preset}"] else ""

    @property
    def is_process_alive(self) -> bool:
        """Whether the process that conducted the sweep still runs; only this machine's processes can be asked for."""
        if self.host != platform.node():
            return False
        try:
            os.kill(self.pid, 0)
        except (ProcessLookupError, OverflowError):
            return False
        except PermissionError:
            pass
        # Another process may have the number by now.
        return not self.started or process_started(self.pid) == self.started


_PRESET = "experiment"


def group_of(override: str) -> str:
    """Return the first part of the setting or group that an override names, in whatever form: `tracking`, `train`."""
    return re.split(r"[=./@:]", override.lstrip("+~"), maxsplit=1)[0]


def preset_of(overrides: Iterable[str]) -> str:
    """Return the preset among the overrides of a command line; empty if there is none."""
    return next((text.partition("=")[2] for text in overrides if group_of(text) == _PRESET), "")


def _words(values: dict[str, Any]) -> dict[str, Any]:
    """Return a record of format 1 or 2 with the words of its command line one by one, as format 3 has them."""
    command = values.pop("command", None)
    if not isinstance(command, str):
        return values
    try:
        words = shlex.split(command)[3:]
    except ValueError:
        words = command.split()[3:]
    flags = [word for word in words if word.startswith("-")]
    overrides = [word for word in words if not word.startswith("-")]
    return {**values, "flags": flags, "overrides": overrides, "preset": preset_of(overrides)}


def read_record(folder: Path) -> SweepRecord | None:
    """Return the record of the sweep in a folder; None if there is none. Raises Unreadable for a damaged one."""
    path = folder / RECORD
    values = read_json(path)
    if not values:
        if os.path.lexists(path):
            raise Unreadable(f"{path} is empty, or a link to nothing")
        return None
    # A damaged key must not make a record pass for one of the first format, which had no checksum.
    is_first = not values.keys() & {*_ADDED_IN_2, "checksum"}
    checksum = values.pop("checksum", None)
    if not is_first and checksum != _checksum(values):
        raise Unreadable(f"{path} is damaged: its checksum does not fit")
    return _checked({**_ADDED_IN_2, **_words(values)}, path)


def _checked(values: dict[str, Any], path: Path) -> SweepRecord:
    known = {field.name: field.type for field in fields(SweepRecord)}
    for name, kind in known.items():
        if name not in values:
            raise Unreadable(f"{path} is damaged: {name} is missing")
        if isinstance(kind, type) and kind in (int, str, bool) and type(values[name]) is not kind:
            raise Unreadable(f"{path} is damaged: {name} is {_shown(values[name])}")
    for name in ("flags", "overrides"):
        if not isinstance(values[name], list) or not all(isinstance(word, str) for word in values[name]):
            raise Unreadable(f"{path} is damaged: {name} is {_shown(values[name])}")
    environment, resume = values["environment"], values["resume"]
    if not isinstance(environment, dict) or not all(isinstance(value, str) for value in environment.values()):
        raise Unreadable(f"{path} is damaged: environment is {_shown(environment)}")
    if values["format"] > FORMAT:
        raise Unreadable(f"{path} has format {values['format']}, of a newer version of fa_sweep; this one reads up to {FORMAT}")
    if resume not in RESUME or not 0 < values["created_at_ms"] < 2**53:
        raise Unreadable(f"{path} is damaged: resume is {_shown(resume)}, created_at_ms is {_shown(values['created_at_ms'])}")
    return SweepRecord(**{**{name: values[name] for name in known}, "tracking": _tracking(values["tracking"], path)})


def _tracking(values: Any, path: Path) -> TrackingConfig:
    names = {field.name for field in fields(TrackingConfig)}
    # Sweeps from before there was a choice of histories sent whole ones, and were waited for as long as MLflow likes.
    known = {"history": "full", "timeout_s": 30.0, **values} if isinstance(values, dict) else {}
    if set(known) != names or not all(type(known[f.name]) is f.type for f in fields(TrackingConfig)):
        raise Unreadable(f"{path} is damaged: tracking is {_shown(values)}")
    try:
        return TrackingConfig(**known)
    except ConfigError as error:
        raise Unreadable(f"{path} is damaged: {error}") from error


def _checksum(values: dict[str, Any]) -> str:
    return digest(json.dumps(values, sort_keys=True).encode())


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number of thousands of digits
        text = type(value).__name__
    return text if len(text) <= 60 else f"{text[:57]}..."


def process_started(pid: int) -> str:
    """Return what tells a process from an earlier or later one of the same number; empty where the system does not say.

    Linux: the boot, and the clock ticks from it to the process's start.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        ticks = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
    return f"{boot}/{ticks}"
