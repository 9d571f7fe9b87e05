"""The engine agrees with a plain-Python version of the blog post's experiment on the same random draws."""

import math

import numpy as np
import pytest
from support import transcription

from fa_sweep.engine.training import train
from fa_sweep.models.fully_connected import Network
from fa_sweep.numerics.distributions import draw
from fa_sweep.numerics.streams import stream

SHAPES = [(10, 2), (10, 10), (1, 10)]


def weights_of(seed: int) -> list[list[list[float]]]:
    return [draw("normal", stream(seed, "init", layer), *shape).tolist() for layer, shape in enumerate(SHAPES, 1)]


def feedback_of(seed: int, mode: str):
    if mode == "symmetric":
        return lambda step: None
    generators = [stream(seed, "feedback", layer) for layer in (2, 3)]

    def fresh():
        return [draw("normal", g, *shape).T.tolist() for g, shape in zip(generators, SHAPES[1:], strict=True)]

    fixed = fresh()
    return lambda step: fixed if mode == "random" or step == 0 else fresh()


def nudged(weights):
    """Return the weights, each increased by one unit in its last place."""
    return [np.nextafter(np.array(w), np.inf).tolist() for w in weights]


def distance(ours, theirs) -> float:
    return max(float(np.abs(np.array(a) - np.array(b)).max()) for a, b in zip(ours, theirs, strict=True))


def compare(settings, monkeypatch, mode: str, loss: str, steps: int, seeds: range):
    """Train each seed in the engine and in the plain-Python reference, and compare the final weights.

    Returns:
        For each seed that did not diverge: the engine's error, the reference's own error, and whether any hidden unit was
        active in one implementation while inactive in the other. Both errors are relative to the run's largest weight.
        The reference's own error is how far its final weights move if its initial weights move by one unit in the last
        place. An unstable run amplifies every rounding error, in the engine and in the reference.
    """
    chosen = [f"feedback={mode}", *(["feedback.draws=literal"] if mode == "rerandom" else [])]
    runs = [settings(*chosen, f"train.loss={loss}", f"train.steps={steps}", f"seed={s}") for s in seeds]
    active = []
    differentiate = Network.differentiate

    def observed(network: Network) -> None:
        if network.activations[1].shape[1] == 1:  # the training batch, not the evaluation set
            active.append([h[:, 0] > 0 for h in network.activations[1:-1]])
        differentiate(network)

    monkeypatch.setattr(Network, "differentiate", observed)
    histories = train(runs)
    assert len(active) == steps
    results = []
    for number, seed in enumerate(seeds):
        weights = weights_of(seed)
        order = stream(seed, "order").integers(4, size=steps).tolist()
        patterns = transcription.train(weights, order, runs[0].train.lr, loss, feedback_of(seed, mode))
        diverged = not all(math.isfinite(v) for matrix in weights for row in matrix for v in row)
        assert diverged == (histories.diverged_at_step[number] >= 0)
        if diverged:
            continue
        ours = [w[..., number] for w in histories.weights]
        twin = nudged(weights_of(seed))
        transcription.train(twin, order, runs[0].train.lr, loss, feedback_of(seed, mode))
        largest = max(np.abs(matrix).max() for matrix in ours)
        error, own_error = distance(ours, weights) / largest, distance(twin, weights) / largest
        flipped = any(
            tuple(ours[:, number].tolist()) != theirs
            for step, layers in enumerate(active)
            for ours, theirs in zip(layers, patterns[step], strict=True)
        )
        if not flipped:
            assert histories.metrics["accuracy"][-1, number] == transcription.accuracy(weights)
        results.append((error, own_error, flipped))
    return results


MODES = pytest.mark.parametrize("mode", ["symmetric", "random", "rerandom"])
LOSSES = pytest.mark.parametrize("loss", ["absolute", "squared"])


def check(steady) -> None:
    """Assert that errors are mere rounding, except in the few runs that amplify rounding errors in the reference as well."""
    calm = [error for error, own_error in steady if own_error < 1e-13]
    assert max(calm) < 1e-12, calm
    assert len(calm) >= 0.85 * len(steady)
    assert all(error < max(1e-12, 10 * own_error) for error, own_error in steady), steady


@LOSSES
@MODES
def test_same_weights_after_50_steps(settings, monkeypatch, mode, loss):
    results = compare(settings, monkeypatch, mode, loss, 50, range(20))
    assert len(results) >= 18
    check([(error, own_error) for error, own_error, _ in results])


@LOSSES
@MODES
def test_same_weights_after_500_steps_where_no_unit_flips(settings, monkeypatch, mode, loss):
    results = compare(settings, monkeypatch, mode, loss, 500, range(20))
    steady = [(error, own_error) for error, own_error, flipped in results if not flipped]
    assert len(steady) >= 16
    check(steady)
