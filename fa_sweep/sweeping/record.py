"""A sweep's record: the file `sweep.json`, which describes the sweep as a whole.

The file may be damaged or written by another program. Reading it checks the type of every entry and, from format 2 on, a
checksum.
"""

import json
import math
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
from fa_sweep.settings.measures import read_outcomes
from fa_sweep.settings.schema import RESUME, AppConfig, TrackingConfig
from fa_sweep.sweeping.storage import digest, json_bytes, read_json

RECORD = "sweep.json"
# Format 1 lacks `format`, `resume`, `started`, `jobs_sha256` and `checksum`. In formats 1 and 2 the command line is one text.
FORMAT = 4
_ADDED_IN_4: dict[str, Any] = {"design": {}, "outcomes": [], "margin": None}
_ADDED_IN_2 = {"format": 1, "resume": "true", "started": "", "jobs_sha256": ""}


@dataclass(frozen=True)
class SweepRecord:
    """The record of a sweep, or of a single run.

    Attributes:
        format: the version of the file's format. A new record has FORMAT.
        flags: the command line's flags for Hydra.
        overrides: the command line's overrides, without tracking settings.
        preset: the name of the preset among the overrides; empty if there is none.
        single: whether this is a single run outside any sweep.
        created_at_ms: when the sweep was created, in Unix time.
        planned: the number of jobs.
        reused: the number of jobs that were reused.
        hash: the hash of the set of all job ids.
        tracking: where MLflow is to keep the sweep. In the file, secrets in the URI are masked.
        environment: the environment of the conducting process, the one that runs the command.
        host: the machine of the conducting process.
        pid: the process id of the conducting process.
        started: a text that distinguishes this process from others with the same id (see `process_started`).
        resume: the value of the setting `resume`.
        jobs_sha256: the SHA-256 of the job table's file; empty in a record of format 1.
        design: what the design of the sweep decided (see `fa_sweep.decisions.designs`); empty for a grid.
        outcomes: the value of the setting `outcomes`: what a report compares, if it was stated with the sweep.
        margin: the value of the setting `margin`.
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
    design: dict[str, Any]
    outcomes: list[str]
    margin: float | None

    def content(self) -> bytes:
        """Return the bytes to write to `sweep.json`: this record with its checksum, secrets masked."""
        values = redacted(asdict(self))
        return json_bytes({**values, "checksum": _checksum(values)})

    @property
    def command(self) -> str:
        """The command line, quoted for a shell."""
        return shlex.join(["python", "-m", "fa_sweep", *self.flags, *self.overrides])

    @property
    def preset_as_it_stands(self) -> str:
        """The preset, if all other overrides concern only Hydra or the application (such as `n_jobs`); otherwise empty."""
        apart = {"hydra", *names_with(AppConfig, Role.APPLICATION)} - {"design", "tune", "decide"}
        own = [text for text in self.overrides if group_of(text) not in apart]
        return self.preset if own == [f"+{_PRESET}={self.preset}"] else ""

    @property
    def is_process_alive(self) -> bool:
        """Whether the process that conducted the sweep is still running. False if it ran on another machine."""
        if self.host != platform.node():
            return False
        try:
            os.kill(self.pid, 0)
        except (ProcessLookupError, OverflowError):
            return False
        except PermissionError:
            pass
        # Another process may have got the same id in the meantime.
        return not self.started or process_started(self.pid) == self.started


_PRESET = "experiment"


def group_of(override: str) -> str:
    """Return the first part of the setting or group that an override names: "train" for `train.lr=0.1` or `+train.lr=0.1`."""
    return re.split(r"[=./@:]", override.lstrip("+~"), maxsplit=1)[0]


def preset_of(overrides: Iterable[str]) -> str:
    """Return the name of the preset among the overrides of a command line; empty if there is none."""
    return next((text.partition("=")[2] for text in overrides if group_of(text) == _PRESET), "")


FLAGS_WITH_A_VALUE = ("--config-dir", "-cd", "--config-path", "-cp", "--config-name", "-cn")


def split_words(words: Iterable[str]) -> tuple[list[str], list[str]]:
    """Split the words of a command line into two lists: Hydra's flags with their values, and the overrides."""
    flags: list[str] = []
    overrides: list[str] = []
    is_value = False
    for word in words:
        (flags if is_value or word.startswith("-") else overrides).append(word)
        is_value = not is_value and word in FLAGS_WITH_A_VALUE
    return flags, overrides


def _words(values: dict[str, Any]) -> dict[str, Any]:
    """Replace the command line in a record of format 1 or 2 by the flags, overrides and preset of format 3."""
    command = values.pop("command", None)
    if not isinstance(command, str):
        return values
    try:
        words = shlex.split(command)[3:]
    except ValueError:
        words = command.split()[3:]
    flags, overrides = split_words(words)
    return {**values, "flags": flags, "overrides": overrides, "preset": preset_of(overrides)}


def read_record(folder: Path) -> SweepRecord | None:
    """Return the record of the sweep in a folder, or None if there is none. Raises Unreadable if it is damaged."""
    path = folder / RECORD
    values = read_json(path)
    if not values:
        if os.path.lexists(path):
            raise Unreadable(f"{path} is empty, or a link to nothing")
        return None
    # A record counts as format 1, which has no checksum, only if all later keys are missing. One damaged key is not enough.
    is_first = not values.keys() & {*_ADDED_IN_2, "checksum"}
    checksum = values.pop("checksum", None)
    if not is_first and checksum != _checksum(values):
        raise Unreadable(f"{path} is damaged: its checksum does not fit")
    return _checked({**_ADDED_IN_4, **_ADDED_IN_2, **_words(values)}, path)


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
    if not isinstance(values["design"], dict):
        raise Unreadable(f"{path} is damaged: design is {_shown(values['design'])}")
    if values["format"] > FORMAT:
        raise Unreadable(f"{path} has format {values['format']}, of a newer version of fa_sweep; this one reads up to {FORMAT}")
    if resume not in RESUME or not 0 < values["created_at_ms"] < 2**53:
        raise Unreadable(f"{path} is damaged: resume is {_shown(resume)}, created_at_ms is {_shown(values['created_at_ms'])}")
    _check_outcomes(values["outcomes"], values["margin"], path)
    return SweepRecord(**{**{name: values[name] for name in known}, "tracking": _tracking(values["tracking"], path)})


def _check_outcomes(outcomes: Any, margin: Any, path: Path) -> None:
    try:
        if not isinstance(outcomes, list) or read_outcomes("outcomes", outcomes) != outcomes:
            raise ConfigError(f"outcomes is {_shown(outcomes)}")
        if margin is not None and (type(margin) is not float or not 0 < margin < math.inf):
            raise ConfigError(f"margin is {_shown(margin)}")
    except ConfigError as error:
        raise Unreadable(f"{path} is damaged: {error}") from error


def _tracking(values: Any, path: Path) -> TrackingConfig:
    names = {field.name for field in fields(TrackingConfig)}
    # Older records lack these two settings: such sweeps sent whole histories, with MLflow's own time limit.
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
    except (ValueError, RecursionError):  # an integer with thousands of digits
        text = type(value).__name__
    return text if len(text) <= 60 else f"{text[:57]}..."


def process_started(pid: int) -> str:
    """Return a text that distinguishes a process from earlier and later processes with the same process id.

    On Linux the text consists of the id of the boot and the clock ticks between the boot and the start of the process.
    It is empty on other systems, and if there is no such process.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        ticks = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
    return f"{boot}/{ticks}"
