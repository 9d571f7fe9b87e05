"""Runs with projected draws have the same distribution as runs with whole matrices, by two-sample tests."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kstest

from fa_sweep.engine.stack import Stack
from fa_sweep.engine.training import Training, train
from fa_sweep.feedback import _projected as projected

RUNS = 2500
SMALL = ("model.hidden=[4,3]", "train.steps=40", "train.eval_every=39", "train.loss=squared", "train.lr=0.05")


def smallest_p(settings, *overrides):
    """Return the smallest two-sample p value over final weights and metrics, times the number of comparisons (Bonferroni)."""
    samples = []
    for draws, first in (("auto", 0), ("literal", RUNS)):
        one = settings("feedback=rerandom", f"feedback.draws={draws}", *SMALL, *overrides)
        histories = train([replace(one, seed=first + seed) for seed in range(RUNS)])
        weights = np.concatenate([w.reshape(-1, RUNS) for w in histories.weights])
        names = ("loss", "angle_deg/gradient", "angle_deg/signal_layer_1", "angle_deg/weight_layer_2", "norm/feedback_layer_2",
                 "norm/feedback_layer_3", "norm/update_layer_1", "norm/update_layer_2")  # fmt: skip
        samples.append(np.concatenate([weights, np.abs(weights[:8] * weights[8:16]), *(histories.metrics[n] for n in names)]))
    values = [kstest(a[np.isfinite(a)], b[np.isfinite(b)]).pvalue for a, b in zip(*samples, strict=True)]
    return min(values) * len(values)


def test_same_law_as_whole_matrices(settings):
    assert smallest_p(settings) > 0.01


def test_same_law_with_a_gain_and_a_scale(settings):
    teacher = ("task=linear_teacher", "task.held_out=20", "train.lr=1e-3")
    assert smallest_p(settings, "feedback.distribution=he", "feedback.scale=0.6", *teacher) > 0.01


def test_the_comparison_notices_a_fifth(settings, monkeypatch):
    signal = projected.Projections.signal

    def scaled(self, layer, delta, out):
        signal(self, layer, delta, out)
        np.multiply(out, 1.2, out=out)

    monkeypatch.setattr(projected.Projections, "signal", scaled)
    assert smallest_p(settings) < 1e-6


def test_completed_matrices_explain_the_last_step(settings):
    training = Training(
        Stack([settings("feedback=rerandom", "task=linear_teacher", f"seed={s}", "train.lr=1e-4") for s in range(3)])
    )
    ((_, mode),) = training.stack.parts
    training.train_segment(0, 10)
    ((_, backward, _),) = training.backward
    mode.begin_evaluation()
    for layer in (1, 2):
        explained = np.einsum("oir,onr->inr", mode.matrices[layer - 1], backward.deltas[layer + 1])
        signal = np.empty_like(explained)
        mode._projections.signal(layer, backward.deltas[layer + 1], signal)
        np.testing.assert_allclose(explained, signal, rtol=1e-9, atol=1e-12)


def test_an_error_of_zero_leaves_the_matrices_free(settings):
    training = Training(Stack([settings("feedback=rerandom", "seed=1", "train.loss=squared")]))
    ((_, mode),) = training.stack.parts
    training.train_segment(0, 1)
    ((_, backward, _),) = training.backward
    for delta in backward.deltas:
        delta[...] = 0.0
    mode.begin_evaluation()
    assert all(np.isfinite(m).all() and np.abs(m[..., 0]).min() > 0 for m in mode.matrices)


LITERAL = {
    "every": "feedback.every=2", "draws": "feedback.draws=literal", "sparsity": "feedback.sparsity=0.2",
    "norm": "feedback.match_norm=true", "batch": "train.batch_size=2", "uniform": "feedback.distribution=uniform",
}  # fmt: skip


@pytest.mark.parametrize("override", LITERAL.values(), ids=LITERAL)
def test_whole_matrices_wherever_projections_would_have_another_law(settings, override):
    ((_, mode),) = Stack([settings("feedback=rerandom", override)]).parts
    assert mode._projections is None


def test_other_draws_are_refused(settings):
    with pytest.raises(Exception, match=r"feedback.draws is 'all'.*auto, literal"):
        settings("feedback=rerandom", "feedback.draws=all")
