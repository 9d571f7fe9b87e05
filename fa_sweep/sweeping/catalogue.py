"""The catalogue: lists all sweeps and the shards of each run, without opening every file of a thousand sweeps.

It is a cache in the file `outputs/.catalogue`, which can be deleted at any time. If files change, their entry is made anew. The
catalogue only says where to look. Shards are verified when their rows are used, and records when they are read.
"""

import contextlib
import json
import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fa_sweep._typing import Array
from fa_sweep.errors import CannotWrite, Unreadable
from fa_sweep.sweeping.record import RECORD, read_record
from fa_sweep.sweeping.shards import SHARDS, read_run_ids
from fa_sweep.sweeping.storage import digest, read_bytes, read_json, remove_leavings, write_bytes

FILE = ".catalogue"
TRACKED = "tracked.json"
_RUN_ID = re.compile(r"[\w-]{1,64}", re.ASCII)  # of MLflow
_VERSION = 2
_NO_SWEEPS = ("artifacts", "reports")  # folders in outputs that hold thousands of other files
# If a file changes twice within one tick of the file system's clock, its time does not show the second change. Files younger
# than this are therefore read again by the next catalogue.
_SETTLED_NS = 2_000_000_000
Stamp = tuple[int, int]  # modification time in ns and size in bytes of a file; zeros if it does not exist
_NO_FILE = (0, 0)


@dataclass
class Shard:
    """What the catalogue knows of one shard.

    `name` is the name of the shard's file, and `runs` is the number of runs in it. `fault` says why the shard cannot be used;
    otherwise it is empty.
    """

    name: str
    stamp: Stamp
    runs: int
    fault: str


@dataclass
class Entry:
    """What the catalogue knows of the folder of one sweep or single run.

    Attributes:
        stamps: the stamps of the record, the tracking note and the folder of shards; (-1, -1) for a stamp that is too young.
        created_at_ms: the time in the record; 0 if there is no readable record.
        single: whether the record is of a single run.
        planned: the number of jobs in the record.
        uri: the tracking URI in the record.
        experiment: the MLflow experiment in the record.
        fault: why the record cannot be read; empty if it can.
        tracked: the id of the MLflow run that the tracking note names; empty if there is no note.
        children: how many children that run has, according to the note.
        shards: all shards in the folder.
    """

    stamps: tuple[Stamp, ...]
    created_at_ms: int = 0
    single: bool = False
    planned: int = 0
    uri: str = ""
    experiment: str = ""
    fault: str = ""
    tracked: str = ""
    children: int = 0
    shards: list[Shard] = field(default_factory=list)


# The last entries and run ids of each folder of outputs. A command makes three catalogues; only the first reads the file.
_latest: dict[Path, tuple[dict[str, Entry], dict[str, Array]]] = {}


class Catalogue:
    """The entries of all sweeps and single runs under a folder of outputs.

    Args:
        outputs: the folder of outputs.
        also: the folder of one more sweep, which may lie elsewhere.

    Attributes:
        entries: the entry of each sweep or single run, by the path of its folder.
    """

    def __init__(self, outputs: Path, also: Path | None = None) -> None:
        self.outputs = outputs
        self._before, self._ids_before = _latest.get(outputs.resolve()) or _load(outputs / FILE)
        self._ids: dict[str, Array] = {}
        self.entries: dict[str, Entry] = {}
        folders = list(_sweep_folders(str(outputs)))
        changed = [self._look_at(folder) for folder in folders]
        if any(changed) or len(self._before) != len(self.entries):
            self._save()
        _latest[outputs.resolve()] = dict(self.entries), dict(self._ids)
        if also is not None and str(also) not in folders:
            self._look_at(str(also))

    def _look_at(self, folder: str) -> bool:
        """Read a folder, unless it is unchanged. Return whether it holds a sweep whose entry is new or has changed."""
        stamps = tuple(_stamp(f"{folder}/{name}") for name in (RECORD, TRACKED, SHARDS))
        if not any(time_ns for time_ns, _ in stamps):
            remove_leavings(Path(folder))
            return False
        known = self._before.get(folder)
        if known is not None and known.stamps == stamps:
            self.entries[folder], self._ids[folder] = known, self._ids_before[folder]
            return False
        self.entries[folder] = self._read(Path(folder), stamps, known)
        return True

    def _read(self, folder: Path, stamps: tuple[Stamp, ...], known: Entry | None) -> Entry:
        for place in (folder, folder / SHARDS):
            remove_leavings(place)
        entry = Entry(tuple(stamp if _is_settled(stamp) else (-1, -1) for stamp in stamps))
        try:
            if (record := read_record(folder)) is not None:
                entry.created_at_ms, entry.single, entry.planned = record.created_at_ms, record.single, record.planned
                entry.uri, entry.experiment = record.tracking.uri, record.tracking.experiment
        except Unreadable as error:
            entry.fault = str(error)
        noted = read_tracking_note(folder)
        entry.tracked, entry.children = noted.get("run_id", ""), noted.get("children", 0)
        self._read_shards(folder, entry, known)
        return entry

    def _read_shards(self, folder: Path, entry: Entry, known: Entry | None) -> None:
        before = {(shard.name, shard.stamp): shard for shard in known.shards} if known is not None else {}
        ids_before = self._split(self._ids_before[str(folder)], known) if known is not None else {}
        ids: list[Array] = []
        for path in sorted((folder / SHARDS).glob("*.parquet")):
            stamp = _stamp(str(path))
            shard = before.get((path.name, stamp))
            if shard is None:
                try:
                    of_shard, fault = np.array([_number(i) for i in read_run_ids(path)], np.uint64), ""
                except Unreadable as error:
                    of_shard, fault = np.empty(0, np.uint64), str(error)
                shard = Shard(path.name, stamp, len(of_shard), fault)
            else:
                of_shard = ids_before[path.name]
            entry.shards.append(shard)
            ids.append(of_shard)
        self._ids[str(folder)] = np.concatenate([*ids, np.empty(0, np.uint64)])

    def _split(self, ids: Array, entry: Entry) -> dict[str, Array]:
        ends = np.cumsum([shard.runs for shard in entry.shards], dtype=int)
        return {shard.name: ids[end - shard.runs : end] for shard, end in zip(entry.shards, ends, strict=True)}

    def places(self, run_ids: Iterable[str]) -> dict[str, list[Path]]:
        """Return the paths of the shards that should hold each run, by run id. The content of the shards is not checked."""
        wanted = {_number(run_id): run_id for run_id in run_ids}
        numbers = np.sort(np.fromiter(wanted, np.uint64, len(wanted)))
        ids = np.concatenate([*self._ids.values(), np.empty(0, np.uint64)])
        if not len(numbers) or not len(ids):
            return {}
        shards = [(folder, shard) for folder in self._ids for shard in self.entries[folder].shards]
        ends = np.cumsum([shard.runs for _, shard in shards])
        hits = np.flatnonzero(numbers[np.minimum(np.searchsorted(numbers, ids), len(numbers) - 1)] == ids)
        found: dict[str, list[Path]] = {}
        for number, place in zip(ids[hits].tolist(), np.searchsorted(ends, hits, side="right").tolist(), strict=True):
            folder, shard = shards[place]
            found.setdefault(wanted[number], []).append(Path(folder, SHARDS, shard.name))
        return found

    def faults(self) -> list[str]:
        """Return one message for each shard that cannot be used."""
        return [shard.fault for entry in self.entries.values() for shard in entry.shards if shard.fault]

    def _save(self) -> None:
        body = np.concatenate([*(self._ids[folder] for folder in self.entries), np.empty(0, np.uint64)]).tobytes()
        entries = {os.path.relpath(folder, self.outputs): asdict(entry) for folder, entry in self.entries.items()}
        text = json.dumps({"version": _VERSION, "entries": entries}).encode()
        if self.outputs.is_dir():
            remove_leavings(self.outputs)
            with contextlib.suppress(CannotWrite):  # for example in another user's folder; every command then reads all files
                write_bytes(digest(text + body).encode() + b"\n" + text + b"\n" + body, self.outputs / FILE)


def read_tracking_note(folder: Path) -> dict[str, Any]:
    """Return the note that MLflow has a sweep. Empty if there is none, or if it is damaged.

    A sweep without a note is imported again, and the import finds out what MLflow already has. So nothing is lost with a note,
    but a wrong one could keep a sweep out of MLflow.
    """
    try:
        noted = read_json(folder / TRACKED)
    except Unreadable:
        return {}
    run_id, children = noted.get("run_id"), noted.get("children", 0)  # the first version noted no children
    is_whole = isinstance(run_id, str) and _RUN_ID.fullmatch(run_id) and type(children) is int and children >= 0
    return noted if is_whole else {}


def _load(path: Path) -> tuple[dict[str, Entry], dict[str, Array]]:
    """Return the entries and run ids of a saved catalogue, by folder; empty if there is none or if it is damaged."""
    entries: dict[str, Entry] = {}
    ids: dict[str, Array] = {}
    try:
        checksum, content = read_bytes(path).split(b"\n", 1)
        text, body = content.split(b"\n", 1)
        head = json.loads(text)
        if digest(text + body).encode() != checksum or head["version"] != _VERSION:
            return {}, {}
    except (Unreadable, ValueError):
        return {}, {}
    numbers, start = np.frombuffer(body, np.uint64), 0
    for name, values in head["entries"].items():
        shards = [Shard(**{**shard, "stamp": tuple(shard["stamp"])}) for shard in values["shards"]]
        folder, runs = f"{path.parent}/{name}", sum(shard.runs for shard in shards)
        entries[folder] = Entry(**{**values, "stamps": tuple(map(tuple, values["stamps"])), "shards": shards})
        ids[folder] = numbers[start : start + runs]
        start += runs
    return entries, ids


def _sweep_folders(outputs: str) -> Iterator[str]:
    for place in _subfolders(outputs):
        if os.path.basename(place) not in _NO_SWEEPS:
            yield from _subfolders(place)


def _subfolders(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [f"{folder}/{entry.name}" for entry in entries if _is_folder(entry)]
    except OSError:
        return []


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, for example, must not hide the folders beside it
        return False


def _stamp(path: str) -> Stamp:
    for look in (os.stat, os.lstat):  # lstat finds a link whose target is missing
        try:
            found = look(path)
        except OSError:
            continue
        return found.st_mtime_ns, found.st_size
    return _NO_FILE


def _is_settled(stamp: Stamp) -> bool:
    return stamp == _NO_FILE or time.time_ns() - stamp[0] > _SETTLED_NS


def _number(run_id: str) -> int:
    """Return the 16 hex digits of a run id as a number.

    Any other text gets a number too. `places` may then return a shard for it, but no row of this shard has the text as its run
    id.
    """
    try:
        return int(run_id, 16) % 2**64
    except ValueError:
        return int(digest(run_id.encode())[:16], 16)
