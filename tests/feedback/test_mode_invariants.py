"""Exact laws of the feedback modes, and the rule of each mode recomputed for one network at a time."""

from itertools import pairwise

import numpy as np
import pytest

from fa_sweep.engine.stack import Stack
from fa_sweep.engine.training import Training, train
from fa_sweep.feedback import MODES, Backward, Forward, Lane
from fa_sweep.numerics.alignment import angle_deg, products
from fa_sweep.numerics.layout import LanesLast, RunsFirst

DEEP = ("model.hidden=[6,5]", "model.activation=tanh", "train.loss=squared", "train.lr=0.02", "train.steps=301")
WIDE = ("task=digits", "model.hidden=[40,30]", "model.activation=tanh", "train=batch", "train.epochs=null", "train.steps=41")


def trained(settings, mode, *overrides, seeds=range(4)):
    return train([settings(f"feedback={mode}", *overrides, f"seed={s}") for s in seeds])


def assert_same_weights(a, b, rtol=0.0, atol=0.0):
    for ours, theirs in zip(a.weights, b.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=atol)


@pytest.mark.parametrize("structure", [DEEP, WIDE], ids=["narrow", "wide"])
def test_partial_at_0_degrees_is_symmetric(settings, structure):
    assert_same_weights(
        trained(settings, "partial", "feedback.angle_deg=0", *structure), trained(settings, "symmetric", *structure)
    )


@pytest.mark.parametrize("angle", [0, 30, 90, 120, 180])
def test_partial_begins_at_its_angle_and_norm(settings, angle):
    stack = Stack(
        [settings("feedback=partial", f"feedback.angle_deg={angle}", "init.scale=0.3", f"seed={s}") for s in range(5)]
    )
    ((_, mode),) = stack.parts
    mode.refresh()
    for matrix, weight in zip(mode.matrices, stack.parameters.weights[1:], strict=True):
        dot, ours, theirs = products(stack.layout.inner, matrix[..., :5], weight[..., :5])
        np.testing.assert_allclose(angle_deg(dot, ours, theirs), angle, atol=2e-5)
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


@pytest.mark.parametrize("distribution", ["normal", "uniform"])
def test_with_one_hidden_layer_direct_is_random(settings, distribution):
    rest = ("model.hidden=[7]", "model.activation=tanh", "train.steps=301", f"feedback.distribution={distribution}")
    assert_same_weights(trained(settings, "direct", *rest), trained(settings, "random", *rest))


@pytest.mark.parametrize("optimiser", ["sgd", "momentum", "manhattan"])
@pytest.mark.parametrize("structure", [DEEP, WIDE], ids=["narrow", "wide"])
def test_kolen_pollack_contracts_exactly(settings, optimiser, structure):
    """W^T - B = (1 - d)^t (W^T - B)_0 for any updates (Kolen and Pollack, 1994; Akrout et al., 2019)."""
    d, steps = 1e-3, 300
    runs = [
        settings("feedback=kolen_pollack", *structure, f"feedback.decay={d}", f"train.optimiser={optimiser}", f"seed={s}",
                 "train.steps=300", "train.lr=0.005")
        for s in range(3)
    ]  # fmt: skip
    training = Training(Stack(runs))
    ((_, mode),) = training.stack.parts
    weights = training.stack.parameters.weights[1:]
    before = [w - b for w, b in zip(weights, mode.matrices, strict=True)]
    for _ in training.run():
        pass
    for start, weight, matrix in zip(before, weights, mode.matrices, strict=True):
        scale = np.abs(start).max()
        np.testing.assert_allclose(weight - matrix, (1 - d) ** steps * start, rtol=0, atol=1e-12 * scale)
        assert np.abs(weight).max() > 0


@pytest.mark.parametrize("optimiser", ["sgd", "momentum", "manhattan"])
@pytest.mark.parametrize("structure", [DEEP, WIDE], ids=["narrow", "wide"])
def test_kolen_pollack_contracts_under_weight_decay_too(settings, optimiser, structure):
    """B decays as W does: W^T - B = k^t (W^T - B)_0, k = 1 - d - lr * weight_decay; the output layer has its own decay."""
    d, lr, decay, steps = 1e-3, 0.005, (0.1, 0.3), 300
    run = settings("feedback=kolen_pollack", *structure, f"feedback.decay={d}", f"train.optimiser={optimiser}",
                   f"train.lr={lr}", f"train.steps={steps}", f"train.weight_decay={decay[0]}",
                   f"train.output_weight_decay={decay[1]}")  # fmt: skip
    training = Training(Stack([run]))
    ((_, mode),) = training.stack.parts
    weights = training.stack.parameters.weights[1:]
    before = [w - b for w, b in zip(weights, mode.matrices, strict=True)]
    for _ in training.run():
        pass
    for start, weight, matrix, own in zip(before, weights, mode.matrices, decay, strict=True):
        left = (1 - d - lr * own) ** steps
        np.testing.assert_allclose(weight - matrix, left * start, rtol=0, atol=1e-12 * np.abs(start).max())


def test_kolen_pollack_spares_biases(settings):
    rest = ("model.bias=true", "train.steps=1", "train.lr=1e-300", *DEEP[:3])
    run = settings("feedback=kolen_pollack", "feedback.decay=0.5", *rest)
    training = Training(Stack([run]))
    parameters = training.stack.parameters
    for bias in parameters.biases:
        bias[:] = 1.0
    before = [w.copy() for w in parameters.weights]
    training.train_segment(0, 1)
    assert all((bias == 1.0).all() for bias in parameters.biases)
    for weight, was in zip(parameters.weights, before, strict=True):
        assert np.array_equal(weight, 0.5 * was)


def lanes(seed, config, distribution="normal"):
    init = type("Init", (), {"distribution": distribution, "scale": 1.0})
    return [Lane(seed, config, init)]


@pytest.mark.parametrize("distribution", ["uniform", "normal"])
@pytest.mark.parametrize("mode", ["uniform_sign", "fixed_sign", "batch_sign"])
def test_closed_form_angles_of_sign_modes(settings, mode, distribution):
    """The angle between B and W^T, for 1000 x 1000 weights, follows from the moments of their distributions.

    Its cosine is E|W| / SD(W) if all entries of B have the same magnitude, and E|W| E|M| / (SD(W) SD(M)) if their magnitudes
    |M| are random.
    """
    expected = {"uniform_sign": {"uniform": 30.00, "normal": 37.07}}.get(mode, {"uniform": 41.41, "normal": 50.46})
    assert weight_angle(settings, mode, distribution) == pytest.approx(expected[distribution], abs=0.3)


@pytest.mark.parametrize("p", [0.5, 0.75, 0.9])
def test_closed_form_angle_of_concordance(settings, p):
    expected = np.degrees(np.arccos((2 * p - 1) * 2 / np.pi))
    assert weight_angle(settings, "fixed_sign", "normal", f"feedback.concordance={p}") == pytest.approx(expected, abs=0.3)


def weight_angle(settings, mode, distribution, *overrides):
    config = settings(f"feedback={mode}", f"feedback.distribution={distribution}", *overrides).feedback
    layout = LanesLast(np.float64)
    generator = np.random.default_rng(0)
    draw = generator.standard_normal if distribution == "normal" else lambda shape: generator.uniform(-1, 1, shape)
    weights = [layout.zeros(1000, 1, 1), np.asarray(draw((1000, 1000)))[..., None]]
    made = MODES[mode](lanes(3, config, distribution), Forward(weights, None, layout, 1))
    made.begin_step(0)
    made.refresh()
    return float(angle_deg(*products(layout.inner, made.effective(1), weights[1]))[0])


@pytest.mark.parametrize("mode", ["fixed_sign", "batch_sign", "uniform_sign"])
def test_sign_modes_follow_the_signs_of_the_current_weights(settings, mode):
    training = Training(Stack([settings(f"feedback={mode}", *DEEP, f"seed={s}") for s in range(3)]))
    for _ in training.run():
        pass
    ((_, made),) = training.stack.parts
    for matrix, weight in zip(made.matrices, training.stack.parameters.weights[1:], strict=True):
        assert np.array_equal(np.sign(matrix[..., :3]), np.sign(weight[..., :3]))


def test_a_zero_weight_has_a_zero_sign(settings):
    stack = Stack([settings("feedback=fixed_sign")])
    ((_, mode),) = stack.parts
    stack.parameters.weights[1][0, 0] = 0.0
    mode.refresh()
    assert mode.matrices[0][0, 0, 0] == 0.0
    assert mode.matrices[0][0, 1, 0] != 0.0


def test_batch_sign_draws_at_every_step_and_begins_as_fixed_sign(settings):
    fixed, batch = (Stack([settings(f"feedback={m}_sign", "seed=5")]).parts[0][1] for m in ("fixed", "batch"))
    seen = []
    for step in range(3):
        batch.begin_step(step)
        batch.refresh()
        seen.append(batch.matrices[0].copy())
    fixed.refresh()
    assert np.array_equal(seen[0], fixed.matrices[0])
    assert not np.array_equal(np.abs(seen[0]), np.abs(seen[1]))


@pytest.mark.parametrize("layout", [LanesLast, RunsFirst])
@pytest.mark.parametrize("mode", ["direct", "sign_direct", "target_projection"])
def test_direct_modes_send_the_error_straight_down(settings, mode, layout):
    generator = np.random.default_rng(1)
    layout = layout(np.float64)
    sizes = [4, 7, 5, 3]

    def laid_out(array):
        out = layout.empty(*array.shape)
        out[...] = array
        return out

    weights = [laid_out(generator.normal(size=(o, i, 1))) for i, o in pairwise(sizes)]
    task = "task=digits" if mode == "target_projection" else "task=xor"
    made = MODES[mode](lanes(2, settings(f"feedback={mode}", task).feedback), Forward(weights, None, layout, 1))
    e = generator.normal(size=(3, 6, 1))
    target = np.eye(3)[generator.integers(3, size=6)].T[..., None]
    lr = 0.25
    backward = Backward([laid_out(np.zeros((n, 6, 1))) for n in sizes], np.array([-lr]), laid_out(target))
    backward.deltas[-1][...] = -lr * e
    sent = {"direct": e, "sign_direct": np.sign(e), "target_projection": -target}[mode]
    for layer in (1, 2):
        out = layout.empty(sizes[layer], 6, 1)
        made.signal(layer, backward, out)
        np.testing.assert_allclose(out[..., 0], -lr * made.matrices[layer - 1][..., 0].T @ sent[..., 0], rtol=1e-12)
    # Refinetti et al. (2021) compare hidden W_l with B_l B_{l-1}^T, and W_L with B_{L-1}^T
    np.testing.assert_allclose(made.effective(1)[..., 0], made.matrices[1][..., 0].T @ made.matrices[0][..., 0], rtol=1e-12)
    assert np.array_equal(made.effective(2), made.matrices[1])


def test_direct_draws_have_the_fans_of_a_matrix_from_output_to_layer(settings):
    run = settings("feedback=direct", "feedback.distribution=he", "feedback.scale=2", "model.hidden=[400,300]", "task=digits")
    ((_, mode),) = Stack([run]).parts
    for matrix in mode.matrices:
        assert matrix[..., 0].std() == pytest.approx(2 * np.sqrt(2 / 10), rel=0.05)


def test_target_projection_descends(settings):
    """With few hidden units, training accuracy is well above that of frozen hidden layers."""
    rest = ("task=digits", "model.hidden=[10]", "model.activation=tanh", "train=batch", "init=xavier", "train.epochs=10")
    projected, frozen = (trained(settings, m, *rest, seeds=range(6)) for m in ("target_projection", "shallow"))
    assert np.median(projected.metrics["accuracy"][-1]) > np.median(frozen.metrics["accuracy"][-1]) + 0.1
    assert np.nanmedian(projected.metrics["angle_deg/weight_layer_2"][-1]) < 80  # the output weights turn towards B


@pytest.mark.parametrize("optimiser", ["sgd", "momentum"])
def test_product_follows_its_equations(settings, optimiser):
    """One step is W <- (1 - d) W + u and R <- (1 - d) R + v, where v follows from R's own gradient (B^T delta) h^T."""
    lr, d, momentum = 0.1, 0.01, 0.5 if optimiser == "momentum" else 0.0
    run = settings("feedback=product", "feedback.expansion=3", f"feedback.decay={d}", *DEEP, f"train.lr={lr}",
                   "train.batch_size=4", f"train.optimiser={optimiser}", f"train.momentum={momentum}")  # fmt: skip
    training = Training(Stack([run]))
    ((_, mode),) = training.stack.parts
    w1, w2, w3 = (w[..., 0].copy() for w in training.stack.parameters.weights)
    (b2, b3), (r2, r3) = ([m[..., 0].copy() for m in ms] for ms in (mode._fixed, mode._learnt))
    assert [b.shape for b in (b2, b3)] == [(5, 15), (1, 3)]  # three times the units of the layer above
    velocities = [0.0] * 5
    xs, ys = training.stack.examples.batches(10)
    training.stack.examples.batches = lambda steps: (xs, ys)
    for x, y in zip(xs[..., 0], ys[..., 0], strict=True):
        h1 = np.tanh(w1 @ x)
        h2 = np.tanh(w2 @ h1)
        e = w3 @ h2 - y
        d2 = (r3.T @ (b3.T @ e)) * (1 - h2**2)
        d1 = (r2.T @ (b2.T @ d2)) * (1 - h1**2)
        gradients = (d1 @ x.T, d2 @ h1.T, e @ h2.T, b2.T @ d2 @ h1.T, b3.T @ e @ h2.T)
        for number, gradient in enumerate(gradients):
            velocities[number] = momentum * velocities[number] - lr / 4 * gradient
        for matrix, velocity in zip((w1, w2, w3, r2, r3), velocities, strict=True):
            matrix *= 1 - d
            matrix += velocity
    training.train_segment(0, 10)
    for ours, theirs in zip((*training.stack.parameters.weights, *mode._learnt), (w1, w2, w3, r2, r3), strict=True):
        np.testing.assert_allclose(ours[..., 0], theirs, rtol=1e-9, atol=1e-13)
    for ours, theirs in zip(mode._fixed, (b2, b3), strict=True):
        assert np.array_equal(ours[..., 0], theirs)
    mode.begin_evaluation()
    np.testing.assert_allclose(mode.effective(1)[..., 0], b2 @ r2, rtol=1e-9)


@pytest.mark.parametrize("optimiser", ["sgd", "momentum", "manhattan"])
@pytest.mark.parametrize("structure", [DEEP, WIDE], ids=["narrow", "wide"])
def test_the_learning_factor_meets_its_path_to_the_weights(settings, optimiser, structure):
    """R - B^T W = k^t (R - B^T W)_0, k = 1 - d - lr * weight_decay, so B R tends to B B^T W (Li and Benna, 2024)."""
    d, lr, decay = 1e-3, 0.005, (0.1, 0.2)
    run = settings("feedback=product", *structure, "train.steps=300", f"train.lr={lr}", f"train.optimiser={optimiser}",
                   f"feedback.decay={d}", f"train.weight_decay={decay[0]}",
                   f"train.output_weight_decay={decay[1]}")  # fmt: skip
    training = Training(Stack([run, run]))
    ((_, mode),) = training.stack.parts

    def apart():
        return [
            learnt[..., 0] - fixed[..., 0].T @ weight[..., 0]
            for fixed, learnt, weight in zip(mode._fixed, mode._learnt, training.stack.parameters.weights[1:], strict=True)
        ]

    before = apart()
    for _ in training.run():
        pass
    for start, now, own in zip(before, apart(), decay, strict=True):
        np.testing.assert_allclose(now, (1 - d - lr * own) ** 300 * start, rtol=0, atol=1e-11 * np.abs(start).max())


def test_factors_are_drawn_as_the_authors_draw_them(settings):
    """B is uniform in +-sqrt(3 / k), where k is ten times the number of units above; R is Xavier with its own shape's fans."""
    run = settings("feedback=product", "task=digits", "model.hidden=[80,60]", "init=xavier")
    ((_, mode),) = Stack([run]).parts
    for fixed, learnt, (above, below) in zip(mode._fixed, mode._learnt, ((60, 80), (10, 60)), strict=True):
        k = 10 * above
        assert fixed.shape == (above, k, fixed.shape[2])
        assert learnt.shape[:2] == (k, below)
        for matrix, limit in ((fixed, np.sqrt(3 / k)), (learnt, np.sqrt(6 / (k + below)))):
            assert limit * 0.98 < np.abs(matrix[..., 0]).max() <= limit
            assert matrix[..., 0].std() == pytest.approx(limit / np.sqrt(3), rel=0.05)


def test_sparse_factors_stay_sparse(settings):
    run = settings("feedback=product", "feedback.sparsity=0.7", *DEEP)
    training = Training(Stack([run]))
    ((_, mode),) = training.stack.parts
    places = [[matrix[..., 0] != 0 for matrix in factors] for factors in (mode._fixed, mode._learnt)]
    for _ in training.run():
        pass
    for factors, before in zip((mode._fixed, mode._learnt), places, strict=True):
        for matrix, there in zip(factors, before, strict=True):
            assert (~there).sum() == min(there.size - 1, round(0.7 * there.size))
            assert np.array_equal(matrix[..., 0] != 0, there)


DIGITS = ("task=digits", "model.hidden=[30,20]", "init=xavier", "train=batch", "train.loss=cross_entropy", "train.lr=0.1")


@pytest.mark.parametrize("expansion", [1, 10, 50])
def test_product_feedback_approaches_backpropagation_in_digits(settings, expansion):
    """Feedback paths align with the weights, and gradients with true gradients, the better the more units a path has.

    This is the published claim. The angle that remains is the one between B B^T W and W. Its tangent is about
    sqrt(n_{l+1} / k).
    """
    decay = ("feedback.decay=3e-3", f"feedback.expansion={expansion}", "train.epochs=20")
    metrics = trained(settings, "product", *DIGITS, *decay).metrics
    floor = np.degrees(np.arctan(expansion**-0.5))
    assert np.mean(metrics["angle_deg/weight_layer_2"][0]) > 80
    assert np.mean(metrics["angle_deg/weight_layer_2"][-1]) == pytest.approx(floor, abs=4)
    assert np.mean(metrics["angle_deg/gradient"][0]) > 80
    assert np.mean(metrics["angle_deg/gradient"][-1]) < {1: 35, 10: 20, 50: 15}[expansion]


def test_product_feedback_learns_digits_nearly_as_well_as_backpropagation_does(settings):
    """The accuracies are comparable, because weights decay equally per step in both modes: d = lr * weight_decay."""
    product = trained(settings, "product", *DIGITS, "feedback.decay=1e-3", "train.epochs=60")
    symmetric = trained(settings, "symmetric", *DIGITS, "train.weight_decay=1e-2", "train.epochs=60")
    ours, theirs = (np.mean(h.metrics["accuracy"][-1]) for h in (product, symmetric))
    assert ours > theirs - 0.02


def test_a_path_through_fewer_units_than_the_layer_above_cannot_align(settings):
    rest = ("feedback.decay=3e-3", "feedback.width=5", "train.epochs=20")
    metrics = trained(settings, "product", *DIGITS, *rest).metrics
    assert np.mean(metrics["angle_deg/weight_layer_2"][-1]) > 50


def test_weight_mirror_follows_its_equations(settings):
    rate, decay, noise, batch = 0.1, 0.02, 0.5, 6
    run = settings("feedback=weight_mirror", f"feedback.mirror_rate={rate}", f"feedback.mirror_decay={decay}", *DEEP,
                   f"feedback.mirror_noise={noise}", f"feedback.mirror_batch={batch}", "seed=4")  # fmt: skip
    training = Training(Stack([run]))
    ((_, mode),) = training.stack.parts
    before = [m[..., 0].copy() for m in mode.matrices]
    training.train_segment(0, 1)
    from fa_sweep.numerics.streams import stream

    for number, (weight, was) in enumerate(zip(training.stack.parameters.weights[1:], before, strict=True)):
        w = weight[..., 0]
        x = noise * stream(4, "mirror", number + 2).standard_normal((batch, w.shape[1])).T
        y = w @ x if number == 1 else np.tanh(w @ x)
        y = y - y.mean(axis=1, keepdims=True)
        np.testing.assert_allclose(mode.matrices[number][..., 0], (1 - decay) * was + rate / batch * y @ x.T, rtol=1e-10)


def test_weight_mirror_finds_a_fixed_linear_weight(settings):
    run = settings("feedback=weight_mirror", "model.hidden=[8]", "model.activation=linear", "train.lr=1e-9", "train.steps=2001",
                   "feedback.mirror_rate=0.02", "feedback.mirror_decay=0.02")  # fmt: skip
    histories = train([run])
    assert histories.metrics["angle_deg/weight_layer_2"][0, 0] > 30
    assert histories.metrics["angle_deg/weight_layer_2"][-1, 0] < 15


@pytest.mark.parametrize("mode", ["random", "rerandom", "fixed_sign", "direct", "kolen_pollack"])
def test_match_norm_gives_each_matrix_the_norm_of_what_it_replaces(settings, mode):
    stack = Stack([settings(f"feedback={mode}", "feedback.match_norm=true", "init.scale=0.3", f"seed={s}") for s in range(3)])
    ((_, made),) = stack.parts
    made.begin_step(0)
    made.refresh()
    weights = stack.parameters.weights
    replaced = [np.einsum("oir,ijr->ojr", weights[2], weights[1]), weights[2]] if mode == "direct" else weights[1:]
    for matrix, weight in zip(made.matrices, replaced, strict=True):
        for lane in range(3):
            assert np.linalg.norm(matrix[..., lane]) == pytest.approx(np.linalg.norm(weight[..., lane]), rel=1e-12)


@pytest.mark.parametrize("mode", ["random", "rerandom", "direct", "fixed_sign", "weight_mirror"])
def test_sparsity_is_the_fraction_of_zeros(settings, mode):
    stack = Stack([settings(f"feedback={mode}", "feedback.sparsity=0.3", f"seed={s}") for s in range(3)])
    ((_, made),) = stack.parts
    made.begin_step(0)
    made.refresh()
    for matrix in made.matrices:
        for lane in range(3):
            entries = matrix[..., lane]
            assert (entries == 0).sum() == round(0.3 * entries.size)


def test_feedback_seed_crosses_draws_with_initialisations(settings):
    stacks = {
        (s, f): Stack([settings("feedback=random", f"seed={s}", f"feedback.seed={f}")]) for s in (1, 2) for f in ("null", 1, 7)
    }

    def feedback(s, f):
        return stacks[s, f].parts[0][1].matrices[0]

    assert np.array_equal(feedback(1, "null"), feedback(1, 1))
    assert np.array_equal(feedback(1, 7), feedback(2, 7))
    assert not np.array_equal(feedback(1, 7), feedback(1, 1))
    first = [stacks[1, f].parameters.weights[0] for f in ("null", 1, 7)]
    assert np.array_equal(first[0], first[1])
    assert np.array_equal(first[0], first[2])
    assert not np.array_equal(first[0], stacks[2, 7].parameters.weights[0])


def test_runs_of_one_mode_and_different_shapes_share_a_stack(settings):
    options = {"product": ("feedback.width=3", "feedback.expansion=5"), "rerandom": ("feedback.every=1", "feedback.every=4"),
               "weight_mirror": ("feedback.mirror_batch=4", "feedback.mirror_steps=2")}  # fmt: skip
    runs = [settings(f"feedback={mode}", option, *DEEP) for mode, both in options.items() for option in both]
    whole = train(runs)
    for number, run in enumerate(runs):
        alone = train([run])
        for ours, theirs in zip(whole.weights, alone.weights, strict=True):
            assert np.array_equal(ours[..., number], theirs[..., 0])


@pytest.mark.parametrize("parametrisation", ["standard", "inverse_sqrt_width"])
@pytest.mark.parametrize("mode", ["direct", "sign_direct", "target_projection"])
@pytest.mark.parametrize("hidden", [[7, 5], [40, 30]], ids=["narrow", "wide"])
def test_the_step_and_the_signal_are_the_documented_rule(settings, mode, parametrisation, hidden):
    """The signals are B_l e (`direct`), B_l sign(e) or -B_l y*, both in training and in the evaluation.

    A factor on the output scales the signals of `direct`, and leaves those of the other two modes unscaled.
    """
    lr, examples = 0.1, 8
    run = settings(f"feedback={mode}", "task=digits", f"model.hidden={hidden}", f"model.parametrisation={parametrisation}",
                   "model.activation=tanh", f"train.batch_size={examples}", f"train.lr={lr}", "train.steps=1")  # fmt: skip
    training = Training(Stack([run]))
    ((_, made),) = training.stack.parts
    w1, w2, w3 = (w[..., 0].copy() for w in training.stack.parameters.weights)
    b1, b2 = (m[..., 0].T.copy() for m in made.matrices)
    c = hidden[-1] ** -0.5 if parametrisation == "inverse_sqrt_width" else 1.0
    x, y = training.stack.examples.batches(1)
    training.stack.examples.batches = lambda steps: (x, y)

    def passes(w1, w2, w3, x, y):
        h1 = np.tanh(w1 @ x)
        h2 = np.tanh(w2 @ h1)
        z = c * (w3 @ h2)
        e = np.exp(z - z.max(0))
        e = e / e.sum(0) - y
        sent = {"direct": c * e, "sign_direct": np.sign(e), "target_projection": -y}[mode]
        return h1, h2, c * e, sent

    h1, h2, _, sent = passes(w1, w2, w3, x[0, ..., 0], y[0, ..., 0])
    expected = [(b1 @ sent * (1 - h1**2)) @ x[0, ..., 0].T, (b2 @ sent * (1 - h2**2)) @ h1.T]
    metrics = {}
    for _ in training.run():
        metrics = training.at(0)
    now = [w[..., 0] for w in training.stack.parameters.weights]
    for before, after, gradient in zip((w1, w2), now, expected, strict=False):
        np.testing.assert_allclose(after - before, -lr / examples * gradient, rtol=1e-8, atol=1e-13)
    evaluation = training.stack.task.evaluation
    h1, h2, e, sent = passes(*now, evaluation.inputs.T, evaluation.targets.T)
    true2 = now[2].T @ e
    true1 = now[1].T @ (true2 * (1 - h2**2))
    for layer, (b, true) in enumerate(((b1, true1), (b2, true2)), start=1):
        ratio = np.linalg.norm(b @ sent) / np.linalg.norm(true)
        assert metrics[f"signal_ratio/layer_{layer}"][0] == pytest.approx(ratio, rel=1e-9)


@pytest.mark.parametrize("mode", ["uniform_sign", "fixed_sign", "batch_sign"])
@pytest.mark.parametrize("structure", [DEEP, WIDE], ids=["narrow", "wide"])
def test_the_norm_of_signs_can_follow_the_weights(settings, mode, structure):
    """B = |W| B' / |B'| per run and step, where B' has no normalisation (strict normalisation of Moskovitz et al., 2018)."""
    runs = [settings(f"feedback={mode}", f"feedback.follow_norm={f}", *structure) for f in ("true", "false")]
    training = Training(Stack(runs))
    ((_, made),) = training.stack.parts
    ((_, plain),) = Stack([runs[1]]).parts
    made.begin_step(0)
    plain.begin_step(0)
    for weight in training.stack.parameters.weights:
        weight *= 3.0  # as if training had made it grow
    for step in range(2):
        made.refresh()
        for matrix, other, weight in zip(made.matrices, made.magnitudes, training.stack.parameters.weights[1:], strict=True):
            w, size = weight[..., 0], np.broadcast_to(other[..., 0], weight.shape[:2])
            unscaled = np.sign(w) * size
            np.testing.assert_allclose(matrix[..., 0], np.linalg.norm(w) / np.linalg.norm(unscaled) * unscaled, rtol=1e-12)
            beside = np.sign(weight[..., 1]) * np.broadcast_to(other[..., 1], weight.shape[:2])
            assert np.array_equal(matrix[..., 1], beside)
            weight *= 0.5 + step
    assert run_is_alone(runs)


def run_is_alone(runs):
    whole = train(runs)
    for number, run in enumerate(runs):
        for ours, theirs in zip(whole.weights, train([run]).weights, strict=True):
            assert np.array_equal(ours[..., number], theirs[..., 0], equal_nan=True)
    return True


def test_weights_of_zero_have_feedback_of_zero(settings):
    stack = Stack([settings("feedback=uniform_sign", "feedback.follow_norm=true")])
    ((_, mode),) = stack.parts
    for weight in stack.parameters.weights:
        weight[...] = 0.0
    mode.refresh()
    assert all((matrix == 0.0).all() for matrix in mode.matrices)


EXTREME = [1e-200, 1e-300, 1e200]


@pytest.mark.parametrize("scale", EXTREME)
@pytest.mark.parametrize("angle", [30, 90, 120])
@pytest.mark.parametrize("structure", [DEEP, WIDE], ids=["narrow", "wide"])
def test_partial_at_scales_whose_squares_leave_the_range(settings, scale, angle, structure):
    """The matrix at any init.scale is the matrix at scale 1 times that scale, even if its squares under- or overflow."""

    def matrices(*scales):
        run = settings("feedback=partial", f"feedback.angle_deg={angle}", *structure, *scales)
        stack = Stack([run, run])
        ((_, mode),) = stack.parts
        mode.refresh()
        return [matrix[..., :2].copy() for matrix in mode.matrices]

    for extreme, plain in zip(matrices(f"init.scale={scale}"), matrices(), strict=True):
        np.testing.assert_allclose(extreme / scale, plain, rtol=1e-9, atol=1e-12)
    for extreme, plain in zip(matrices(f"feedback.scale={scale}"), matrices(), strict=True):
        np.testing.assert_allclose(extreme, plain, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("mode", sorted(set(MODES) - {"target_projection"}))
def test_tiny_weights_do_not_diverge(settings, mode):
    for distribution in ("normal", "orthogonal", "he"):
        histories = train([settings(f"feedback={mode}", f"init={distribution}", "init.scale=1e-200", "train.steps=31")])
        assert histories.diverged_at_step[0] == -1


@pytest.mark.parametrize("scale", EXTREME)
@pytest.mark.parametrize("mode", ["random", "rerandom", "direct", "fixed_sign", "batch_sign", "kolen_pollack", "product"])
def test_norms_are_matched_at_extreme_scales(settings, mode, scale):
    """Matched norms scale with the weights, even if the squares of the weights under- or overflow.

    The networks have only one hidden layer. With more, a direct matrix replaces a product of weights, and 1e200 squared
    overflows.
    """

    def matrices(init):
        run = settings(f"feedback={mode}", "feedback.match_norm=true", "model.hidden=[6]", f"init.scale={init}")
        ((_, made),) = Stack([run]).parts
        made.begin_step(0)
        made.begin_evaluation()
        return [matrix[..., 0].copy() for matrix in made.matrices]

    for extreme, plain in zip(matrices(scale), matrices(1.0), strict=True):
        np.testing.assert_allclose(extreme / scale, plain, rtol=1e-9)


@pytest.mark.parametrize("layout", [LanesLast, RunsFirst])
def test_a_norm_at_any_scale_is_the_norm(layout):
    layout = layout(np.float64)
    a = layout.empty(4, 5, 8)
    a[...] = np.random.default_rng(0).normal(size=(4, 5, 8))
    plain = layout.norm(a)
    assert np.array_equal(layout.norm_at_any_scale(a), plain)
    a[..., 1:6] *= np.array([1e-200, 1e200, 0.0, 1e-310, np.nan])
    found = layout.norm_at_any_scale(a)
    np.testing.assert_allclose(found[:6], plain[:6] * [1, 1e-200, 1e200, 0.0, 1e-310, np.nan], rtol=1e-12)
    assert np.array_equal(found[[0, 6, 7]], plain[[0, 6, 7]])
    a[0, 0, 7] = np.inf
    assert layout.norm_at_any_scale(a)[7] == np.inf
