"""Alignment angles agree with a plain computation for each run, and are NaN where they are undefined."""

import math

import numpy as np
import pytest

from fa_sweep.engine.evaluation import metric_names
from fa_sweep.engine.stack import Stack
from fa_sweep.engine.training import Training, train
from fa_sweep.numerics.alignment import angle_deg, mean_defined, products
from fa_sweep.numerics.layout import LanesLast


def plain_angle(a, b):
    a, b = np.ravel(a), np.ravel(b)
    norms = np.linalg.norm(a) * np.linalg.norm(b)
    return math.degrees(math.acos(max(-1.0, min(1.0, a @ b / norms)))) if norms > 0 else math.nan


def test_known_angles():
    a = np.array([[1.0, 0.0], [1.0, 1.0], [2.0, 0.0], [0.0, 0.0], [np.inf, 0.0], [1e-170, 0.0], [1.0, 2.0]]).T
    b = np.array([[0.0, 3.0], [1.0, 0.0], [-1.0, 0.0], [1.0, 1.0], [1.0, 0.0], [1.0, 0.0], [1.0, 2.0]]).T
    angles = angle_deg(*products(LanesLast(np.float64).inner, a[:, None], b[:, None]))
    np.testing.assert_allclose(angles, [90, 45, 180, np.nan, np.nan, np.nan, 0], atol=1e-12)
    assert angles[-1] == 0.0  # exactly 0: the angle of a vector with itself


def test_mean_over_the_defined_alone():
    angles = np.array([[10.0, np.nan, np.nan], [30.0, 50.0, np.nan]])
    mean, undefined = mean_defined(angles)
    np.testing.assert_array_equal(mean, [20.0, 50.0, np.nan])
    np.testing.assert_array_equal(undefined, [0.0, 0.5, 1.0])


@pytest.mark.parametrize("loss", ["absolute", "squared"])
def test_every_metric_against_one_network_at_a_time(settings, loss):
    """Every metric of every run equals the value recomputed from the run's weights, one example at a time."""
    modes = ("symmetric", "random", "rerandom", "shallow")
    runs = [
        settings(
            f"feedback={m}",
            f"seed={s}",
            f"train.loss={loss}",
            "model.hidden=[6,5]",
            "train.steps=41",
            "train.eval_every=40",
        )
        for m in modes
        for s in range(6)
    ]
    training = Training(Stack(runs))
    for _ in training.run():
        pass
    metrics = training.at(len(training.steps) - 1)
    assert set(metrics) == set(metric_names(3, "binary"))
    task = training.stack.task
    for number, lane in enumerate(training.stack.lane_of):
        weights = [w[..., lane] for w in training.stack.parameters.weights]
        lanes, mode = next((s, m) for s, m in training.stack.parts if s.start <= lane < s.stop)
        feedback = [b[..., lane - lanes.start] for b in mode.matrices]
        expected = expected_metrics(weights, feedback, task.evaluation, loss, training.sampled[-1][:, lane])
        for layer, update in enumerate(training.update.weights, start=1):
            expected[f"norm/update_layer_{layer}"] = np.linalg.norm(update[..., lane])
        assert set(metrics) - set(expected) == {name for name in metrics if name.startswith("chance_deg")}
        for name, value in expected.items():
            np.testing.assert_allclose(metrics[name][number], value, rtol=1e-9, atol=2e-6, err_msg=f"{name} of run {number}")


def expected_metrics(weights, feedback, examples, loss, sampled):
    right, losses = [], []
    signals = {"signal": {1: [], 2: []}, "local": {1: [], 2: []}}
    alive = {1: 0, 2: 0}
    squares = {1: [0.0, 0.0], 2: [0.0, 0.0]}
    gradients = {1: [0.0, 0.0], 2: [0.0, 0.0]}
    for x, y in zip(examples.inputs, examples.targets, strict=True):
        z1 = weights[0] @ x
        h1 = np.maximum(z1, 0)
        z2 = weights[1] @ h1
        h2 = np.maximum(z2, 0)
        output = weights[2] @ h2
        right.append(bool((output > 0.5) == (y > 0.5)))
        losses.append(abs(output - y).item() if loss == "absolute" else (0.5 * (output - y) ** 2).item())
        e = np.where(output > y, 1.0, -1.0) if loss == "absolute" else output - y
        true2, used2 = weights[2].T @ e, feedback[1].T @ e
        true1, used1 = weights[1].T @ (true2 * (z2 > 0)), feedback[0].T @ (used2 * (z2 > 0))
        local1 = weights[1].T @ (used2 * (z2 > 0))
        signals["signal"][1].append(plain_angle(used1, true1))
        signals["signal"][2].append(plain_angle(used2, true2))
        signals["local"][1].append(plain_angle(used1, local1))
        signals["local"][2].append(plain_angle(used2, true2))
        for layer, used, true, z, below in ((1, used1, true1, z1, x), (2, used2, true2, z2, h1)):
            gradients[layer][0] = gradients[layer][0] + np.outer(used * (z > 0), below)
            gradients[layer][1] = gradients[layer][1] + np.outer(true * (z > 0), below)
            alive[layer] = alive[layer] | (z > 0)
            squares[layer][0] += used @ used
            squares[layer][1] += true @ true
    expected = {
        "accuracy": np.mean(right),
        "accuracy_sampled": np.mean([right[i] for i in sampled]),
        "loss": np.mean(losses),
        "angle_deg/gradient": plain_angle(*(np.concatenate([gradients[n][i].ravel() for n in (1, 2)]) for i in (0, 1))),
    }
    for layer in (1, 2, 3):
        expected[f"norm/weight_layer_{layer}"] = np.linalg.norm(weights[layer - 1])
    for layer in (1, 2):
        expected[f"angle_deg/gradient_layer_{layer}"] = plain_angle(*gradients[layer])
        expected[f"angle_deg/weight_layer_{layer + 1}"] = plain_angle(feedback[layer - 1], weights[layer])
        expected[f"dead_fraction/layer_{layer}"] = 1 - np.mean(alive[layer])
        used, true = squares[layer]
        expected[f"signal_ratio/layer_{layer}"] = math.sqrt(used / true) if true > 0 else math.nan
        expected[f"norm/feedback_layer_{layer + 1}"] = np.linalg.norm(feedback[layer - 1])
        for name, angles in signals.items():
            defined = [a for a in angles[layer] if not math.isnan(a)]
            expected[f"angle_deg/{name}_layer_{layer}"] = np.mean(defined) if defined else np.nan
            expected[f"undefined_fraction/{name}_layer_{layer}"] = 1 - len(defined) / len(angles[layer])
    return expected


def test_rerandom_is_measured_with_the_matrices_last_used(settings):
    run = settings("feedback=rerandom", "feedback.draws=literal", "train.steps=41", "seed=2")
    training = Training(Stack([run]))
    for _ in training.run():
        pass
    ((_, mode),) = training.stack.parts
    again = Stack([run])
    ((_, fresh),) = again.parts
    for step in range(41):
        fresh.begin_step(step)
    assert np.array_equal(mode.matrices[0], fresh.matrices[0])


def test_symmetric_stands_at_zero_degrees(settings):
    histories = train([settings("feedback=symmetric", f"seed={s}", "train.steps=301") for s in range(10)])
    for name, values in histories.metrics.items():
        if name.startswith("angle_deg"):
            assert np.nanmax(values) == 0.0, name
