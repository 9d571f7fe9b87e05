"""Updates equal those recomputed for one network in plain NumPy, and gradients equal PyTorch's if it is installed."""

import itertools

import numpy as np
import pytest

from fa_sweep.engine.stack import Stack
from fa_sweep.engine.training import Training
from fa_sweep.numerics.layout import LanesLast, RunsFirst
from fa_sweep.settings import structure

SHAPE = ("model.hidden=[6]", "model.activation=tanh", "model.bias=true", "train.loss=squared", "train.batch_size=4")


def by_hand(stack, steps, step):
    """Train run 0 of a stack in plain NumPy on the stack's own draws; `step(parameters, gradients)` updates them in place."""
    parameters = [w[..., 0].copy() for w in (*stack.parameters.weights, *stack.parameters.biases)]
    xs, ys = stack.examples.batches(steps)
    for x, y in zip(xs[..., 0], ys[..., 0], strict=True):
        w1, w2, b1, b2 = parameters
        h = np.tanh(w1 @ x + b1)
        c = stack.output_scale
        e = c * (c * (w2 @ h + b2) - y)
        d = (w2.T @ e) * (1 - h * h)
        examples = x.shape[1] if stack.train.reduction == "mean" else 1
        step(parameters, [g / examples for g in (d @ x.T, e @ h.T, d.sum(1, keepdims=True), e.sum(1, keepdims=True))])
    return parameters


def assert_equal_to_hand(settings, step, *overrides):
    run = settings("feedback=symmetric", *SHAPE, *overrides, "train.lr=0.05")
    expected = by_hand(Stack([run]), 40, step)
    training = Training(Stack([run]))
    training.train_segment(0, 40)
    parameters = training.stack.parameters
    for ours, theirs in zip((*parameters.weights, *parameters.biases), expected, strict=True):
        np.testing.assert_allclose(ours[..., 0], theirs, rtol=1e-9, atol=1e-12)


def test_sgd_with_decay_of_weights_alone(settings):
    def step(parameters, gradients):
        for number, (p, g) in enumerate(zip(parameters, gradients, strict=True)):
            p -= 0.05 * (g + (0.3, 0.7, 0.0, 0.0)[number] * p)

    assert_equal_to_hand(settings, step, "train.weight_decay=0.3", "train.output_weight_decay=0.7")


def test_output_weight_decay_follows_weight_decay(settings):
    assert settings("train.weight_decay=0.3").train.output_weight_decay == 0.3


def test_momentum(settings):
    velocities = [0.0] * 4

    def step(parameters, gradients):
        for number, (p, g) in enumerate(zip(parameters, gradients, strict=True)):
            velocities[number] = 0.8 * velocities[number] - 0.05 * g
            p += velocities[number]

    assert_equal_to_hand(settings, step, "train.optimiser=momentum", "train.momentum=0.8")


def test_manhattan(settings):
    def step(parameters, gradients):
        for p, g in zip(parameters, gradients, strict=True):
            p -= 0.05 * np.sign(g)

    assert_equal_to_hand(settings, step, "train.optimiser=manhattan")


PARITY = ("task=parity", "task.bits=4", "train.batch_size=16", "train.loss=absolute", "model.activation=linear",
          "init.scale=0.1", "train.optimiser=manhattan", "train.lr=1e-3")  # fmt: skip


def all_parities(training):
    """Make a stack train on all 16 four-bit inputs at every step, so that all exact gradients of a linear network are 0.

    The targets are the parities as +-10. Outputs are much smaller, so the absolute loss takes its sign from the target.
    """
    x = np.array(list(itertools.product((0.0, 1.0), repeat=4))).T
    y = np.where(x.sum(0) % 2, 10.0, -10.0)[None]
    layout, runs = training.stack.layout, training.update.block.shape[1]

    def batches(steps):
        xs, ys = (layout.steps(steps, len(a), 16, runs) for a in (x, y))
        xs[...], ys[...] = x[..., None], y[..., None]
        return xs, ys

    training.stack.examples.batches = batches
    return training


@pytest.mark.parametrize("layout", [LanesLast, RunsFirst])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_manhattan_does_not_follow_the_sign_of_a_rounding_error(settings, monkeypatch, layout, dtype):
    """Weights do not move if exact gradients are 0 and computed ones are rounding errors.

    A parity over all inputs is uncorrelated with any linear function, so the exact gradients are 0.
    """
    monkeypatch.setattr(structure, "layout_of", lambda widths, batch, dtype: layout(dtype))
    runs = [settings("feedback=symmetric", *PARITY, "model.hidden=[6,5]", f"dtype={dtype}", f"seed={s}") for s in range(8)]
    training = all_parities(Training(Stack(runs)))
    before = training.stack.parameters.block.copy()
    gradients = []
    follow = training.optimiser
    training.optimiser = lambda update, magnitudes: (gradients.append(update.copy()), follow(update, magnitudes))
    training.train_segment(0, 20)
    assert np.count_nonzero(gradients[0]) > 100  # rounding errors remain in the gradients
    assert np.array_equal(training.stack.parameters.block, before)


def test_manhattan_steps_where_the_gradient_is_small_but_not_zero(settings):
    """A gradient of thousands of rounding units is no rounding error, so inputs that nearly cancel still cause a full step."""
    run = settings("feedback=symmetric", "model.hidden=[]", "task=xor", "train.batch_size=4", "train.sampling=in_order",
                   "train.optimiser=manhattan", "train.lr=0.5", "train.loss=absolute", "init.scale=1e-3")  # fmt: skip
    for distance, moves in ((1e-12, True), (1e-15, False)):
        training = Training(Stack([run]))
        (weight,) = training.stack.parameters.weights
        before = weight[0, :, 0].copy()
        x = np.array([[1.0, -1.0 - distance, 0.0, 0.0], [0.0, 0.0, 1.0, -1.0 - distance]])
        xs, ys = (np.repeat(a[None, ..., None], weight.shape[-1], axis=-1) for a in (x, np.ones((1, 4))))
        training.stack.examples.batches = lambda steps, xs=xs, ys=ys: (xs, ys)
        training.train_segment(0, 1)
        expected = before + 0.5 * np.sign(x.sum(1)) if moves else before
        np.testing.assert_array_equal(weight[0, :, 0], expected)


@pytest.mark.parametrize("mode", ["symmetric", "random", "direct", "product"])
def test_manhattan_in_either_layout_and_in_any_company(settings, monkeypatch, mode):
    """A run trains the same in a stack as alone, in both layouts, although rounding errors of gradients differ."""
    rest = ("model.hidden=[6,5]", "feedback.decay=0") if mode == "product" else ("model.hidden=[6,5]",)
    runs = [settings(f"feedback={mode}", *PARITY, *rest, f"seed={s}") for s in range(9)]

    def trained(runs):
        training = all_parities(Training(Stack(runs)))
        training.train_segment(0, 30)
        return [weight[..., training.stack.lane_of] for weight in training.stack.parameters.weights]

    found = {}
    for layout in (LanesLast, RunsFirst):
        monkeypatch.setattr(structure, "layout_of", lambda widths, batch, dtype, layout=layout: layout(dtype))
        found[layout] = trained(runs)
        for number in (0, 4, 8):
            for ours, alone in zip(found[layout], trained([runs[number]]), strict=True):
                assert np.array_equal(ours[..., number], alone[..., 0])
    for one, other in zip(found[LanesLast], found[RunsFirst], strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-9)


@pytest.mark.parametrize("overrides", [("train.reduction=sum",), ("model.parametrisation=inverse_sqrt_width",)], ids=str)
def test_reduction_and_parametrisation(settings, overrides):
    def step(parameters, gradients):
        for p, g in zip(parameters, gradients, strict=True):
            p -= 0.05 * g

    assert_equal_to_hand(settings, step, *overrides)


def test_inverse_sqrt_width_multiplies_the_feedback_too(settings):
    plain, scaled = (
        Training(
            Stack([settings("feedback=random", "model.hidden=[16]", "model.activation=linear", f"model.parametrisation={p}")])
        )
        for p in ("standard", "inverse_sqrt_width")
    )
    first = [t.stack.parameters.weights[0][..., 0].copy() for t in (plain, scaled)]
    assert np.array_equal(*first)
    for training in (plain, scaled):
        training.train_segment(0, 1)
    moved = [t.stack.parameters.weights[0][..., 0] - first[0] for t in (plain, scaled)]
    signs = np.sign(moved[0][np.abs(moved[0]) > 0]) * np.sign(moved[1][np.abs(moved[1]) > 0])
    assert len(signs)
    # The factor 1 / sqrt(16) enters once, because with the absolute loss the error is a sign.
    np.testing.assert_allclose(np.abs(moved[1]), np.abs(moved[0]) / 4, rtol=1e-9)


@pytest.mark.parametrize("loss", ["squared", "cross_entropy", "absolute"])
@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "leaky_relu", "linear"])
@pytest.mark.parametrize(
    "sizes", [("model.hidden=[7,5]", "train.batch_size=3"), ("model.hidden=[60,40]", "train.batch_size=16")]
)
def test_gradients_equal_pytorch_s(settings, loss, activation, sizes):
    torch = pytest.importorskip("torch")
    functions = {
        "relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "linear": lambda z: z,
        "leaky_relu": lambda z: torch.nn.functional.leaky_relu(z, 0.01),
    }  # fmt: skip
    run = settings("feedback=symmetric", "task=digits", f"train.loss={loss}", f"model.activation={activation}", *sizes,
                   "model.bias=true", "train.lr=1", "init=xavier")  # fmt: skip
    training = Training(Stack([run, run]))
    parameters = training.stack.parameters
    before = [torch.tensor(p[..., 1].copy(), requires_grad=True) for p in (*parameters.weights, *parameters.biases)]
    x, y = training.stack.examples.batches(1)
    training.stack.examples.batches = lambda steps: (x, y)
    h = torch.tensor(x[0, ..., 1].copy())
    for layer in range(3):
        h = before[layer] @ h + before[layer + 3]
        h = functions[activation](h) if layer < 2 else h
    target = torch.tensor(y[0, ..., 1].copy())
    value = {
        "squared": lambda: 0.5 * ((h - target) ** 2).sum(0).mean(),
        "absolute": lambda: (h - target).abs().sum(0).mean(),
        "cross_entropy": lambda: torch.nn.functional.cross_entropy(h.T, target.argmax(0)),
    }[loss]()
    value.backward()
    training.train_segment(0, 1)
    for ours, theirs in zip((*parameters.weights, *parameters.biases), before, strict=True):
        step = theirs.detach().numpy() - ours[..., 1]
        np.testing.assert_allclose(step, theirs.grad.numpy(), rtol=1e-8, atol=1e-11)
