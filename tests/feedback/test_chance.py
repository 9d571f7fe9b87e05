"""Angles by chance follow each mode's own distribution, and measuring them changes no other number."""

import numpy as np
import pytest

from fa_sweep.engine.evaluation import Evaluation
from fa_sweep.engine.stack import Stack
from fa_sweep.engine.training import train
from fa_sweep.feedback import MODES
from fa_sweep.numerics.streams import stream

SHAPE = ("model.hidden=[6,5]", "model.activation=tanh", "train.steps=41", "train.eval_every=10", "task=digits", "init=xavier")
OWN = ("random", "rerandom", "direct", "sign_direct", "target_projection", "fixed_sign", "batch_sign", "partial")
NONE = ("kolen_pollack", "product", "weight_mirror", "uniform_sign", "partial angle_deg=0", "partial angle_deg=180")
LEFT = ("symmetric", "shallow")
SEED = 3


def run_of(settings, text, *overrides):
    mode, *own = text.split()
    return settings(f"feedback={mode}", *(f"feedback.{o}" for o in own), "feedback.distribution=normal", *SHAPE, *overrides)


def chance_of(histories):
    found = {name: values[:, 0] for name, values in histories.metrics.items() if name.startswith("chance_deg/")}
    assert set(found) == {"chance_deg/gradient", "chance_deg/signal_layer_1", "chance_deg/signal_layer_2"}
    return found


def test_every_mode_is_among_these():
    assert {text.split()[0] for text in (*OWN, *NONE, *LEFT)} == set(MODES)


@pytest.mark.parametrize("text", OWN)
def test_first_and_last_evaluation_have_values(settings, text):
    for values in chance_of(train([run_of(settings, text)])).values():
        assert np.isfinite(values[[0, -1]]).all()
        assert np.isnan(values[1:-1]).all()
        assert values[0] != values[-1]


@pytest.mark.parametrize("text", NONE)
def test_without_random_feedback_there_is_no_chance(settings, text):
    for values in chance_of(train([run_of(settings, text)])).values():
        assert np.isnan(values).all()


def test_turned_signs_are_random_feedback(settings):
    runs = [run_of(settings, "uniform_sign", f"feedback.concordance={p}") for p in (1, 0.8, 0)]
    values = train(runs).metrics["chance_deg/gradient"][[0, -1]]
    assert np.isfinite(values[:, 1]).all()
    assert np.isnan(values[:, [0, 2]]).all()


@pytest.mark.parametrize("mode", ["symmetric", "random"])
def test_a_single_evaluation_is_the_first(settings, mode):
    once = chance_of(train([run_of(settings, mode, "train.steps=1")]))
    often = chance_of(train([run_of(settings, mode)]))
    for name, values in once.items():
        assert values.tolist() == often[name][:1].tolist()


def fresh(purpose, seed, weights, initial, text):
    """Draw the matrices used in place of W_2 and W_3 (direct modes: B_1^T and B_2^T) as the mode's documentation says."""
    found = []
    for layer, (weight, start) in enumerate(zip(weights[1:], initial[1:], strict=True), start=2):
        shape = (10, weight.shape[1]) if text in ("direct", "sign_direct", "target_projection") else weight.shape
        kind = 1 if purpose == "evaluation" else 0
        drawn = stream(seed, purpose, layer, kind).standard_normal(shape)
        if text in ("fixed_sign", "batch_sign"):
            drawn = np.abs(drawn) * np.sign(weight)
        if text == "partial":
            drawn = drawn - np.sum(drawn * start) / np.sum(start * start) * start
            drawn = (weight + np.linalg.norm(weight) * drawn / np.linalg.norm(drawn)) * np.sqrt(0.5)
        found.append(drawn)
    return found


def expected(weights, feedback, task, text):
    """Return the expected `chance_deg` of the gradient and of both layers' signals, computed one example at a time."""
    signal_angles, ours, theirs = ([], []), [0.0] * 2, [0.0] * 2
    for x, y in zip(task.evaluation.inputs, task.evaluation.targets, strict=True):
        h1 = np.tanh(weights[0] @ x)
        h2 = np.tanh(weights[1] @ h1)
        output = weights[2] @ h2
        e = np.exp(output - output.max())
        e = e / e.sum() - y
        sent = {"sign_direct": np.sign(e), "target_projection": -y}.get(text, e)
        true2 = weights[2].T @ e
        true1 = weights[1].T @ (true2 * (1 - h2**2))
        used2 = feedback[1].T @ sent
        used1 = feedback[0].T @ (sent if len(feedback[0]) == 10 else used2 * (1 - h2**2))
        for layer, (used, true, h, below) in enumerate(((used1, true1, h1, x), (used2, true2, h2, h1))):
            signal_angles[layer].append(angle(used, true))
            ours[layer] = ours[layer] + np.outer(used * (1 - h**2), below)
            theirs[layer] = theirs[layer] + np.outer(true * (1 - h**2), below)
    whole = angle(*(np.concatenate([g.ravel() for g in parts]) for parts in (ours, theirs)))
    signals = {f"chance_deg/signal_layer_{n}": np.mean(angles) for n, angles in enumerate(signal_angles, start=1)}
    return {"chance_deg/gradient": whole, **signals}


def angle(a, b):
    return np.degrees(np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b)))


@pytest.mark.parametrize("text", [*OWN, "symmetric"])
def test_the_angles_are_those_of_the_mode_s_own_law(settings, text):
    """Angles by chance equal those recomputed from the first and the last weights, one example at a time."""
    run = run_of(settings, text, f"seed={SEED}", "feedback.seed=99", "train.lr=0.05")
    stack = Stack([run])
    initial = [w[..., 0].copy() for w in stack.parameters.weights]
    after_one = train([run_of(settings, text, f"seed={SEED}", "feedback.seed=99", "train.lr=0.05", "train.steps=1")])
    whole = train([run])
    found = chance_of(whole)
    ends = {0: (after_one, "chance_at_first"), -1: (whole, "chance_at_last")}
    if text in LEFT:  # these modes have no random matrices: fresh unscaled draws, at the first evaluation
        ends = {0: (after_one, "evaluation")}
    for row, (histories, purpose) in ends.items():
        weights = [w[..., 0] for w in histories.weights]
        feedback = fresh(purpose, SEED, weights, initial, text)
        for name, value in expected(weights, feedback, stack.task, text).items():
            assert found[name][row] == pytest.approx(value, abs=1e-6), (name, row)
    if text in LEFT:
        assert all(np.isnan(values[1:]).all() for values in found.values())


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_nothing_else_is_moved(settings, monkeypatch, engine):
    if engine == "numba":
        pytest.importorskip("numba")
        modes = ("random", "rerandom", "symmetric", "shallow")
        shape = ("train.steps=41", "train.eval_every=10", "engine=numba")
    else:
        modes, shape = (*OWN, *LEFT, "uniform_sign"), ("task=digits", "train.steps=41", "train.eval_every=10")
    runs = [settings(f"feedback={mode}", *shape, "train.lr=0.001", f"seed={s}") for mode in modes for s in range(2)]
    measured = train(runs)
    monkeypatch.setattr(Evaluation, "_chance", lambda self, top, true, purpose: {})
    plain = train(runs)
    for name, values in plain.metrics.items():
        if not name.startswith("chance_deg/"):
            assert np.array_equal(values, measured.metrics[name], equal_nan=True), name
    for ours, theirs in zip(measured.weights, plain.weights, strict=True):
        assert np.array_equal(ours, theirs, equal_nan=True)


def test_chance_does_not_depend_on_company(settings):
    runs = [run_of(settings, text, f"seed={s}") for text in (*OWN, *NONE, *LEFT) for s in range(3)]
    whole = train(runs)
    for number in range(0, len(runs), 5):
        alone = train([runs[number]])
        for name, values in alone.metrics.items():
            assert np.array_equal(values[:, 0], whole.metrics[name][:, number], equal_nan=True), (name, number)


def test_diverged_runs_have_no_chance_at_the_end(settings):
    rest = ("train.loss=squared", "train.lr=3", "init.scale=4", "train.steps=201")
    histories = train([settings("feedback=random", *rest, f"seed={s}") for s in range(10)])
    lost = histories.diverged_at_step >= 0
    assert lost.any()
    assert np.isnan(histories.metrics["chance_deg/gradient"][-1, lost]).all()


def test_the_band_is_wider_at_the_end(settings):
    """Chance is measured twice because gradients have fewer effective dimensions in trained networks than in new ones."""
    rest = ("model.hidden=[30,30]", "init=xavier", "model.activation=tanh", "train.steps=2001", "train.eval_every=2000")
    runs = [settings("feedback=random", "task=digits", *rest, "train.lr=0.05", f"seed={s}") for s in range(40)]
    first, last = train(runs).metrics["chance_deg/gradient"]
    assert np.std(last) > 1.2 * np.std(first)
