"""Times whole commands of fa_sweep and of others, from the start of the interpreter to the last row in MLflow.

The main job trains narrow networks on XOR under three feedback modes, with 50 seeds each: 150 runs.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from benchmarks.measure import QUIET, Row, median, pairs_of, whole_process

OTHERS = Path(__file__).with_name("others")
MODES = "symmetric,random,rerandom"
FEW, MAIN, MORE, MOST = 8, 50, 500, 3334  # numbers of seeds; each seed has three runs, one per mode


def stock(folder: Path, seeds: int) -> float:
    """Time the stock way, in seconds: Hydra's BasicLauncher, and log_metrics at every evaluation."""
    arguments = ["-m", f"+mode={MODES}", f"+seed=range({seeds})", f"+uri={_uri(folder)}"]
    return whole_process([sys.executable, str(OTHERS / "stock.py"), *arguments], folder)


def joblib_batches(folder: Path, seeds: int) -> float:
    """Time Hydra's joblib launcher on all cores with one log_batch per run, in seconds."""
    launcher = ["hydra/launcher=joblib", f"hydra.launcher.n_jobs={os.cpu_count()}"]
    arguments = ["-m", *launcher, f"+mode={MODES}", f"+seed=range({seeds})", f"+uri={_uri(folder)}"]
    return whole_process([sys.executable, str(OTHERS / "joblib_batches.py"), *arguments], folder)


def optuna_grid(folder: Path, seeds: int) -> float:
    """Time Optuna's grid sampler with its MLflow callback, in seconds."""
    return whole_process([sys.executable, str(OTHERS / "optuna_grid.py"), str(seeds), _uri(folder)], folder)


def ray_tune(folder: Path, seeds: int) -> float:
    """Time Ray Tune's grid search on all cores with its MLflow callback, in seconds."""
    command = [sys.executable, str(OTHERS / "ray_tune.py"), str(seeds), _uri(folder), str(folder / "ray")]
    return whole_process(command, folder)


def ours(folder: Path, seeds: int, *more: str) -> float:
    """Time fa_sweep, in seconds. Every run is trained anew and imported into a new experiment.

    Args:
        folder: the working folder. If it has no database yet, making one is timed too.
        seeds: the number of seeds.
        more: further arguments.
    """
    return whole_process(command(seeds, f"tracking.experiment=e{time.time_ns()}", *more), folder)


def command(seeds: int, *more: str) -> list[str]:
    """Return fa_sweep's command line for the main job with `seeds` seeds, without a report."""
    arguments = [f"feedback={MODES}", f"seed=range({seeds})", "resume=false", "report=false", *more]
    return [sys.executable, "-m", "fa_sweep", "-m", *arguments]


def _uri(folder: Path) -> str:
    return f"sqlite:///{folder}/stock.db"


@contextmanager
def warm_folder() -> Iterator[Path]:
    """Make a temporary folder in which the databases of the stock way and of fa_sweep already exist."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stock(folder, 1)
        ours(folder, 1)
        yield folder


# The other way's name, the function that times it, the number of seeds, the most rounds, and the modules that it needs.
Comparison = tuple[str, Callable[[Path, int], float], int, int, tuple[str, ...]]
COMPARED: list[Comparison] = [
    ("the stock way (BasicLauncher, log_metrics)", stock, MAIN, 3, ()),
    ("Hydra's joblib launcher, all cores, log_batch", joblib_batches, MAIN, 2, ("hydra_plugins.hydra_joblib_launcher",)),
    ("Optuna's grid, MLflow callback", optuna_grid, MAIN, 1, ("optuna_integration",)),
    ("Ray Tune's grid, all cores, MLflow callback", ray_tune, FEW, 1, ("ray",)),
]


def against_others(rounds: int) -> Iterator[Row]:
    """Compare the main job with other ways to run it."""
    with warm_folder() as folder:
        for name, other, seeds, most, needs in COMPARED:
            if missing := [module for module in needs if find_spec(module) is None]:
                yield Row("main job", name, f"{', '.join(missing)} is not installed: pip install 'fa-sweep[bench]'")
                continue
            pairs = pairs_of(min(rounds, most), partial(ours, folder, seeds), partial(other_seconds, other, seeds))
            mine, theirs = (median(column) for column in zip(*pairs, strict=True))
            target = "25, 40 to reach for" if other is stock else ""
            what = f"{3 * seeds} runs, against {name}"
            yield Row("main job", what, f"{mine:.2f} s", f"{theirs:.1f} s", [b / a for a, b in pairs], target)


def other_seconds(other: Callable[[Path, int], float], seeds: int) -> float:
    """Time another way in a new folder with a new database, since a growing database would slow it down."""
    with tempfile.TemporaryDirectory() as name:
        stock(Path(name), 1)
        return other(Path(name), seeds)


def by_size(rounds: int) -> Iterator[Row]:
    """Time whole sweeps of 150 to 100,020 runs. Compare what one more run costs here and with stock Hydra and MLflow."""
    with warm_folder() as folder:
        sizes = {MAIN: rounds, MORE: rounds, MOST: 1}
        ours_s = {seeds: median([ours(folder, seeds) for _ in range(times)]) for seeds, times in sizes.items()}
        few, many = other_seconds(stock, FEW), other_seconds(stock, MAIN)
        for seeds, seconds in ours_s.items():
            target = {MAIN: "", MORE: "", MOST: "120 s"}[seeds]
            yield Row(
                "size",
                f"{3 * seeds:,} runs, whole",
                f"{seconds:.1f} s, {1000 * seconds / 3 / seeds:.1f} ms a run",
                target=target,
            )
        stock_ms = 1000 * (many - few) / (3 * (MAIN - FEW))
        ours_ms = 1000 * (ours_s[MORE] - ours_s[MAIN]) / (3 * (MORE - MAIN))
        what = "one more run, against the stock way's"
        yield Row("size", what, f"{ours_ms:.1f} ms", f"{stock_ms:.0f} ms", [stock_ms / ours_ms], "100; 8 ms")
        full = _measured(folder, MOST, "tracking.history=full")
        yield Row(
            "size", f"{3 * MOST:,} runs, whole histories in MLflow", f"{full[0]:.1f} s, {full[1]:.2f} GB", target="120 s, 1 GB"
        )
        tail = _measured(folder, 10 * MOST, "tracking.history=none")
        yield Row("size", f"{30 * MOST:,} runs, last values in MLflow", f"{tail[0]:.0f} s, {tail[1]:.2f} GB")


def _measured(folder: Path, seeds: int, *more: str) -> tuple[float, float]:
    """Run a sweep, and return its seconds and the peak memory of its largest process in GB."""
    started = time.perf_counter()
    process = subprocess.Popen(command(seeds, f"tracking.experiment=e{time.time_ns()}", *more), cwd=folder, **QUIET)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0
    return time.perf_counter() - started, usage.ru_maxrss * 1024 / 1e9


def processes(rounds: int) -> Iterator[Row]:
    """Compare the training time with two processes to that with one, in otherwise equal commands."""
    for count in (1000, 4000):
        with tempfile.TemporaryDirectory() as name:

            def trained(n_jobs: int, count: int = count, name: str = name) -> float:
                jobs = ["feedback=symmetric,random", f"seed=range({count // 2})", f"n_jobs={n_jobs}"]
                command = [sys.executable, "-m", "benchmarks.training_seconds", "-m", *jobs, "resume=false", "report=false"]
                environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
                done = subprocess.run(command, cwd=name, env=environment, check=True, capture_output=True, text=True)
                found = re.search(r"trained for ([\d.]+) s", done.stdout)
                assert found is not None, done.stdout
                return float(found[1])

            trained(1)  # so that every timed command finds a database that already has these runs
            pairs = pairs_of(rounds, lambda: trained(2), lambda: trained(1))
        mine, theirs = (median(column) for column in zip(*pairs, strict=True))
        what = f"two processes against one, {count:,} runs, in a command"
        yield Row("engine", what, f"{mine:.2f} s", f"{theirs:.2f} s", [b / a for a, b in pairs], "1.5" if count == 1000 else "")


def starts(rounds: int) -> Iterator[Row]:
    """Time two commands that do no work: one prints the help, and one is refused."""
    with tempfile.TemporaryDirectory() as name:
        for what, arguments, status in (("--help", ["--help"], 0), ("a refused setting", ["train.lr=-1"], 2)):
            seconds = []
            for _ in range(rounds):
                started = time.perf_counter()
                line = [sys.executable, "-m", "fa_sweep", *arguments]
                done = subprocess.run(line, cwd=name, check=False, capture_output=True)
                seconds.append(time.perf_counter() - started)
                assert done.returncode == status
            yield Row("start", what, f"{median(seconds):.2f} s", target="1 s")


def reports(rounds: int) -> Iterator[Row]:
    """Time reports over 150, 1,500 and 10,002 runs, each in a new process."""
    for seeds in (MAIN, MORE, MOST):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            ours(folder, seeds, "tracking.history=none")
            line = [sys.executable, "-m", "analysis", "--no-attach"]
            seconds = median([whole_process(line, folder) for _ in range(rounds if seeds == MAIN else 1)])
            yield Row(
                "report", f"report over {3 * seeds:,} runs", f"{seconds:.1f} s, {1000 * seconds / 3 / seeds:.1f} ms a run"
            )
