"""Many sweeps that ended without MLflow having them, each for an experiment of its own: the next command imports them all."""

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
NEXT = ["-m", "feedback=random", "seed=0,1,7", *SMALL]  # reuses two runs of SWEEP, trains one


COUNT = 20
_MADE: dict[int, "Leftovers"] = {}
_LOCK = Lock()


def leftovers_of(program: Program, folder: Path) -> "Leftovers":
    """Return the left-overs that all parts share, made by whichever asks first."""
    with _LOCK:
        if id(program) not in _MADE:
            _MADE[id(program)] = Leftovers(program, folder)
        return _MADE[id(program)]


@dataclass
class Leftovers:
    """A folder with COUNT left-over copies of one sweep, and another where they are tracked."""

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
        """The names of the copies."""
        return [f"2020-01-01_00-00-{number:02d}_c0ffee" for number in range(COUNT)]

    def _run(self, arguments: list[str], cwd: Path) -> Ended:
        done = self.program.run(arguments, cwd)
        assert done.status == 0, f"{arguments}: {done.err}"
        return done

    def _spread(self, fresh: Path) -> None:
        """Make the copies from one sweep that is tracked; they keep its jobs and shards, and have their own experiments."""
        move(fresh, self.bare)
        (original,) = (self.bare / "outputs/sweeps").iterdir()
        for number, name in enumerate(self.names):
            copy = original.with_name(name)
            shutil.copytree(original, copy, symlinks=True)
            shutil.rmtree(copy / "shards")  # one copy of the runs is enough
            (copy / "tracked.json").unlink()
            record = json.loads((copy / "sweep.json").read_text())
            record["tracking"]["experiment"] = experiment_of(name)
            record["created_at_ms"] -= 1000 * (number + 1)
            (copy / "sweep.json").write_bytes(encoded(sealed(record)))

    def _next_truth(self) -> Truth:
        """Return what NEXT finds: three runs, all under one parent."""
        runs = stored(self.tracked / "outputs/mlflow.db")
        newest = next(run.id for run in runs if run.tags.get("fa_sweep.planned") == "3")
        children = {run.tags["fa_sweep.run_id"]: content(run) for run in runs if run.parent == newest}
        bits = dict(ledger(self.tracked / "outputs"))
        return Truth({run: bits[run] for run in children}, children)

    def copy_to(self, cwd: Path, *, tracked: bool = False) -> list[str]:
        """Make such a folder; returns the names of the copies in it."""
        move(self.tracked if tracked else self.bare, cwd)
        return self.names

    def verdict(self, cwd: Path, sweep: str, said: str) -> str:
        """Return what is wrong about one left-over: it has to be in the store, once and with its numbers, or be named."""
        runs = [run for run in stored(cwd / "outputs/mlflow.db") if run.tags.get("fa_sweep.sweep") == sweep]
        if other := changed(runs, self.truth):
            return f"{len(other)} runs were imported with other numbers or settings, {other[0]} among them"
        if not wrong_in_store(runs, self.truth) or sweep in said:
            return ""
        return "; ".join(wrong_in_store(runs, self.truth)) if runs else "left out, and nothing says so"


def move(template: Path, cwd: Path) -> None:
    """Copy a folder to where records name the copy's own database: copied folders are no matter of these attacks."""
    shutil.copytree(template, cwd, symlinks=True)
    for path in cwd.glob("outputs/*/*/sweep.json"):
        path.write_bytes(encoded(sealed(json.loads(path.read_text().replace(f"{template}/", f"{cwd}/")))))


def experiment_of(sweep: str) -> str:
    """Return the experiment of a copy."""
    return f"of {sweep}"
