"""Trains and evaluates one run of the main job in NumPy, one example at a time.

The other ways to run the whole sweep (stock, joblib, Optuna, Ray) all train with this function.
"""

from collections.abc import Iterator

import numpy as np

STEPS, EVERY, LR = 5001, 100, 0.01
X = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
Y = np.array([1.0, 1.0, 0.0, 0.0])


def train(mode: str, seed: int) -> Iterator[tuple[int, dict[str, float]]]:
    """Train one 2-10-10-1 network on XOR, and yield its evaluations.

    Args:
        mode: "symmetric" feeds errors back through the forward weights, "rerandom" through matrices that are drawn anew at
            each step. Any other mode feeds them back through fixed random matrices.
        seed: the seed of everything random.

    Yields:
        The step and the eight metrics of each evaluation. Undefined values are left out.
    """
    rng = np.random.default_rng(seed)
    w1, w2, w3 = rng.standard_normal((10, 2)), rng.standard_normal((10, 10)), rng.standard_normal((1, 10))
    b2, b3 = rng.standard_normal((10, 10)), rng.standard_normal((1, 10))
    for step in range(STEPS):
        if mode == "symmetric":
            b2, b3 = w2, w3
        elif mode == "rerandom":
            b2, b3 = rng.standard_normal((10, 10)), rng.standard_normal((1, 10))
        i = rng.integers(4)
        x, y = X[i], Y[i]
        h1 = np.maximum(w1 @ x, 0)
        h2 = np.maximum(w2 @ h1, 0)
        error = np.where(w3 @ h2 > y, 1.0, -1.0)
        g1, g2, _, _ = backward(b2, b3, x, h1, h2, error)
        w3 = w3 - LR * np.outer(error, h2)
        w2 = w2 - LR * g2
        w1 = w1 - LR * g1
        if step % EVERY == 0:
            yield step, evaluate(w1, w2, w3, b2, b3, rng)


def backward(w2, w3, x, h1, h2, error):
    """Return the pseudo-gradients of the weights into both hidden layers, and the deltas of these layers.

    Args:
        w2: the matrix (10, 10) that feeds back from the second hidden layer to the first.
        w3: the matrix (1, 10) that feeds back from the output to the second hidden layer.
        x: the input (2,).
        h1: the activity (10,) of the first hidden layer.
        h2: the activity (10,) of the second hidden layer.
        error: the derivative (1,) of the loss with respect to the output.
    """
    d2 = w3.T @ error * (h2 > 0)
    d1 = w2.T @ d2 * (h1 > 0)
    return np.outer(d1, x), np.outer(d2, h1), d1, d2


def angle(a: np.ndarray, b: np.ndarray) -> float:
    """Return the angle between two arrays in degrees; NaN if one of them is zero."""
    norm = np.linalg.norm(a) * np.linalg.norm(b)
    return float(np.degrees(np.arccos(np.clip(np.sum(a * b) / norm, -1, 1)))) if norm > 0 else float("nan")


def evaluate(w1, w2, w3, b2, b3, rng) -> dict[str, float]:
    """Evaluate the network on the four patterns. Return the eight metrics, without undefined values."""
    right, losses, signals, mode, true = [], [], ([], []), 0.0, 0.0
    for x, y in zip(X, Y, strict=True):
        h1 = np.maximum(w1 @ x, 0)
        h2 = np.maximum(w2 @ h1, 0)
        out = w3 @ h2
        right.append((out[0] > 0.5) == (y > 0.5))
        losses.append(abs(out[0] - y))
        error = np.where(out > y, 1.0, -1.0)
        used, exact = backward(b2, b3, x, h1, h2, error), backward(w2, w3, x, h1, h2, error)
        mode = mode + np.concatenate([g.ravel() for g in used[:2]])
        true = true + np.concatenate([g.ravel() for g in exact[:2]])
        signals[0].append(angle(b2.T @ used[3], w2.T @ exact[3]))
        signals[1].append(angle(b3.T @ error, w3.T @ error))
    metrics = {
        "accuracy": float(np.mean(right)),
        "accuracy_sampled": float(np.mean([right[i] for i in rng.integers(4, size=21)])),
        "loss": float(np.mean(losses)),
        "angle_deg/gradient": angle(mode, true),
        "angle_deg/signal_layer_1": float(np.nanmean(signals[0])) if not np.all(np.isnan(signals[0])) else float("nan"),
        "angle_deg/signal_layer_2": float(np.nanmean(signals[1])) if not np.all(np.isnan(signals[1])) else float("nan"),
        "angle_deg/weight_layer_2": angle(b2, w2),
        "angle_deg/weight_layer_3": angle(b3, w3),
    }
    return {name: value for name, value in metrics.items() if not np.isnan(value)}
