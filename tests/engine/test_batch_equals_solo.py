"""A run trained in a stack equals the same run trained alone, bit for bit, whatever the other runs and their order."""

import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from fa_sweep.engine.training import train

SHORT = ("train.steps=121", "train.eval_every=40")
MODES = ("symmetric", "random", "rerandom", "shallow")


def assert_same_run(stacked, position, solo):
    assert stacked.diverged_at_step[position] == solo.diverged_at_step[0]
    for name, values in stacked.metrics.items():
        assert np.array_equal(values[:, position], solo.metrics[name][:, 0], equal_nan=True), name
    for ours, alone in zip(stacked.weights, solo.weights, strict=True):
        assert np.array_equal(ours[..., position], alone[..., 0], equal_nan=True)


def mixture(settings, size, *structure):
    """Return runs that differ in every setting that may differ within a stack; some of them may diverge."""
    modes, scales, rates = (
        itertools.cycle(MODES),
        itertools.cycle([1.0, 0.3, 4.0]),
        itertools.cycle([0.01, 0.3, 0.02, 3.0, 0.1]),
    )
    inits = itertools.cycle(["normal", "he", "xavier", "uniform", "orthogonal", "normal", "normal"])
    runs = []
    for number in range(size):
        runs.append(
            settings(
                f"feedback={next(modes)}",
                f"init={next(inits)}",
                f"seed={number}",
                f"init.scale={next(scales)}",
                f"train.lr={next(rates)}",
                f"feedback.scale={1 + number % 3}",
                *SHORT,
                *structure,
            )
        )
    return runs


STRUCTURES = {
    "seed_post": (),
    "squared": ("train.loss=squared",),
    "deep_tanh_bias": ("model.hidden=[7,5,3]", "model.activation=tanh", "model.bias=true"),
    "batch": ("train.batch_size=4", "model.hidden=[9]", "model.activation=sigmoid", "train.loss=squared"),
    "wide_batch": ("train.batch_size=6", "model.hidden=[33,17]", "model.activation=leaky_relu", "model.bias=true"),
    "width_one": ("model.hidden=[1,1]",),
    "no_hidden": ("model.hidden=[]", "model.bias=true"),
}


@pytest.mark.parametrize("structure", STRUCTURES.values(), ids=STRUCTURES)
def test_any_mixture_in_stacks_of_1_2_7_and_150(settings, structure):
    runs = mixture(settings, 150, *structure)
    whole = train(runs)
    if structure == ("train.loss=squared",):
        assert 5 < (whole.diverged_at_step >= 0).sum() < 100  # some runs must diverge, to show that divergence does not spread
    generator = np.random.default_rng(0)
    for size in (1, 2, 7):
        for _ in range(3):
            chosen = generator.choice(150, size, replace=False)
            part = train([runs[i] for i in chosen])
            for position, number in enumerate(chosen):
                solo = train([runs[number]])
                assert_same_run(part, position, solo)
                assert_same_run(whole, number, solo)


@hypothesis_settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_order(settings, data):
    runs = mixture(settings, 24)
    order = data.draw(st.permutations(range(24)))
    size = data.draw(st.integers(1, 24))
    part = train([runs[i] for i in order[:size]])
    whole = train(runs)
    for position, number in enumerate(order[:size]):
        assert np.array_equal(part.weights[1][..., position], whole.weights[1][..., number], equal_nan=True)
        for name, values in part.metrics.items():
            assert np.array_equal(values[:, position], whole.metrics[name][:, number], equal_nan=True), name


def test_divergence_freezes_its_run_only(settings):
    # With plain ReLU, units would die instead of diverging.
    leaky = ("train.loss=squared", "model.activation=leaky_relu", "feedback=random", *SHORT)
    wild = settings("train.lr=0.5", "seed=1", *leaky)
    calm = [settings("train.lr=0.001", f"seed={s}", *leaky) for s in range(6)]
    histories = train([*calm[:3], wild, *calm[3:]])
    assert histories.diverged_at_step[3] > 0
    assert (np.delete(histories.diverged_at_step, 3) == -1).all()
    after = histories.steps >= histories.diverged_at_step[3]
    for values in histories.metrics.values():
        assert np.isnan(values[after, 3]).all()
    assert np.isfinite(histories.metrics["loss"][~after, 3]).all()
    assert np.isfinite(np.delete(histories.metrics["loss"], 3, axis=1)).all()
