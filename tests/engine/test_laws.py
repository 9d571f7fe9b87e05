"""Laws that hold exactly, whatever the settings."""

import dataclasses

import numpy as np
import pytest

from fa_sweep.engine.stack import Stack
from fa_sweep.engine.training import Training, train
from fa_sweep.feedback import MODES, Backward
from fa_sweep.feedback.random import Random


def assert_equal(a, b):
    """Assert that two histories are the same to the last bit."""
    assert np.array_equal(a.steps, b.steps)
    assert np.array_equal(a.diverged_at_step, b.diverged_at_step)
    for name, values in a.metrics.items():
        assert np.array_equal(values, b.metrics[name], equal_nan=True), name
    for ours, theirs in zip(a.weights, b.weights, strict=True):
        assert np.array_equal(ours, theirs, equal_nan=True)


def test_random_with_the_transposed_weights_refreshed_each_step_equals_symmetric(settings, monkeypatch):
    symmetric = train([settings("feedback=symmetric", f"seed={s}", "train.steps=301") for s in range(5)])
    monkeypatch.setattr(
        Random,
        "begin_step",
        lambda self, step: [np.copyto(m, w) for m, w in zip(self.matrices, self.forward.weights[1:], strict=True)],
    )
    random = train([settings("feedback=random", f"seed={s}", "train.steps=301") for s in range(5)])
    for ours, theirs in zip(symmetric.weights, random.weights, strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("distribution", ["normal", "uniform", "orthogonal"])
def test_rerandom_that_never_redraws_equals_random(settings, distribution):
    rest = ("train.steps=301", f"feedback.distribution={distribution}", "feedback.scale=0.7", "model.hidden=[6,5]")
    random = train([settings("feedback=random", f"seed={s}", *rest) for s in range(5)])
    rerandom = train([settings("feedback=rerandom", "feedback.every=1000", f"seed={s}", *rest) for s in range(5)])
    assert_equal(random, rerandom)


def test_rerandom_redraws_every_k_steps(settings):
    literal = "feedback.draws=literal"
    every = {k: Stack([settings("feedback=rerandom", f"feedback.every={k}", literal)]) for k in (1, 3)}
    seen = {k: [] for k in every}
    for k, stack in every.items():
        ((_, mode),) = stack.parts
        for step in range(9):
            mode.begin_step(step)
            seen[k].append(mode.matrices[0][..., 0].copy())
    for step in range(9):
        assert np.array_equal(seen[3][step], seen[1][step // 3])
    assert len({m.tobytes() for m in seen[1]}) == 9


def test_shallow_trains_the_output_layer_alone(settings):
    run = settings("feedback=shallow", "seed=4", "train.steps=301")
    before = [w[..., 0].copy() for w in Stack([run]).parameters.weights]
    after = train([run])
    assert np.array_equal(before[0], after.weights[0][..., 0])
    assert np.array_equal(before[1], after.weights[1][..., 0])
    assert not np.array_equal(before[2], after.weights[2][..., 0])
    for name, values in after.metrics.items():
        if name.startswith("angle_deg"):
            assert np.isnan(values).all(), name


def test_permuting_runs_permutes_results(settings):
    modes = ("symmetric", "random", "rerandom", "shallow")
    runs = [settings(f"feedback={m}", f"seed={s}", "train.steps=301") for s in range(4) for m in modes]
    order = np.random.default_rng(0).permutation(len(runs))
    straight, shuffled = train(runs), train([runs[i] for i in order])
    for name, values in straight.metrics.items():
        assert np.array_equal(values[:, order], shuffled.metrics[name], equal_nan=True), name


def test_permuting_hidden_units_permutes_everything_to_rounding(settings):
    runs = [settings("feedback=random", "train.loss=squared", f"seed={s}", "train.lr=0.001") for s in range(8)]
    plain, permuted = Training(Stack(runs)), Training(Stack(runs))
    first, second = (np.random.default_rng(1).permutation(10) for _ in range(2))
    w1, w2, w3 = permuted.stack.parameters.weights
    ((_, mode),) = permuted.stack.parts
    b2, b3 = mode.matrices
    w1[:], w2[:], w3[:] = w1[first], w2[second][:, first], w3[:, second]
    b2[:], b3[:] = b2[second][:, first], b3[:, second]
    for training in (plain, permuted):
        training.train_segment(0, 50)
    v1, v2, v3 = plain.stack.parameters.weights
    np.testing.assert_allclose(w1, v1[first], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(w2, v2[second][:, first], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(w3, v3[:, second], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("mode", [m for m in MODES if m not in ("shallow", "sign_direct", "target_projection")])
def test_scaling_the_error_scales_the_signal(settings, mode):
    stack = Stack([settings(f"feedback={mode}", f"seed={s}") for s in range(3)])
    ((_, feedback),) = stack.parts
    feedback.begin_step(0)
    feedback.refresh()
    lanes = len(stack.runs)
    generator = np.random.default_rng(0)
    deltas = [generator.normal(size=(n, 4, lanes)) for n in (0, 10, 10, 1)]
    once, fourfold = np.empty_like(deltas[1]), np.empty_like(deltas[1])
    feedback.signal(1, Backward(deltas, np.ones(lanes), deltas[3]), once)
    # Multiplying by 4 is exact, because 4 is a power of two.
    feedback.signal(1, Backward([4.0 * d for d in deltas], np.ones(lanes), deltas[3]), fourfold)
    assert np.array_equal(4.0 * once, fourfold)
    assert once.any()


def test_one_hidden_layer_linear_feedback_alignment_law(settings):
    """C = B W_2 + (B W_2)^T - W_1 W_1^T changes at each online step by exactly -lr^2 D D^T; D = B e x^T (Lillicrap 2016)."""
    lr = 0.01
    run = settings("feedback=random", "model.hidden=[6]", "model.activation=linear", "train.loss=squared", f"train.lr={lr}")
    training = Training(Stack([run]))
    stack = training.stack
    ((_, mode),) = stack.parts
    w1, w2 = stack.parameters.weights
    b = mode.matrices[0][..., 0].T

    def invariant():
        product = b @ w2[..., 0]
        return product + product.T - w1[..., 0] @ w1[..., 0].T

    for step in range(20):
        x, y = stack.examples.batches(1)
        stack.examples.batches = lambda steps, x=x, y=y: (x, y)
        before = invariant()
        e = w2[..., 0] @ w1[..., 0] @ x[0, :, 0, 0] - y[0, :, 0, 0]
        d = np.outer(b @ e, x[0, :, 0, 0])
        training.train_segment(step, 1)
        del stack.examples.batches
        np.testing.assert_allclose(invariant() - before, -(lr**2) * d @ d.T, atol=1e-14)


def test_common_random_numbers(settings):
    """Modes with one seed share initial weights and the order of patterns; init.scale multiplies the same unit draws."""
    symmetric, random = (Stack([settings(f"feedback={m}", "seed=7")]) for m in ("symmetric", "random"))
    scaled = Stack([settings("init.scale=4", "seed=7")])
    for a, b, c in zip(symmetric.parameters.weights, random.parameters.weights, scaled.parameters.weights, strict=True):
        assert np.array_equal(a, b)
        assert np.array_equal(4 * a, c)
    assert np.array_equal(symmetric.examples.batches(50)[0], random.examples.batches(50)[0])
    assert np.array_equal(symmetric.examples.sampled(5), random.examples.sampled(5))


def test_the_order_of_examples_does_not_depend_on_how_it_is_cut(settings):
    whole, parts = Stack([settings("train.batch_size=3")]), Stack([settings("train.batch_size=3")])
    x, _ = whole.examples.batches(60)
    pieces = np.concatenate([parts.examples.batches(n)[0] for n in (1, 7, 52)])
    assert np.array_equal(x, pieces)


def test_a_stack_refuses_runs_of_different_structure(settings):
    run = settings("seed=0")
    other = dataclasses.replace(run, model=dataclasses.replace(run.model, hidden=[9, 10]))
    with pytest.raises(ValueError, match="one structure"):
        train([run, other])


def test_network_without_hidden_layer_has_no_angles(settings):
    histories = train([settings("model.hidden=[]", "train.steps=11")])
    assert set(histories.metrics) == {"accuracy", "accuracy_sampled", "loss", "norm/weight_layer_1", "norm/update_layer_1"}
