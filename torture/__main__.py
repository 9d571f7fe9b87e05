"""`make torture`: attack the installed program from outside, and write a table of the cases and failures."""

import argparse
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest
from pathlib import Path
from threading import Lock

from torture import page
from torture.case import Outcome, Part, Task
from torture.disk import FullDisks
from torture.files import Files
from torture.flips import Flips
from torture.inputs import Inputs
from torture.kills import Kills
from torture.program import Program
from torture.secrets import Secrets
from torture.stores import Stores

# The minutes that the whole torture takes on two cores, and how many of them the preparation takes.
WHOLE_MINUTES, PREPARING_MINUTES = 20.0, 0.8
PARTS = (Kills, Flips, Files, FullDisks, Stores, Secrets, Inputs)


class Torture:
    """Runs the tasks of all parts on a few threads, and collects their outcomes.

    Args:
        parts: the kinds of attack to run.
        work: the folder in which each part and each task gets a new folder.
        options: the parsed command line (see `arguments`).
    """

    def __init__(self, parts: Sequence[Part], work: Path, options: argparse.Namespace) -> None:
        self.parts, self.work, self.options = parts, work, options
        self.outcomes: dict[str, list[Outcome]] = {part.name: [] for part in parts}
        self.skipped = {part.name: 0 for part in parts}
        self.seconds = {part.name: 0.0 for part in parts}
        self.deadline = time.monotonic() + 60 * options.minutes
        self.certain: set[str] = set()
        """Tasks that run even after the deadline. There is one per part, so that each part is tested even on a slow machine."""
        self._lock = Lock()

    def run(self) -> None:
        """Prepare all parts, then run their tasks in rounds, with one task of each part per round.

        If time runs short, every part therefore loses some tasks, and none loses all.
        """
        with ThreadPoolExecutor(self.options.workers) as pool:
            try:
                list(pool.map(self._prepare, self.parts))
                turns = list(zip_longest(*(self._chosen(part) for part in self.parts)))
                self.certain = {task.name for turn in turns[:1] for task in turn if task is not None}
                list(pool.map(self._one, [task for turn in turns for task in turn if task is not None]))
            except BaseException:  # after an interrupt, running tasks still finish, but no further task starts
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _prepare(self, part: Part) -> None:
        self._timed(part.name, lambda: part.prepare(self._folder(part.name)))

    def _folder(self, name: str) -> Path:
        folder = self.work / name
        folder.mkdir(parents=True)
        return folder

    def _chosen(self, part: Part) -> list[Task]:
        tasks = list(part.tasks())
        if only := [name for name in self.options.only if "/" in name]:
            return [task for task in tasks if task.name in only]
        share = (self.options.minutes - PREPARING_MINUTES) / (WHOLE_MINUTES - PREPARING_MINUTES)
        wanted = min(len(tasks), max(1, round(len(tasks) * share)))
        return [tasks[round(k * len(tasks) / wanted)] for k in range(wanted)]

    def _one(self, task: Task) -> None:
        part = task.name.partition("/")[0]
        if time.monotonic() > self.deadline and task.name not in self.certain:
            self.skipped[part] += 1
            return
        folder = self._folder(task.name)
        found: list[Outcome] = []
        self._timed(part, lambda: found.extend(task.run(folder)))
        with self._lock:
            self.outcomes[part] += found
            for outcome in found:
                if outcome.problem:
                    self._say(task, outcome)
        if not self.options.keep:
            shutil.rmtree(folder, ignore_errors=True)

    def _say(self, task: Task, outcome: Outcome) -> None:
        recipe = f"python -m torture --seed {self.options.seed} --only {task.name}"
        print(f"FAILED {outcome.kind} ({outcome.case}): {' '.join(outcome.problem.split())} | {recipe}", flush=True)

    def _timed(self, part: str, work: Callable[[], object]) -> None:
        """Call `work` and add its time to the part's. An error in the torture's own code counts as a failure."""
        started = time.monotonic()
        try:
            work()
        except Exception as error:
            traceback.print_exc()
            self.outcomes[part].append(Outcome("torture", part, f"{type(error).__name__}: {error}"))
        self.seconds[part] += time.monotonic() - started


def arguments() -> argparse.ArgumentParser:
    """Return the parser for the command line."""
    parser = argparse.ArgumentParser("python -m torture", description=__doc__)
    names = ", ".join(part.name for part in PARTS)
    parser.add_argument("--minutes", type=float, default=WHOLE_MINUTES, help="time to take; under 20, a sample of all parts")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (default: %(default)s)")
    parser.add_argument("--only", nargs="+", default=[], metavar="PART[/NUMBER]", help=f"parts or tasks: {names}")
    parser.add_argument("--out", type=Path, help="a Markdown page to put the table into (default: printed alone)")
    parser.add_argument("--workers", type=int, default=2, help="tasks at once (default: %(default)s)")
    parser.add_argument("--python", default=sys.executable, help="of the installation to attack (default: this one)")
    parser.add_argument("--keep", action="store_true", help="keep the folders of all tasks")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the torture.

    Args:
        argv: the command line's arguments; those of this process by default.

    Returns:
        The exit status: 1 if anything failed, 3 if nothing failed but some tasks were skipped for lack of time, otherwise 0.
    """
    options = arguments().parse_args(argv)
    # A shell's background jobs ignore SIGINT. Without this line, the commands started here would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # runs the `finally` blocks, which stop servers and unmount disks
    program = Program(options.python)
    wanted = {name.partition("/")[0] for name in options.only}
    parts: list[Part] = [part(program, options.seed) for part in PARTS if not wanted or part.name in wanted]
    work = Path(tempfile.mkdtemp(prefix="torture-"))
    torture, started = Torture(parts, work, options), time.monotonic()
    try:
        torture.run()
    finally:
        for part in parts:
            part.close()
        program.close()
        if options.keep:
            print(f"kept in {work}")
        else:
            shutil.rmtree(work, ignore_errors=True)
    took_s = time.monotonic() - started
    text = f"{page.heading(options.seed, options.minutes, took_s)}\n\n{page.table(parts, torture.outcomes, torture.skipped)}"
    print(text)
    print(", ".join(f"{name} {seconds:.0f} s" for name, seconds in torture.seconds.items()))
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{used.ru_utime + used.ru_stime:.0f} s of all cores by the commands")
    if options.out:
        page.write(text, options.out)
    failed = sum(bool(outcome.problem) for outcomes in torture.outcomes.values() for outcome in outcomes)
    return 1 if failed else 3 if any(torture.skipped.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
