"""Full disks: runs a command with its outputs, sweeps or reports on a small tmpfs, and again after the tmpfs was enlarged.

The second time, the command must complete. If this user may not mount a tmpfs, the length of files is limited instead
(RLIMIT_FSIZE). Writes then fail in the same places.
"""

import os
import resource
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar

from torture.case import Common, Outcome, Task, traceback_in
from torture.program import Ended
from torture.truth import Truth, wrong_in

BARE = [
    "-m", "feedback=symmetric,random", "model.hidden=[3],[5]", "seed=0,1,2", "train.steps=401", "train.eval_every=20",
    "train.hold=2", "n_jobs=1",
]  # fmt: skip
SWEEP, WITH_REPORT, OTHERS = (
    [*BARE, "report=false"],
    BARE,
    ["-m", "seed=90,91", "train.steps=61", "report=false", "train.hold=1"],
)
SECONDS = 60.0
HELD = {
    "no room for the sweep": "one line and status 1; with room, the same command completes everything",
    "no room for a new database": "likewise",
    "no room in the database": "likewise",
    "no room for the report": "likewise",
    "no room for names (inodes)": "likewise",
    "read-only": "one line and status 1 or 2; when it may be written, the same command completes everything",
}


@dataclass(frozen=True)
class Disk:
    """A small disk to mount in the working folder, and the sizes to try.

    Attributes:
        kind: the row of the table that counts the cases.
        place: where the disk is mounted, relative to the working folder.
        sizes: the free space to try, in KiB; for a disk that limits the number of files, the free inodes.
        used: whether a command has run in the working folder before, so that the database exists.
        options: the mount options that set the limit; {} stands for the size.
        command: the arguments of the command.
    """

    kind: str
    place: str
    sizes: Sequence[int]
    used: bool = True
    options: str = "size={}k"
    command: Sequence[str] = tuple(SWEEP)


DISKS = (
    Disk("no room for the sweep", "outputs/sweeps", range(4, 61, 4)),
    Disk("no room for a new database", "outputs", (*range(40, 400, 60), *range(400, 2400, 250)), used=False),
    Disk("no room in the database", "outputs", (*range(4, 104, 8), *range(104, 520, 52))),
    Disk("no room for the report", "outputs/reports", (4, 40, 120, 300, 600, 1000), command=tuple(WITH_REPORT)),
    Disk("no room for names (inodes)", "outputs", range(8, 44, 5), options="size=50m,nr_inodes={}"),
    Disk("read-only", "outputs", (1,), options="size=50m,ro={}"),
    Disk("read-only", "outputs/sweeps", (1,), options="size=50m,ro={}"),
)


@dataclass
class FullDisks(Common):
    """About 65 disk sizes. For each kind of file that the program writes, there is a size at which that file does not fit."""

    name = "disk"
    truth: Truth = field(default_factory=lambda: Truth({}, {}))
    used: Path = field(default_factory=Path)
    mounts: bool = True
    held: ClassVar[Mapping[str, str]] = HELD

    def prepare(self, folder: Path) -> None:
        """Run the sweep on a disk with enough space, and make a working folder in which a command has run before."""
        self.mounts = may_mount(folder / "mount")
        if not self.mounts:
            print("disk: this user may not mount; files are limited in length instead")
        plain, self.used = folder / "plain/work", folder / "used/work"
        for cwd, command in ((plain, SWEEP), (self.used, OTHERS)):
            cwd.mkdir(parents=True)
            done = self.program.run(command, cwd)
            assert done.status == 0, done.err
        self.truth = Truth.of(plain)

    def tasks(self) -> Sequence[Task]:
        """Return one task per size of each disk."""
        sizes = [(disk, size) for disk in DISKS for size in disk.sizes]
        self.random("order").shuffle(sizes)
        one = self._one if self.mounts else self._short
        return [self.task(n, partial(one, disk=disk, size=size)) for n, (disk, size) in enumerate(sizes)]

    def _short(self, folder: Path, disk: Disk, size: int) -> list[Outcome]:
        """Run a case without mounting: limit the files of the first command to `size` KiB each."""
        if disk.options != Disk.options:
            return []
        cwd = folder / "work"
        shutil.copytree(self.used, cwd) if disk.used else cwd.mkdir(parents=True)
        started = self.program.start(disk.command, cwd)
        resource.prlimit(started.process.pid, resource.RLIMIT_FSIZE, (1024 * size, 1024 * size))
        first = started.wait(SECONDS)
        last = self.program.run(disk.command, cwd, limit=SECONDS)
        problems = [*self._wrong_before(first, disk), *self._wrong_after(last, cwd)]
        return [Outcome(disk.kind, f"files of at most {size} KiB", "; ".join(problems))]

    def _one(self, folder: Path, disk: Disk, size: int) -> list[Outcome]:
        cwd = folder / "work"
        shutil.copytree(self.used, cwd) if disk.used else cwd.mkdir()
        place = cwd / disk.place
        with small_disk(place, disk, size) as make_room:
            first = self.program.run(disk.command, cwd, limit=SECONDS)
            make_room()
            last = self.program.run(disk.command, cwd, limit=SECONDS)
            problems = [*self._wrong_before(first, disk), *self._wrong_after(last, cwd)]
        return [Outcome(disk.kind, f"{disk.options.format(size)} at {disk.place}", "; ".join(problems))]

    def _wrong_before(self, first: Ended, disk: Disk) -> list[str]:
        """Return what is wrong with the exit status and the messages of a command that ran out of disk space."""
        if first.status is None:
            return [f"still there after {SECONDS:.0f} s"]
        if found := traceback_in(first.said):
            return [found]
        if first.status == 0:
            return (
                []
                if not first.lines("space", "disk full", "full")
                else ["status 0, and it says that something was not written"]
            )
        expected = (1, 2) if disk.kind == "read-only" else (1,)
        problems = [] if first.status in expected else [f"status {first.status}, not 1"]
        said = first.lines("space", "disk", "full", "room", "read-only", "written", "writable", "too large")
        return problems if len(said) == 1 else [*problems, f"said in {len(said)} lines: {first.err.strip()[-200:]!r}"]

    def _wrong_after(self, last: Ended, cwd: Path) -> list[str]:
        if last.status != 0:
            return [f"with room, status {last.status}: {traceback_in(last.said) or last.err.strip()[-200:]}"]
        return [f"with room, {problem}" for problem in wrong_in(cwd, self.truth)]


@contextmanager
def small_disk(place: Path, disk: Disk, size: int):  # type: ignore[no-untyped-def]
    """Mount a small disk over a folder. The folder's files are copied onto it, and only a little free space is left.

    Args:
        place: the folder; made if it does not exist.
        disk: what is limited on the disk.
        size: the free space, in KiB or inodes.

    Yields:
        A function that enlarges the disk.
    """
    there = place.with_name(f"{place.name}-there")
    place.mkdir(parents=True, exist_ok=True)
    place.rename(there)
    place.mkdir()
    mount(place, "size=100m")
    try:
        for entry in there.iterdir():
            subprocess.run(["cp", "-a", str(entry), str(place)], check=True)
        shutil.rmtree(there)
        remount(place, disk, size)
        yield lambda: mount(place, "remount,rw,size=100m,nr_inodes=0")
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)


def remount(place: Path, disk: Disk, size: int) -> None:
    """Shrink a mounted disk until only `size` KiB or inodes are free, or make it read-only."""
    room = os.statvfs(place)
    used_kib = (room.f_blocks - room.f_bfree) * room.f_frsize // 1024
    used_names = room.f_files - room.f_ffree
    if "size={}k" in disk.options:
        options = f"size={used_kib + size}k"
    elif "nr_inodes" in disk.options:
        options = f"nr_inodes={used_names + size}"
    else:
        options = "ro"
    mount(place, f"remount,{options}")


def may_mount(place: Path) -> bool:
    """Whether this user may mount a tmpfs."""
    place.mkdir()
    try:
        mount(place, "size=100k")
    except (OSError, subprocess.CalledProcessError):
        return False
    subprocess.run(["umount", "-l", str(place)], check=False)
    return True


def mount(place: Path, options: str) -> None:
    """Mount a tmpfs, or change the options of a mounted one.

    Raises:
        subprocess.CalledProcessError: if this user may not mount.
    """
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "torture", str(place)], check=True, capture_output=True)
