"""`make bench`: timings side by side in one run, on the same work, as ratios; never part of the tests.

These machines are shared and noisy: each pair is timed in turn, several times, and the median of the ratios is what counts.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

STOCK = Path(__file__).with_name("stock.py")
SEEDS = 8  # times three modes: 24 runs
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def whole_process(command: Sequence[str], folder: Path) -> float:
    """Run a command to its end and return its seconds, start of the interpreter included."""
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}, **QUIET)
    return time.perf_counter() - started


def stock_sweep(folder: Path, seeds: int) -> float:
    """Time the stock way, its database there already."""
    uri = f"sqlite:///{folder}/stock.db"
    command = [sys.executable, str(STOCK), "-m", "+mode=symmetric,random,rerandom", f"+seed=range({seeds})", f"+uri={uri}"]
    return whole_process(command, folder)


def our_sweep(folder: Path, seeds: int, *more: str) -> float:
    """Time our sweep, trained anew and imported into an experiment of its own; the database is there already."""
    name = f"e{time.time_ns()}"
    arguments = ["feedback=symmetric,random,rerandom", f"seed=range({seeds})", f"tracking.experiment={name}", "resume=false"]
    return whole_process([sys.executable, "-m", "fa_sweep", "-m", *arguments, *more], folder)


def against_the_stock_way(rounds: int) -> None:
    """Print the whole-process ratio on 24 runs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stock_sweep(folder, 1), our_sweep(folder, 1, "report=false")  # make both databases and warm the disk
        pairs = [(stock_sweep(folder, SEEDS), our_sweep(folder, SEEDS, "report=false")) for _ in range(rounds)]
    runs = 3 * SEEDS
    row(f"stock way, {runs} runs", [a for a, _ in pairs], runs)
    row(f"fa_sweep, {runs} runs", [b for _, b in pairs], runs)
    print(f"{'ratio':<34}{statistics.median(a / b for a, b in pairs):8.1f} x  ({', '.join(f'{a / b:.1f}' for a, b in pairs)})")


def main_job(rounds: int) -> None:
    """Print the time of the main job, its report aside and with it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        our_sweep(folder, 1, "report=false")
        row("main job, 150 runs, no report", [our_sweep(folder, 50, "report=false") for _ in range(rounds)], 150)
        row("main job, 150 runs, with report", [our_sweep(folder, 50) for _ in range(rounds)], 150)


def engine(rounds: int) -> None:
    """Print the engine's time per run and step, evaluations with every angle included."""
    from hydra import compose, initialize_config_dir

    from fa_sweep.config import conf_dir, resolve
    from fa_sweep.training import train

    for modes, runs in ((("symmetric", "random"), 150), (("symmetric", "random"), 1000), (("rerandom",), 150)):
        with initialize_config_dir(config_dir=conf_dir(), version_base="1.3"):
            base = {mode: resolve(compose("config", [f"feedback={mode}"])) for mode in modes}
        stack = [type(c)(**{**vars(c), "seed": s}) for s in range(runs // len(modes)) for c in base.values()]
        seconds = best(lambda stack=stack: train(stack), rounds)
        cost = [1e6 * s / (stack[0].train.steps * len(stack)) for s in seconds]
        what = f"engine, {'+'.join(modes)}, {len(stack)} runs"
        print(f"{what:<44}{min(cost):7.2f} us per run and step (median {statistics.median(cost):.2f})", flush=True)


def wide(rounds: int) -> None:
    """Print how near 64-100-100-10 networks on batches of 32 come to the machine's own rate of stacked products."""
    from hydra import compose, initialize_config_dir
    from threadpoolctl import threadpool_limits

    from fa_sweep.config import conf_dir, resolve
    from fa_sweep.stack import Stack, parts_of
    from fa_sweep.training import _Training

    widths, batch, steps = (64, 100, 100, 10), 32, 200
    for dtype in ("float64", "float32"):
        overrides = [
            "task=digits",
            "model.hidden=[100,100]",
            "model.activation=tanh",
            "model.bias=true",
            "init=xavier",
            "train=batch",
        ]
        with initialize_config_dir(config_dir=conf_dir(), version_base="1.3"):
            run = resolve(compose("config", ["feedback=random", "train.epochs=null", f"dtype={dtype}", *overrides]))
        for count in (10, 50):
            runs = [type(run)(**{**vars(run), "seed": seed}) for seed in range(count)]
            stacks = [_Training(Stack([runs[i] for i in part])) for part in parts_of(runs)]
            products, flop = _products(widths, batch, count, dtype)

            def train_all(stacks: list[_Training] = stacks) -> None:
                for training in stacks:
                    done = 0
                    while done < steps:
                        segment = min(training._segment, steps - done)
                        training._train_segment(done, segment)
                        done += segment

            def multiply_all(products: Callable[[], None] = products) -> None:
                for _ in range(steps):
                    products()

            with threadpool_limits(1, "blas"):
                pairs = [(best(multiply_all, 1)[0], best(train_all, 1)[0]) for _ in range(2 * rounds + 1)]
            rates = [flop * steps / seconds / 1e9 for seconds in (min(a for a, _ in pairs), min(b for _, b in pairs))]
            ratio = statistics.median(a / b for a, b in pairs)
            print(
                f"wide, {dtype}, {count} runs{'':<16} ratio {ratio:.2f}: training {rates[1]:.1f} GF/s, its products alone "
                f"{rates[0]:.1f} GF/s, {1e6 * min(b for _, b in pairs) / steps / count:.0f} us per run and step",
                flush=True,
            )


def _products(widths: Sequence[int], batch: int, runs: int, dtype: str) -> tuple[Callable[[], None], float]:
    """Return the eight stacked products of a step, on arrays laid out as BLAS likes each best, and their flop."""
    import numpy as np

    generator = np.random.default_rng(0)

    def array(*shape: int) -> "np.ndarray":
        return generator.standard_normal((runs, *shape)).astype(dtype)

    work = []
    for layer, (i, o) in enumerate(pairwise(widths)):
        x, delta = array(batch, i), array(batch, o)
        work += [(x, array(i, o), array(batch, o)), (array(batch, i).swapaxes(1, 2), delta, array(i, o))]
        if layer:
            work.append((delta, array(o, i), array(batch, i)))
    flop = sum(2.0 * runs * a.shape[1] * a.shape[2] * b.shape[2] for a, b, _ in work)

    def products() -> None:
        for a, b, out in work:
            np.matmul(a, b, out=out)

    return products, flop


def report(rounds: int) -> None:
    """Print the time of the report over 150 and over 10,000 runs, as a process of its own."""
    for seeds in (50, 3334):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            our_sweep(folder, seeds, "report=false", *(["train.steps=501", "train.eval_every=10"] if seeds > 50 else []))
            command = [sys.executable, "-m", "analysis", "--no-attach"]
            row(
                f"report over {3 * seeds:,} runs", [whole_process(command, folder) for _ in range(rounds if seeds == 50 else 1)]
            )


def best(function: Callable[[], object], rounds: int) -> list[float]:
    """Return the seconds of several calls."""
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - started)
    return seconds


def row(what: str, seconds: Sequence[float], runs: int = 0) -> None:
    """Print the median of some timings, and what that is a run."""
    median = statistics.median(seconds)
    each = f"{1000 * median / runs:8.1f} ms a run" if runs else ""
    print(f"{what:<34}{median:8.2f} s  ({', '.join(f'{s:.2f}' for s in seconds)}) {each}", flush=True)


PARTS = {"stock": against_the_stock_way, "main": main_job, "engine": engine, "wide": wide, "report": report}


def main() -> None:
    """Run the chosen parts, all by default."""
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], default=[], help=f"some of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}", flush=True
    )
    for name, part in PARTS.items():
        if not options.parts or name in options.parts:
            part(options.rounds)


if __name__ == "__main__":
    main()
