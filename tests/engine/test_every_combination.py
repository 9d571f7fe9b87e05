"""Every combination of mode, task, activation, loss and bias trains in a stack as it does alone, or is refused by name."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from support.files import write_small_files

from fa_sweep.engine.parts import parts_of
from fa_sweep.engine.training import train
from fa_sweep.errors import ConfigError
from fa_sweep.feedback import MODES
from fa_sweep.numerics.activations import ACTIVATIONS
from fa_sweep.numerics.losses import LOSSES
from fa_sweep.settings.compatibility import completed
from fa_sweep.tasks import TASKS

SHORT = ("train.steps=21", "train.epochs=null", "train.eval_every=20", "train.lr=0.01", "train.eval_samples=3")
NARROW = ("model.hidden=[5,4]", "train.batch_size=2")
WIDE = ("model.hidden=[48,40]", "train.batch_size=9")
OPTIONS = {"task=images": ("task.path=small-images-idx3", "task.held_out=9"),
           "task=csv": ("task.path=small.csv", "task.target=y", "task.held_out=9"),
           "task=parity": ("task.bits=3",),
           "task=linear_teacher": ("task.held_out=20",),
           "task=nonlinear_teacher": ("task.held_out=20",),
           "task=spirals": ("task.points=20", "task.held_out=9"),
           "task=digits": ("task.held_out=50",)}  # fmt: skip
ONE_HOT = ("digits", "images", "csv", "spirals")


def senseless(mode, task, loss):
    """Return the setting that a refusal of this combination must name, or None if the combination is valid."""
    if task in ONE_HOT:
        return None
    return "train.loss" if loss == "cross_entropy" else "feedback.mode" if MODES[mode].one_hot else None


@pytest.fixture
def feedback_of(settings):
    """The settings of every feedback mode, by name. They are the same for every task."""
    return {mode: settings("task=digits", f"feedback={mode}").feedback for mode in MODES}


def runs_of(settings, feedback_of, task, loss, activation, bias, sizes):
    """Yield a run of each mode that fits the combination. Assert that each other mode is refused by name."""
    overrides = (f"task={task}", *OPTIONS.get(f"task={task}", ()), f"model.activation={activation}", f"model.bias={bias}")
    base = settings(*overrides, "train.loss=squared", *SHORT, *sizes)
    base = replace(base, train=replace(base.train, loss=loss))
    for number, (mode, feedback) in enumerate(feedback_of.items()):
        run = replace(base, seed=number, feedback=feedback)
        if refused := senseless(mode, task, loss):
            with pytest.raises(ConfigError, match=f"^{refused} is '(cross_entropy|target_projection)'.*{task}"):
                completed(run)
        else:
            yield completed(run)


def test_the_tables_are_those_of_the_field():
    assert set(MODES) == {
        "symmetric", "random", "rerandom", "shallow", "direct", "sign_direct", "target_projection", "uniform_sign",
        "fixed_sign", "batch_sign", "partial", "kolen_pollack", "weight_mirror", "product",
    }  # fmt: skip
    assert set(TASKS) == {
        "xor", "parity", "linear_teacher", "nonlinear_teacher", "spirals", "digits", "images", "csv", "random_labels",
    }  # fmt: skip


# `make test` runs a Latin square of them: each task with one activation, and each activation with one or two tasks.
COMBINATIONS = [
    pytest.param(task, activation, marks=[] if (row + column) % len(ACTIVATIONS) == 0 else [pytest.mark.slow])
    for row, task in enumerate(TASKS)
    for column, activation in enumerate(ACTIVATIONS)
]


@pytest.mark.parametrize(("task", "activation"), COMBINATIONS)
def test_every_combination_is_itself_alone(settings, feedback_of, tmp_path, monkeypatch, task, activation):
    write_small_files(tmp_path, monkeypatch)
    for loss, bias in itertools.product(LOSSES, ("true", "false")):
        assert_alone(list(runs_of(settings, feedback_of, task, loss, activation, bias, NARROW)))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("optimiser", ["sgd", "momentum", "manhattan"])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_every_mode_in_wide_networks_is_itself_alone(settings, feedback_of, activation, optimiser, dtype):
    rest = (*WIDE, f"dtype={dtype}", f"train.optimiser={optimiser}", "train.weight_decay=0.01")
    assert_alone(list(runs_of(settings, feedback_of, "digits", "cross_entropy", activation, "true", rest)))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("optimiser", ["momentum", "manhattan"])
def test_every_mode_with_every_optimiser_is_itself_alone(settings, feedback_of, optimiser, dtype):
    rest = (*NARROW, f"dtype={dtype}", f"train.optimiser={optimiser}", "train.weight_decay=0.01")
    assert_alone(list(runs_of(settings, feedback_of, "spirals", "squared", "tanh", "true", rest)))


def assert_alone(runs):
    """Assert that runs trained together equal the same runs trained alone, to the last bit."""
    if not runs:
        return
    together = train(runs)
    changed = 0
    for number, run in enumerate(runs):
        alone = train([run])
        for ours, theirs in zip(together.weights, alone.weights, strict=True):
            assert ours.dtype == run.dtype
            assert np.array_equal(ours[..., number], theirs[..., 0], equal_nan=True), run.feedback.mode
        for name, values in together.metrics.items():
            assert np.array_equal(values[:, number], alone.metrics[name][:, 0], equal_nan=True), (run.feedback.mode, name)
        changed += alone.metrics["loss"][0, 0] != alone.metrics["loss"][-1, 0]
    assert changed >= len(runs) - 3  # in a small ReLU network without biases, all units may be dead from the start


def test_cross_entropy_on_one_output_is_refused(fa_sweep, capfd):
    assert fa_sweep("train.loss=cross_entropy") == 2
    err = capfd.readouterr().err
    assert "train.loss is 'cross_entropy'; it needs one-hot targets, those of xor are binary; choose absolute, squared" in err


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("task=linear_teacher", "feedback=target_projection"), ("feedback.mode", "target_projection", "linear_teacher")),
        (("task=linear_teacher", "train.sampling=permutation"), ("train.sampling", "linear_teacher", "fresh")),
        (("task=linear_teacher", "train.epochs=2"), ("train.epochs", "train.steps")),
        (("train.sampling=fresh",), ("train.sampling", "xor", "permutation")),
        (("train.sampling=permutation", "train.batch_size=5"), ("train.batch_size is 5", "xor has 4 examples")),
        (("task.success.metric=normalised_squared_error",), ("task.success.metric", "binary", "accuracy")),
        (("task=linear_teacher", "task.success.metric=accuracy"), ("task.success.metric", "normalised_squared_error")),
        (("train.eval_at=[0,9000]",), ("train.eval_at", "9000", "5000")),
        (("train.eval_at=sometimes",), ("train.eval_at", "log:50")),
        (("train.momentum=1",), ("train.momentum", "below 1")),
        (("train.weight_decay=200",), ("train.weight_decay", "200")),
        (("dtype=float16",), ("dtype", "float64, float32")),
        (("feedback.sparsity=1",), ("feedback.sparsity", "below 1")),
        (("feedback.seed=-1",), ("feedback.seed", "null")),
        (("feedback=partial", "feedback.angle_deg=200"), ("feedback.angle_deg", "180")),
        (("feedback=weight_mirror", "feedback.mirror_batch=1"), ("feedback.mirror_batch", "2")),
        (("feedback=fixed_sign", "feedback.concordance=2"), ("feedback.concordance", "at most 1")),
        (("feedback=kolen_pollack", "feedback.decay=1"), ("feedback.decay", "below 1")),
        (("feedback=product", "feedback.width=0"), ("feedback.width", "at least 1")),
        (("feedback=product", "feedback.expansion=0"), ("feedback.expansion", "at least 1")),
        (("task=images",), ("task.path has no value",)),
        (("task=parity", "task.bits=99"), ("task.bits", "16")),
        (("task=digits", "task.held_out=1797"), ("task.held_out", "1797 examples")),
        (("model.parametrisation=ntk",), ("model.parametrisation", "inverse_sqrt_width")),
    ],
    ids=" ".join,
)
def test_senseless_settings_are_refused_in_one_line(fa_sweep, capfd, overrides, words):
    assert fa_sweep(*overrides) == 2
    err = capfd.readouterr().err.strip()
    assert len(err.splitlines()) == 1
    for word in words:
        assert word in err, err


def test_a_stack_that_is_trained_in_parts_is_itself_alone(settings):
    """Wide networks are trained a few at a time, sorted by mode, and the results come back in the order of the runs."""
    wide = ("task=digits", "model.hidden=[100,90]", "train.batch_size=16", "train.lr=0.1", "init=xavier", *SHORT)
    modes = ("random", "symmetric", "kolen_pollack", "random", "direct", "symmetric", "random", "batch_sign")
    runs = [settings(f"feedback={mode}", *wide, f"seed={seed}") for seed, mode in enumerate(modes)]
    assert len(parts_of(runs)) > 1
    assert_alone(runs)


@pytest.mark.parametrize("mode", list(MODES))
def test_every_mode_on_networks_at_the_edge(settings, mode):
    """Every mode trains networks without a hidden layer or with one hidden unit per layer, for a single step."""
    for hidden in ("[]", "[1]", "[1,1,1]"):
        runs = [
            settings(f"feedback={mode}", "task=digits", f"model.hidden={hidden}", "train.steps=1", f"seed={s}") for s in (0, 1)
        ]
        histories = train(runs)
        assert np.isfinite(histories.metrics["loss"]).all()
