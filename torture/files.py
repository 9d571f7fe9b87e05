"""Puts foreign files, damaged files, FIFOs, links and other special files in the places of the program's own files.

No such file may crash a command or make it hang. The command must report the file in one line.
"""

import hashlib
import json
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar

from torture.case import Common, Outcome, Task, attributed, traceback_in
from torture.contents import ANY, JSON, altered
from torture.leftovers import NEXT, Leftovers, leftovers_of, move
from torture.program import Ended
from torture.tables import NEARLY, variations
from torture.truth import shards_of, stored, tracked_in, wrong_in_store

LIMIT_S = 10.0
COPIES = 10  # how many hostile files one command meets
HELD = {
    "Parquet in shards/": "no traceback, no hang; said in one line, or not needed; true runs are used, with true numbers",
    "content of a record": "no traceback, no hang; said in one line, or imported as it was",
    "field of a record": "likewise",
    "no regular file": "likewise",
    "in outputs/": "one line; without it, the same command completes",
    "later command": "status 0",
}


@dataclass(frozen=True)
class Plant:
    """One hostile file.

    Attributes:
        kind: the row of the table that counts the case.
        what: what the file is or contains.
        file: the name of the file.
        make: the function that makes the file at a given path.
        said: whether the command must report the file, unless it does not need it. If false, it may use the file, but the
            numbers must be true.
    """

    kind: str
    what: str
    file: str
    make: Callable[[Path], object]
    said: bool = False


def written(data: bytes) -> Callable[[Path], object]:
    """Return a function that writes a file with this content at a given path."""
    return lambda path: path.write_bytes(data)


def _socket(path: Path) -> None:
    """Make a socket at a path. It is bound at a shorter path and then moved, since a socket's address must be short."""
    with socket.socket(socket.AF_UNIX) as left:
        here = path.parent.with_name("s")
        left.bind(str(here)) if len(str(here)) < 100 else os.mknod(here, 0o140600)
        here.rename(path)


def _folder(path: Path) -> None:
    path.mkdir()
    (path / "a.json").write_text("{}")


def _link_to_fifo(path: Path) -> None:
    os.mkfifo(path.with_name("fifo"))
    path.symlink_to("fifo")


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(3 * 2**30)


SPECIAL: Mapping[str, Callable[[Path], object]] = {
    "a FIFO": os.mkfifo,
    "a socket": _socket,
    "a folder": Path.mkdir,
    "a folder with files": _folder,
    "a link to nothing": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to a FIFO": _link_to_fifo,
    "a link to /dev/zero": lambda path: path.symlink_to("/dev/zero"),
    "a link to /dev/null": lambda path: path.symlink_to("/dev/null"),
    "a link to /proc/self/mem": lambda path: path.symlink_to("/proc/self/mem"),
    "a link to its own folder": lambda path: path.symlink_to("."),
    "3 GB of nothing": _sparse,
}


@dataclass
class Files(Common):
    """About 900 hostile files. Most commands meet ten of them at once, in different left-over sweeps or in one folder."""

    name = "files"
    leftovers: Leftovers = field(init=False)
    held: ClassVar[Mapping[str, str]] = HELD

    def prepare(self, folder: Path) -> None:
        """Make the left-over sweeps that the tasks copy and damage."""
        self.leftovers = leftovers_of(self.program, folder / "leftovers")

    def tasks(self) -> Sequence[Task]:
        """Return one task per ten hostile files in sweeps, and one task per hostile file directly in outputs/."""
        groups = [partial(self._group, plants=some) for some in _tens(self._shards())]
        groups += [partial(self._group, plants=some) for some in _tens(self._records())]
        groups += [partial(self._alone, plant=plant) for plant in self._in_outputs()]
        self.random("order").shuffle(groups)
        return [self.task(number, partial(run, number=number)) for number, run in enumerate(groups)]

    def _shards(self) -> list[Plant]:
        """Return hostile files for shards/. Each content comes under a foreign name, and under a shard's name."""
        (shard,) = self.leftovers.bare.glob("outputs/sweeps/*/shards/*.parquet")
        contents = [*variations(shard), *ANY.items()]
        plants = [
            Plant("Parquet in shards/", f"{what}{own}", name, written(data), said=what not in NEARLY)
            for number, (what, data) in enumerate(contents)
            for own, name in (("", f"x{number}.parquet"), (", under a right name", named_like(shard, data, number)))
        ]
        plants += [
            Plant("no regular file", f"{what} in shards/", f"s{number}.parquet", make, said=True)
            for number, (what, make) in enumerate(SPECIAL.items())
        ]
        return self.random("shards").sample(plants, len(plants))

    def _records(self) -> list[Plant]:
        """Return hostile job tables and records of a left-over sweep. In some records only one field is changed."""
        folder = self.leftovers.tracked / "outputs/sweeps" / self.leftovers.names[0]
        records = {path.name: path.read_bytes() for path in sorted(folder.glob("*.json"))} | {"failures.json": b'{"0123": "E"}'}
        plants: list[Plant] = []
        for name in (*records, "jobs.parquet"):
            contents = ANY | (JSON if name != "jobs.parquet" else {})
            plants += [
                Plant("content of a record", f"{name} is {what}", name, written(data)) for what, data in contents.items()
            ]
            plants += [Plant("no regular file", f"{name} is {what}", name, make) for what, make in SPECIAL.items()]
        for name, data in records.items():
            fields = altered(json.loads(data), self.random(f"fields of {name}"))
            plants += [Plant("field of a record", f"{name}: {what}", name, written(content)) for what, content in fields]
        return self.random("records").sample(plants, len(plants))

    def _in_outputs(self) -> list[Plant]:
        """Return hostile files to put in place of the entries of outputs/, such as the database or the folder of reports."""
        entries = [*sorted(path.name for path in (self.leftovers.bare / "outputs").iterdir()), "reports", "runs"]
        makes = {what: make for what, make in SPECIAL.items() if what not in ("3 GB of nothing", "a folder with files")}
        makes |= {what: written(ANY[what]) for what in ("nothing", "64 zeros", "a page of HTML")}
        return [
            Plant("in outputs/", f"outputs/{entry} is {what}", entry, make)
            for entry in dict.fromkeys(entries)
            for what, make in makes.items()
            if not (what == "a folder" and (self.leftovers.bare / "outputs" / entry).is_dir())
        ]

    def _group(self, folder: Path, number: int, plants: list[Plant]) -> list[Outcome]:
        """Plant several files in one working folder, and run the command there twice."""
        cwd, later = folder / "work", ""

        def attempt(some: Sequence[Plant]) -> Sequence[str] | str:
            nonlocal later
            shutil.rmtree(cwd, ignore_errors=True)
            self.leftovers.copy_to(cwd)
            places = [self._plant(plant, cwd, position) for position, plant in enumerate(some)]
            run = self.program.run if number % 10 == 0 else self.program.quick
            done = run(NEXT, cwd, limit=LIMIT_S + (5 if number % 10 == 0 else 0))
            if wrong := _broken(done):
                return wrong
            if wrong := "; ".join(self._wrong(cwd)):
                return wrong
            again = self.program.quick(NEXT, cwd, limit=LIMIT_S)
            later = _broken(again) or "; ".join(self._wrong(cwd))
            return [self._verdict(plant, place, cwd, done) for plant, place in zip(some, places, strict=True)]

        problems = attributed(plants, attempt)
        outcomes = [Outcome(plant.kind, plant.what, problem) for plant, problem in zip(plants, problems, strict=True)]
        return [*outcomes, Outcome("later command", f"after {plants[0].what} and others", later)]

    def _plant(self, plant: Plant, cwd: Path, position: int) -> Path:
        """Plant a file in shards/, or in place of a file of the left-over with index `position`. Return its path."""
        sweeps = cwd / "outputs/sweeps"
        if plant.file.endswith(".parquet") and plant.file != "jobs.parquet":
            (shards,) = (path for path in sweeps.glob("*/shards") if path.is_dir())
            path = shards / plant.file
        else:
            path = sweeps / self.leftovers.names[position] / plant.file
            path.unlink(missing_ok=True)
        plant.make(path)
        return path

    def _wrong(self, cwd: Path) -> list[str]:
        """Return what is wrong with the command's own sweep, which reuses two runs and trains one."""
        runs = tracked_in(stored(cwd / "outputs/mlflow.db"), "fa_sweep")
        ours = [run for run in runs if run.tags.get("fa_sweep.planned") == "3"]
        children = [run for run in runs if run.parent in {parent.id for parent in ours}]
        return wrong_in_store([*ours, *children], self.leftovers.next_truth)

    def _verdict(self, plant: Plant, place: Path, cwd: Path, done: Ended) -> str:
        in_shards = place.parent.name == "shards"
        name = place.name.removesuffix(".parquet") if in_shards else place.parent.name
        lines = done.lines(name.lower())
        if len(lines) > 1:
            return f"said in {len(lines)} lines"
        if in_shards:
            return "" if lines or not plant.said else self._where_needed(plant, cwd)
        return self.leftovers.verdict(cwd, place.parent.name, done.said)

    def _where_needed(self, plant: Plant, cwd: Path) -> str:
        """Judge a shard that the command did not report, which is right if it found all its runs in the intact shard.

        In a copy without the intact shard, the command must report it, and train the runs again.
        """
        alone = Path(tempfile.mkdtemp(prefix="alone-", dir=cwd.parent)) / "work"
        self.leftovers.copy_to(alone)
        for shard in shards_of(alone / "outputs"):
            shard.unlink()
        place = self._plant(plant, alone, 0)
        done = self.program.quick(NEXT, alone, limit=LIMIT_S)
        said = [] if len(done.lines(place.stem.lower())) == 1 else ["not said in one line"]
        problems = [wrong for wrong in (_broken(done), *said, *self._wrong(alone)) if wrong]
        return f"not said; without the intact shard: {'; '.join(problems)}" if problems else ""

    def _alone(self, folder: Path, number: int, plant: Plant) -> list[Outcome]:
        """Plant a file in outputs/ and run the command. Then remove the file and run the same command again."""
        cwd = folder / "work"
        move(self.leftovers.bare, cwd)
        place = cwd / "outputs" / plant.file
        shutil.rmtree(place, ignore_errors=True) if place.is_dir() else place.unlink(missing_ok=True)
        plant.make(place)
        first = self.program.quick(NEXT, cwd, limit=LIMIT_S)
        problem = _broken(first, statuses=(0, 1, 2))
        if not problem and first.status != 0 and not 1 <= len(first.lines()) <= 3:
            problem = f"said in {len(first.lines())} lines"
        _remove(place)
        again = self.program.quick(NEXT, cwd, limit=30)
        problem = problem or _broken(again) or "; ".join(self._wrong(cwd))
        return [Outcome(plant.kind, plant.what, problem)]


def _tens(plants: Sequence[Plant]) -> list[list[Plant]]:
    return [list(plants[start : start + COPIES]) for start in range(0, len(plants), COPIES)]


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)


def _broken(done: Ended, statuses: Sequence[int] = (0,)) -> str:
    """Return how a command failed: it hung, had a wrong status or printed a traceback. Empty if it did none of these."""
    if done.status is None:
        return f"hangs: ended after {done.seconds:.0f} s"
    if done.status not in statuses:
        return traceback_in(done.said) or f"status {done.status}: {done.err.strip()[-150:]}"
    return traceback_in(done.said)


def named_like(shard: Path, data: bytes, number: int) -> str:
    """Return the file name that a shard with another content would have.

    Args:
        shard: a true shard, whose name shows the pattern.
        data: the content; its digest is part of the name.
        number: a number that makes the names of files with the same content differ.
    """
    digest = hashlib.sha256(data).hexdigest()
    if found := re.fullmatch(r"([0-9a-f]{12})-([0-9a-f]{32})", shard.stem):
        return f"{int(found[1], 16) + number:012x}-{digest[:32]}.parquet"
    return f"{digest[:12]}.parquet"
