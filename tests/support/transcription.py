"""The blog post's experiment in plain Python, one pattern at a time: a reference that shares no code with the engine.

Two hidden ReLU layers, no biases, one pattern per step. Vectors are lists; matrices are lists of rows.
"""

import math
from collections.abc import Callable, Sequence

PATTERNS = [((0.0, 1.0), 1.0), ((1.0, 0.0), 1.0), ((1.0, 1.0), 0.0), ((0.0, 0.0), 0.0)]

Matrix = list[list[float]]
Feedback = Callable[[int], Sequence[Matrix] | None]


def apply(matrix: Matrix, vector: list[float]) -> list[float]:
    return [sum(w * v for w, v in zip(row, vector, strict=True)) for row in matrix]


def transpose(matrix: Matrix) -> Matrix:
    return [list(column) for column in zip(*matrix, strict=True)]


def relu(vector: list[float]) -> list[float]:
    return [max(v, 0.0) for v in vector]


def masked(vector: list[float], by: list[float]) -> list[float]:
    return [v if b > 0 else 0.0 for v, b in zip(vector, by, strict=True)]


def descend(matrix: Matrix, lr: float, delta: list[float], below: list[float]) -> None:
    for row, d in zip(matrix, delta, strict=True):
        for column, b in enumerate(below):
            row[column] -= lr * d * b


def train(weights: list[Matrix], order: list[int], lr: float, loss: str, feedback: Feedback) -> list[list[tuple[bool, ...]]]:
    """Train the weights in place.

    Args:
        weights: W1, W2 and W3.
        order: Index of the pattern at each step.
        lr: Learning rate.
        loss: "squared"; any other name means the absolute loss.
        feedback: `feedback(step)` returns the feedback matrices (B2, B3), each n_l x n_{l+1}, or None for backpropagation.

    Returns:
        Per step, which units of each hidden layer were active.
    """
    w1, w2, w3 = weights
    patterns = []
    for step, index in enumerate(order):
        x, y = list(PATTERNS[index][0]), PATTERNS[index][1]
        h1 = relu(apply(w1, x))
        h2 = relu(apply(w2, h1))
        (y_hat,) = apply(w3, h2)
        patterns.append([tuple(h > 0 for h in h1), tuple(h > 0 for h in h2)])
        sign = 1.0 if y_hat > y else -1.0
        err = y_hat - y if loss == "squared" else sign
        b2, b3 = feedback(step) or (transpose(w2), transpose(w3))
        d2 = masked(apply(b3, [err]), h2)
        d1 = masked(apply(b2, d2), h1)
        descend(w3, lr, [err], h2)
        descend(w2, lr, d2, h1)
        descend(w1, lr, d1, x)
    return patterns


def accuracy(weights: list[Matrix]) -> float:
    right = 0
    for x, y in PATTERNS:
        (y_hat,) = apply(weights[2], relu(apply(weights[1], relu(apply(weights[0], list(x))))))
        assert not math.isnan(y_hat)
        right += (1 if y_hat > 0.5 else 0) == int(y)
    return right / len(PATTERNS)
