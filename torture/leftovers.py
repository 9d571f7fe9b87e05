"""Makes left-over sweeps, which were trained but not yet imported into MLflow. The next command imports all of them.

Each left-over has its own experiment. One command can therefore import many of them, and each can be judged separately.
"""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from torture.contents import encoded, sealed
from torture.program import Ended, Program
from torture.truth import Truth, changed, content, ledger, stored, wrong_in_store

SMALL = ["train.steps=61", "train.eval_every=20", "train.hold=1", "report=false", "n_jobs=1"]
SWEEP = ["-m", "feedback=symmetric,random", "seed=0,1", *SMALL]
NEXT = ["-m", "feedback=random", "seed=0,1,7", *SMALL]  # reuses two runs of SWEEP and trains one


COUNT = 20
_MADE: dict[int, "Leftovers"] = {}
_LOCK = Lock()


def leftovers_of(program: Program, folder: Path) -> "Leftovers":
    """Return the left-overs that all parts share. The first call makes them in the folder that it names."""
    with _LOCK:
        if id(program) not in _MADE:
            _MADE[id(program)] = Leftovers(program, folder)
        return _MADE[id(program)]


@dataclass
class Leftovers:
    """Two working folders with COUNT copies of one sweep: in `bare` they are left-overs, in `tracked` MLflow has them.

    Attributes:
        program: the program under attack.
        folder: the folder that holds both working folders.
        truth: the results of the undisturbed sweep.
        next_truth: the results of the command NEXT.
    """

    program: Program
    folder: Path
    truth: Truth = field(init=False)
    next_truth: Truth = field(init=False)

    def __post_init__(self) -> None:
        fresh, self.bare, self.tracked = (self.folder / name / "work" for name in ("fresh", "bare", "tracked"))
        fresh.mkdir(parents=True)
        self._run(SWEEP, fresh)
        self.truth = Truth.of(fresh)
        self._spread(fresh)
        move(self.bare, self.tracked)
        self._run(NEXT, self.tracked)
        for name in self.names:
            problem = self.verdict(self.tracked, name, said="")
            assert not problem, f"an undamaged left-over: {problem}"
        self.next_truth = self._next_truth()

    @property
    def names(self) -> list[str]:
        """The names of the copied sweeps."""
        return [f"2020-01-01_00-00-{number:02d}_c0ffee" for number in range(COUNT)]

    def _run(self, arguments: list[str], cwd: Path) -> Ended:
        done = self.program.run(arguments, cwd)
        assert done.status == 0, f"{arguments}: {done.err}"
        return done

    def _spread(self, fresh: Path) -> None:
        """Make COUNT left-overs from one sweep: copies without shards and `tracked.json`, each with its own experiment."""
        move(fresh, self.bare)
        (original,) = (self.bare / "outputs/sweeps").iterdir()
        for number, name in enumerate(self.names):
            copy = original.with_name(name)
            shutil.copytree(original, copy, symlinks=True)
            shutil.rmtree(copy / "shards")  # the program finds the runs in the original's shards
            (copy / "tracked.json").unlink()
            record = json.loads((copy / "sweep.json").read_text())
            record["tracking"]["experiment"] = experiment_of(name)
            record["created_at_ms"] -= 1000 * (number + 1)
            (copy / "sweep.json").write_bytes(encoded(sealed(record)))

    def _next_truth(self) -> Truth:
        """Return the results of NEXT: three runs, all under one parent."""
        runs = stored(self.tracked / "outputs/mlflow.db")
        newest = next(run.id for run in runs if run.tags.get("fa_sweep.planned") == "3")
        children = {
            run.tags["fa_sweep.run_id"]: content(run) for run in runs if run.parent == newest and "fa_sweep.run_id" in run.tags
        }
        bits = dict(ledger(self.tracked / "outputs"))
        return Truth({run: bits[run] for run in children}, children)

    def copy_to(self, cwd: Path, *, tracked: bool = False) -> list[str]:
        """Copy the left-overs, or the tracked sweeps, to a new working folder. Return the names of the sweeps."""
        move(self.tracked if tracked else self.bare, cwd)
        return self.names

    def verdict(self, cwd: Path, sweep: str, said: str) -> str:
        """Return what is wrong with one left-over after a command has run.

        The left-over must be in the store once, with its true numbers. Otherwise the command must have named it.

        Args:
            cwd: the working folder of the command.
            sweep: the name of the left-over.
            said: everything that the command printed.

        Returns:
            The problem; empty if there is none.
        """
        everything = stored(cwd / "outputs/mlflow.db")
        runs = [run for run in everything if run.tags.get("fa_sweep.sweep") == sweep]
        if not runs and (parent := _noted_parent(cwd / "outputs/sweeps" / sweep)):
            # A file that was planted elsewhere may have brought the same jobs into the same experiment before.
            runs = [run for run in everything if parent in (run.id, run.parent)]
        if other := changed(runs, self.truth):
            return f"{len(other)} runs were imported with other numbers or settings, {other[0]} among them"
        if not wrong_in_store(runs, self.truth) or sweep in said:
            return ""
        return "; ".join(wrong_in_store(runs, self.truth)) if runs else "left out, and nothing says so"


def _noted_parent(folder: Path) -> str:
    """Return the MLflow run that a sweep's folder names as its parent run; empty if it names none."""
    try:
        values = json.loads((folder / "tracked.json").read_text())
    except (OSError, ValueError, RecursionError):
        return ""
    return str(values.get("run_id", "")) if isinstance(values, dict) else ""


def move(template: Path, cwd: Path) -> None:
    """Copy a working folder, and change the paths in its records to those of the copy.

    Otherwise the program would notice that the folder was moved. These attacks do not test that.
    """
    shutil.copytree(template, cwd, symlinks=True)
    for path in cwd.glob("outputs/*/*/sweep.json"):
        path.write_bytes(encoded(sealed(json.loads(path.read_text().replace(f"{template}/", f"{cwd}/")))))


def experiment_of(sweep: str) -> str:
    """Return the name of a copied sweep's experiment."""
    return f"of {sweep}"
