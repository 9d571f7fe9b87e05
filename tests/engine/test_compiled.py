"""The compiled engine gives the same bits as NumPy in every structure that it supports, and refuses all others by name."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from fa_sweep.engine.training import train
from fa_sweep.errors import ConfigError
from fa_sweep.feedback import MODES, FeedbackMode
from fa_sweep.settings import compatibility
from fa_sweep.settings.identity import identify

KNOWN = ("symmetric", "random", "rerandom", "shallow")
FEW = ("train.steps=203", "train.eval_every=50")
STRUCTURES = {
    "the post's": (),
    "squared": ("train.loss=squared", "train.lr=0.03"),
    "biases": ("model.bias=true", "train.eval_every=17"),
    "batches": ("train.batch_size=3", "model.bias=true", "train.reduction=sum"),
    "deep": ("model.hidden=[4,7,3,5]", "model.activation=leaky_relu"),
    "no hidden layer": ("model.hidden=[]",),
    "linear": ("task=linear_teacher", "train.lr=1e-3"),
    "fresh examples, many outputs, float32": ("dtype=float32", "task=linear_teacher", "train.lr=1e-3", "model.hidden=[9,5]"),
    "float32": ("dtype=float32", "model.parametrisation=inverse_sqrt_width"),
    "divergence": ("train.lr=3", "train.loss=squared"),
    "literal draws": ("?feedback.draws=literal",),
    "redrawn every 7": ("?feedback.every=7",),
}


def runs_of(settings, overrides, seeds):
    """Return runs of every supported mode; an override that begins with "?" applies to the mode `rerandom` only."""
    own = [o[1:] for o in overrides if o.startswith("?")]
    shared = [o for o in overrides if not o.startswith("?")]
    return [
        settings(f"feedback={mode}", *FEW, *shared, *(own if mode == "rerandom" else []), f"seed={seed}")
        for mode in KNOWN
        for seed in range(seeds)
    ]


def assert_same_bits(ours, theirs):
    assert np.array_equal(ours.diverged_at_step, theirs.diverged_at_step)
    for a, b in zip(ours.weights, theirs.weights, strict=True):
        assert np.array_equal(a, b, equal_nan=True)
    for name, values in ours.metrics.items():
        assert np.array_equal(values, theirs.metrics[name], equal_nan=True), name


def is_slow(name):
    """Return the mark `slow` for float32, because the engine takes half a minute to compile for another number type."""
    return [pytest.mark.slow] if "float32" in name else []


@pytest.mark.parametrize("overrides", [pytest.param(o, id=name, marks=is_slow(name)) for name, o in STRUCTURES.items()])
def test_same_bits_as_numpy(settings, overrides):
    runs = runs_of(settings, overrides, 3)
    expected = train(runs)
    assert_same_bits(train([replace(run, engine="numba") for run in runs]), expected)
    assert "lr=3" not in str(overrides) or (expected.diverged_at_step >= 0).any()


@pytest.mark.parametrize("seeds", [1, 20, 77])
def test_same_bits_whatever_the_tiles(settings, seeds):
    runs = runs_of(settings, (), seeds)
    assert_same_bits(train([replace(run, engine="numba") for run in runs]), train(runs))


def test_every_mode_is_known_or_refused(settings):
    assert {mode for mode in MODES if MODES[mode].ahead is not FeedbackMode.ahead} == set(KNOWN)
    for mode in set(MODES) - set(KNOWN) - {"target_projection"}:
        with pytest.raises(
            ConfigError, match=f"feedback.mode is '{mode}'; engine=numba does not support it: choose engine=numpy"
        ):
            settings(f"feedback={mode}", "engine=numba")


REFUSED = {
    "model.activation=tanh": "model.activation is 'tanh'; engine=numba supports relu, leaky_relu, linear",
    "train.optimiser=momentum": "train.optimiser is 'momentum'; engine=numba supports sgd",
    "train.weight_decay=0.1": "train.weight_decay is 0.1",
}


@pytest.mark.parametrize("override", REFUSED)
def test_refuses_what_would_have_other_bits(settings, override):
    with pytest.raises(ConfigError, match=REFUSED[override]):
        settings("engine=numba", override)


def test_refuses_wide_networks(settings):
    with pytest.raises(ConfigError, match="engine=numba does not support networks this wide"):
        settings("engine=numba", "task=digits", "train=batch", "model.hidden=[100,100]", "train.loss=squared")


def test_names_the_extra_that_is_not_installed(settings, monkeypatch):
    monkeypatch.setattr(compatibility, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'fa-sweep\[numba\]'"):
        settings("engine=numba")


def test_numba_is_not_imported_unless_asked_for(settings):
    before = set(sys.modules)
    train([settings("train.steps=3")])
    assert not [name for name in set(sys.modules) - before if name.startswith("numba")]


def test_both_engines_stand_under_one_id(settings):
    """Both engines give the same bits, so a run that one engine has trained is reused by the other."""
    for overrides in ((), ("feedback=rerandom",), ("model.hidden=[4]",)):
        assert identify(settings(*overrides, "engine=numba")) == identify(settings(*overrides, "engine=numpy"))
