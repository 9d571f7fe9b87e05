"""Times training alone: the stacked engine against other ways to train the same networks, and against bare matrix products.

A run-step is one training step of one run. "Narrow" networks are those of the main job (2-10-10-1, one example per step).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from itertools import pairwise

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.measure import Row, median, pairs_of, seconds_of
from benchmarks.others import jax_engine, one_run, torch_engine
from fa_sweep import RunConfig, compose, train
from fa_sweep.engine.parts import parts_of
from fa_sweep.engine.stack import Stack
from fa_sweep.engine.training import Training
from fa_sweep.feedback import MODES
from fa_sweep.sweeping.timing import seconds as expected_seconds

STEPS = 5001
BLAS_SIZE = 512
FLOP = 2 * 130 + 2 * 110 + 2 * 130  # per run-step of the 2-10-10-1 network: forward, backward, update
TRAINING_ONLY = "train.eval_every=5000"


def runs_of(modes: Sequence[str], count: int, *overrides: str) -> list[RunConfig]:
    """Return the settings of `count` runs, with equally many runs per mode.

    Args:
        modes: the names of the feedback modes.
        count: the total number of runs, a multiple of the number of modes.
        overrides: further settings, as on the command line.
    """
    base = [compose(f"feedback={mode}", *overrides) for mode in modes]
    return [replace(run, seed=seed) for seed in range(count // len(modes)) for run in base]


def _seconds_to_train(runs: Sequence[RunConfig]) -> float:
    return seconds_of(lambda: train(runs))


def _us(seconds: float, runs: int) -> float:
    return 1e6 * seconds / STEPS / runs


def narrow(rounds: int) -> Iterator[Row]:
    """Time the training of narrow networks, for different modes, numbers of runs and engines."""
    both, engines = ("symmetric", "random"), ["numpy"] + ["numba"] * bool(find_spec("numba"))
    targets: dict[tuple[tuple[str, ...], int, str], str] = {
        (both, 150, "numpy"): "0.40",
        (both, 1000, "numpy"): "0.28",
        (both, 150, "numba"): "0.10",
        (both, 1000, "numba"): "0.10",
    }
    for modes, count in ((both, 150), (both, 1000), (("rerandom",), 150), (("rerandom",), 1000)):
        for engine in engines:
            runs, whole = runs_of(modes, count, f"engine={engine}", TRAINING_ONLY), runs_of(modes, count, f"engine={engine}")
            train(runs[: len(modes)])  # so that compiling, or reading the compiled code from the cache, is not timed
            pairs = pairs_of(rounds + 2, partial(_seconds_to_train, runs), partial(_seconds_to_train, whole))
            best, more = min(a for a, _ in pairs), median([b / a for a, b in pairs])
            target = targets.get((modes, count, engine), "0.60" if engine == "numpy" else "")
            what = f"{' + '.join(modes)}, {count:,} runs, {engine}"
            yield Row(
                "engine",
                what,
                f"{_us(best, count):.3f} us a run-step; evaluations + {100 * (more - 1):.0f} %",
                target=f"{target}; 20 %" if target else "",
            )
    literal = runs_of(("rerandom",), 150, "feedback.draws=literal", TRAINING_ONLY)
    yield Row(
        "engine",
        "rerandom, literal draws, 150 runs, numpy",
        f"{_us(min(_seconds_to_train(literal) for _ in range(rounds)), len(literal)):.2f} us a run-step",
        target="1.6",
    )
    for engine in engines:
        main = runs_of((*both, "rerandom"), 150, f"engine={engine}")
        best = min(_seconds_to_train(main) for _ in range(rounds + 2))
        yield Row(
            "engine",
            f"the main job's training, {engine}",
            f"{best:.2f} s",
            target="0.9 s, 0.6 to reach for" if engine == "numpy" else "",
        )


def against_others(rounds: int) -> Iterator[Row]:
    """Compare fa_sweep's training with fixed random feedback to JAX, PyTorch, per-sample NumPy and bare matrix products."""
    compiled = ["numba"] * bool(find_spec("numba"))
    for count in (150, 1000):
        for engine in [*compiled, "numpy"]:
            runs = runs_of(("random",), count, f"engine={engine}", TRAINING_ONLY)
            train(runs)
            what = f"{engine}, {count:,} runs, against"
            if find_spec("jax"):
                program, compile_s = jax_engine.make(count, STEPS)
                program()
                aside = f"{compile_s:.1f} s to compile aside"
                rest = program, count, rounds + 2
                yield _compared(f"{what} JAX vmap + scan, seeds to weights", partial(train, runs), *rest, note=aside)
                yield _compared(f"{what} JAX vmap + scan, steps alone", _steps_of(runs), *rest, note=aside)
            if find_spec("torch"):
                steps = 201
                other = torch_engine.make(count, steps)
                yield _compared(f"{what} PyTorch vmap", partial(train, runs), other, count, rounds, steps / STEPS)
    runs = runs_of(("random",), 150, TRAINING_ONLY)
    one = 1 / len(runs)
    what = "numpy, 150 runs, against per-sample NumPy"
    yield _compared(what, partial(train, runs), lambda: list(one_run.train("random", 0)), len(runs), rounds, one)
    for engine in ["numpy", *compiled]:
        runs = runs_of(("random",), 1000, f"engine={engine}", TRAINING_ONLY)
        what = f"{engine}, 1,000 runs, against BLAS at its {FLOP} flop a run-step"
        share = 2.0 * BLAS_SIZE**3 / (FLOP * STEPS * len(runs))
        yield _compared(what, partial(train, runs), _multiplied(), len(runs), rounds + 2, share)


def _compared(
    what: str,
    ours: Callable[[], object],
    other: Callable[[], object],
    runs: int,
    rounds: int,
    share: float = 1.0,
    note: str = "",
) -> Row:
    """Compare what a run-step costs with fa_sweep and in another way.

    Args:
        what: the name of the comparison.
        ours: trains with fa_sweep.
        other: does the work in the other way.
        runs: the number of runs that `ours` trains.
        rounds: the number of pairs to time.
        share: how much work one call of `other` does, as a fraction of the work of one call of `ours`.
        note: a remark, printed after the cost of the other way.
    """
    pairs = pairs_of(rounds, lambda: _us(seconds_of(ours), runs), lambda: _us(seconds_of(other), runs) / share)
    mine, theirs = (median(column) for column in zip(*pairs, strict=True))
    said = f"{theirs:.3f} us a run-step" + (f", {note}" if note else "")
    return Row("engine", what, f"{mine:.3f} us", said, [b / a for a, b in pairs])


def _steps_of(runs: Sequence[RunConfig]) -> Callable[[], object]:
    """Make the stacks, and return a function that trains them for STEPS steps. Drawing the examples is part of the steps."""
    stacks = [Training(Stack([runs[i] for i in part])) for part in parts_of(runs)]

    def steps() -> None:
        with np.errstate(all="ignore"):
            _train_all(stacks, STEPS)

    return steps


def _multiplied() -> Callable[[], object]:
    """Return a function that multiplies two matrices with one BLAS thread. They are small enough for the processor's cache."""
    a, b, out = (np.ones((BLAS_SIZE, BLAS_SIZE)) for _ in range(3))

    def multiply() -> None:
        np.matmul(a, b, out=out)

    def limited() -> None:
        with threadpool_limits(1, "blas"):
            multiply()

    limited()
    return limited


def estimates(rounds: int) -> Iterator[Row]:
    """Compare estimated with measured training times for every mode. Modes that need one-hot targets train on digits."""
    short = ("train.steps=1001", "train.eval_every=100")
    for count in (20, 200):
        shares = []
        for mode, kind in MODES.items():
            runs = runs_of((mode,), count, *short, *(("task=digits", "model.hidden=[20]") if kind.one_hot else ()))
            taken = min(_seconds_to_train(runs) for _ in range(2))
            shares.append(expected_seconds(runs) / taken)
        said = f"{min(shares):.2f} to {max(shares):.2f} of the time that it takes"
        yield Row("engine", f"estimates of training, {len(shares)} modes, {count} runs each", said, target="0.5-2")


def wide(rounds: int) -> Iterator[Row]:
    """Compare training 64-100-100-10 networks on batches of 32 with computing only their matrix products.

    Each product has its matrices in the memory layout that is fastest for BLAS.
    """
    batch, steps = 32, 200
    overrides = [
        "task=digits",
        "model.hidden=[100,100]",
        "model.activation=tanh",
        "model.bias=true",
        "init=xavier",
        "train=batch",
        "train.epochs=null",
    ]
    for dtype in ("float64", "float32"):
        for count in (10, 50):
            runs = runs_of(("random",), count, f"dtype={dtype}", *overrides)
            stacks = [Training(Stack([runs[i] for i in part])) for part in parts_of(runs)]
            products, flop = _products((64, 100, 100, 10), batch, count, dtype)
            with threadpool_limits(1, "blas"):
                pairs = pairs_of(
                    2 * rounds + 1,
                    partial(seconds_of, partial(_train_all, stacks, steps)),
                    partial(seconds_of, partial(_repeat, products, steps)),
                )
            mine, theirs = (flop * steps / min(column) / 1e9 for column in zip(*pairs, strict=True))
            target = "0.65; 25 GF/s" if dtype == "float64" else ""
            what = f"wide nets, {dtype}, {count} runs, against their products alone"
            yield Row("engine", what, f"{mine:.1f} GF/s", f"{theirs:.1f} GF/s", [b / a for a, b in pairs], target)


def _train_all(stacks: Sequence[Training], steps: int) -> None:
    for training in stacks:
        done = 0
        while done < steps:
            segment = min(training._segment, steps - done)
            training.train_segment(done, segment)
            done += segment


def _repeat(function: Callable[[], None], times: int) -> None:
    for _ in range(times):
        function()


def _products(widths: Sequence[int], batch: int, runs: int, dtype: str) -> tuple[Callable[[], None], float]:
    """Return a function that computes the stacked matrix products of one training step, and the flop of one call.

    Args:
        widths: the widths of the layers.
        batch: the number of examples per step.
        runs: the number of runs in the stack.
        dtype: the type of the numbers.
    """
    generator = np.random.default_rng(0)

    def array(*shape: int) -> np.ndarray:
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
