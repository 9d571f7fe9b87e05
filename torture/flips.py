"""Flips single bits in shards, job tables and records. The program must report each flip that changes what a reader sees.

A sweep of many network structures has one shard per structure. One bit is flipped in each shard, and one command then reads
all the shards. For job tables and records, one bit is flipped in each of many left-over sweeps, and one command then imports
all these sweeps, each into its own experiment.
"""

import os
import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from torture.case import Common, Outcome, Task, attributed, traceback_in
from torture.leftovers import NEXT, Leftovers, leftovers_of
from torture.truth import Truth, changed, digests_in, shards_of, stored, tracked_in, wrong_in_store

SHARDS, SHARD_TASKS = 32, 44
SWEEP = [
    "-m", "feedback=random", "model.hidden=" + ",".join(f"[{n}]" for n in range(2, SHARDS + 2)), "seed=0,1", "train.steps=61",
    "train.eval_every=20", "train.hold=1", "report=false", "n_jobs=1",
]  # fmt: skip
TASKS_OF = {"jobs.parquet": 8, "sweep.json": 6, "tracked.json": 3}


@dataclass(frozen=True)
class Flip:
    """One bit to flip.

    Attributes:
        path: the file.
        byte: the position of the byte in the file.
        bit: the bit of that byte, 0 to 7.
        quiet: whether the file's time of modification is restored after the flip.
    """

    path: Path
    byte: int
    bit: int
    quiet: bool

    def make(self) -> None:
        """Flip the bit in the file."""
        data, times = bytearray(self.path.read_bytes()), self.path.stat()
        data[self.byte] ^= 1 << self.bit
        self.path.write_bytes(bytes(data))
        if self.quiet:
            os.utime(self.path, ns=(times.st_atime_ns, times.st_mtime_ns))

    def __str__(self) -> str:
        return f"bit {self.bit} of byte {self.byte} of {self.path.name}{', time kept' if self.quiet else ''}"


def draw(chance: random.Random, path: Path, start: int = 0, end: int | None = None) -> Flip:
    """Draw a random flip in a file, or in the bytes of a file from `start` to before `end`."""
    return Flip(path, chance.randrange(start, end or path.stat().st_size), chance.randrange(8), chance.random() < 0.5)


def footer_start(shard: Path) -> int:
    """Return the position of the byte at which a Parquet file's footer begins."""
    data = shard.read_bytes()
    return len(data) - 8 - int.from_bytes(data[-8:-4], "little")


HELD = {
    "shard, pages": "noticed, said, trained again by the same command with the same bits; or nothing has changed",
    "shard, footer": "likewise",
    "jobs.parquet": "said, or imported with the numbers and settings that it had",
    "sweep.json": "said, or imported with the numbers and settings that it had; nothing stops",
    "tracked.json": "nothing stands twice in the store, nothing stops",
    "afterwards": "the same command again finds everything",
}


@dataclass
class Flips(Common):
    """1,408 flips in shards, and 340 in job tables and records."""

    name = "flips"
    template: Path = field(default_factory=Path)
    truth: Truth = field(default_factory=lambda: Truth({}, {}))
    leftovers: Leftovers = field(init=False)
    held: ClassVar[Mapping[str, str]] = HELD

    def prepare(self, folder: Path) -> None:
        """Train the sweeps that the tasks copy and damage."""
        self.template = folder / "shards/work"
        self.template.mkdir(parents=True)
        done = self.program.run(SWEEP, self.template)
        assert done.status == 0, done.err
        self.truth = Truth.of(self.template)
        self.leftovers = leftovers_of(self.program, folder / "leftovers")

    def tasks(self) -> Sequence[Task]:
        """Return the tasks. About one in eight of the tasks for shards starts a new interpreter. All others use a driver."""
        kinds: list[Callable[..., list[Outcome]]] = [self._shards] * SHARD_TASKS
        for name, count in TASKS_OF.items():
            kinds += [partial(self._records, name=name)] * count
        self.random("order").shuffle(kinds)
        return [self.task(number, partial(run, number=number)) for number, run in enumerate(kinds)]

    def _shards(self, folder: Path, number: int) -> list[Outcome]:
        cwd, chance = folder / "work", self.random(number)
        shutil.copytree(self.template, cwd, symlinks=True)
        flips = {}
        for shard in shards_of(cwd / "outputs"):
            border = footer_start(shard)
            part = (border, None) if chance.random() < 0.5 else (0, border)
            flips[shard] = ("shard, footer" if part[0] else "shard, pages", draw(chance, shard, *part))
        before = {shard: (set(digests_in(shard)), _decoded(shard)) for shard in flips}
        for _, flip in flips.values():
            flip.make()
        command = [*SWEEP, "tracking.experiment=again"]
        run = self.program.run if number % 8 == 0 else self.program.quick
        done = run(command, cwd, limit=60)
        if done.status != 0 or traceback_in(done.said):
            problem = traceback_in(done.said) or f"status {done.status}: {done.err.strip()[-150:]}"
            return [Outcome(kind, str(flip), problem) for kind, flip in flips.values()]
        anew = {
            run: bits for shard in shards_of(cwd / "outputs") if shard not in flips for run, bits in digests_in(shard).items()
        }
        again = tracked_in(stored(cwd / "outputs/mlflow.db"), "again")
        other = {run.tags.get("fa_sweep.run_id") for run in again if run.name in set(changed(again, self.truth))}
        outcomes = []
        for shard, (kind, flip) in flips.items():
            runs, decoded = before[shard]
            said = shard.stem in done.said or shard.name in done.said
            problem = _verdict(runs, said, anew, other, self.truth, same=lambda s=shard, d=decoded: _decoded(s) == d)  # type: ignore[misc]
            outcomes.append(Outcome(kind, str(flip), problem))
        return [*outcomes, self._afterwards(command, cwd, {run.id for run in again})]

    def _afterwards(self, command: list[str], cwd: Path, known: set[str]) -> Outcome:
        done = self.program.quick(command, cwd, limit=60)
        again = tracked_in(stored(cwd / "outputs/mlflow.db"), "again")
        problems = [] if done.status == 0 else [f"status {done.status}"]
        problems += wrong_in_store(again, self.truth)
        if "nothing to train" not in done.out:
            problems.append("something was trained once more")
        if not {run.id for run in again} <= known:
            problems.append("the store has further runs")
        return Outcome("afterwards", "the same command again", "; ".join(problems))

    def _records(self, folder: Path, number: int, name: str) -> list[Outcome]:
        """Flip one bit in the file `name` of each left-over sweep, and run one command that imports all of them."""
        cwd, chance = folder / "work", self.random(number)
        sweeps = self.leftovers.copy_to(cwd, tracked=name == "tracked.json")
        flips = [draw(chance, cwd / "outputs/sweeps" / sweep / name) for sweep in sweeps]

        def attempt(some: Sequence[Flip]) -> Sequence[str] | str:
            shutil.rmtree(cwd)
            self.leftovers.copy_to(cwd, tracked=name == "tracked.json")
            for flip in some:
                flip.make()
            done = self.program.quick(NEXT, cwd, limit=60)
            wrong = traceback_in(done.said) or ("" if done.status == 0 else f"status {done.status}: {done.err.strip()[-150:]}")
            return wrong or [self.leftovers.verdict(cwd, flip.path.parent.name, done.said) for flip in some]

        return [Outcome(name, str(flip), problem) for flip, problem in zip(flips, attributed(flips, attempt), strict=True)]


def _decoded(shard: Path) -> object:
    """Return everything that a reader of a Parquet file sees; None if the file cannot be read."""
    try:
        with pq.ParquetFile(shard) as file:
            table = file.read()
        return repr((table.to_pydict(), table.schema.metadata, str(table.schema)))
    except (OSError, pa.ArrowException, ValueError):
        return None


def _verdict(
    runs: set[str], said: bool, anew: dict[str, str], other: set[str | None], truth: Truth, same: Callable[[], bool]
) -> str:
    """Return what is wrong after a flip in one shard; empty if its runs were trained again as announced, or nothing changed."""
    if runs & other:
        return "other numbers were imported" + ("" if said else ", in silence")
    trained = [run for run in runs if run in anew]
    if any(anew[run] != truth.ledger[run] for run in trained):
        return "trained again with other numbers"
    if said and len(trained) == len(runs):
        return ""
    if trained:
        return "trained again, and nothing says why"
    if said:
        return "said to be damaged, and used all the same"
    return "" if same() else "a change that a reader sees went unnoticed"
