"""The gradients of the mode `symmetric` agree with numerical derivatives of the loss.

The loss is recomputed here from the parameters in plain NumPy, one network at a time.
"""

import numpy as np
import pytest

from fa_sweep.engine.stack import Stack
from fa_sweep.engine.training import Training

ACTIVATIONS = ["relu", "tanh", "sigmoid", "leaky_relu", "linear"]
EXAMPLES, RUNS, STEP = 5, 3, 1e-6


def forward(weights, biases, x, activation):
    """Return the output (N, O) and the smallest |z| of any hidden unit, its distance to the kink of ReLU."""
    functions = {
        "relu": lambda z: np.where(z > 0, z, 0.0),
        "tanh": np.tanh,
        "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
        "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
        "linear": lambda z: z,
    }
    nearest = np.inf
    for layer, weight in enumerate(weights):
        z = x @ weight.T + (biases[layer] if biases else 0.0)
        last = layer == len(weights) - 1
        nearest = nearest if last else min(nearest, np.abs(z).min())
        x = z if last else functions[activation](z)
    return x, nearest


def mean_loss(weights, biases, x, y, activation, loss):
    difference = forward(weights, biases, x, activation)[0] - y
    per_example = np.abs(difference).sum(1) if loss == "absolute" else 0.5 * (difference**2).sum(1)
    return per_example.mean()


class Case:
    """A stack of networks with random parameters, one batch of random examples, and the engine's update from it."""

    def __init__(self, settings, activation, loss, depth, bias, seed):
        hidden = f"model.hidden=[{','.join(['4'] * (depth - 1))}]"
        runs = [
            settings(
                "feedback=symmetric",
                f"model.activation={activation}",
                hidden,
                f"model.bias={bias}",
                f"train.loss={loss}",
                f"train.batch_size={EXAMPLES}",
                "train.lr=1",
                f"seed={number}",
            )
            for number in range(RUNS)
        ]
        generator = np.random.default_rng(seed)
        training = Training(Stack(runs))
        stack = training.stack
        block = stack.parameters.block
        block[:] = generator.normal(0, 1.0, block.shape)
        shape = (1, 2, EXAMPLES, block.shape[1])
        self.x, self.y = generator.normal(size=shape), generator.normal(size=(1, 1, *shape[2:]))
        stack.examples.batches = lambda steps: (self.x, self.y)
        self.lanes, self.activation, self.loss = stack.lane_of, activation, loss
        self.before = block.copy()
        training.train_segment(0, 1)
        self.gradient = self.before - block  # plain descent with a learning rate of 1
        self.shapes = [w.shape[:2] for w in stack.parameters.weights] + [b.shape[:2] for b in stack.parameters.biases]
        self.layers = depth

    def value(self, lane, vector):
        """Return the mean loss of one network whose parameters are `vector`, or None near a kink."""
        ends = np.cumsum([o * i for o, i in self.shapes])[:-1]
        parts = [p.reshape(s) for p, s in zip(np.split(vector, ends), self.shapes, strict=True)]
        weights, biases = parts[: self.layers], [b[:, 0] for b in parts[self.layers :]]
        x, y = self.x[0, ..., lane].T, self.y[0, ..., lane].T
        output, nearest = forward(weights, biases, x, self.activation)
        # There is no derivative at a kink.
        kinked = self.activation in ("relu", "leaky_relu") and nearest < 1e-3
        kinked |= self.loss == "absolute" and np.abs(output - y).min() < 1e-3
        return None if kinked else mean_loss(weights, biases, x, y, self.activation, self.loss)

    def numerical(self, lane):
        """Return the central difference for every parameter, or None near a kink."""
        base = self.before[:, lane]
        if self.value(lane, base) is None:
            return None
        rows = []
        for unit in np.eye(len(base)):
            high, low = self.value(lane, base + STEP * unit), self.value(lane, base - STEP * unit)
            if high is None or low is None:
                return None
            rows.append((high - low) / (2 * STEP))
        return np.array(rows)

    def disagreement(self, lane, gradient):
        """Compare a gradient with the numerical one. None if a kink is near.

        Return the larger of two relative errors: of the whole gradient, and of the slope along a random direction.
        """
        numerical = self.numerical(lane)
        if numerical is None:
            return None
        direction = np.random.default_rng(lane).normal(size=len(numerical))
        direction /= np.linalg.norm(direction)
        base = self.before[:, lane]
        high, low = self.value(lane, base + STEP * direction), self.value(lane, base - STEP * direction)
        if high is None or low is None:
            return None
        scale = max(np.linalg.norm(numerical), 1e-3)
        along = abs((high - low) / (2 * STEP) - gradient @ direction) / scale
        return max(np.linalg.norm(gradient - numerical) / scale, along)


def cases(settings, *arguments):
    """Yield at least four pairs (case, lane) that are not near a kink."""
    found = 0
    for seed in range(40):
        case = Case(settings, *arguments, seed)
        for lane in case.lanes:
            if case.numerical(lane) is not None:
                yield case, lane
                found += 1
        if found >= 4:
            return
    raise AssertionError("no point away from the kinks")


@pytest.mark.parametrize("bias", ["true", "false"])
@pytest.mark.parametrize("depth", [1, 2, 3, 4])
@pytest.mark.parametrize("loss", ["absolute", "squared"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_symmetric_is_the_gradient(settings, activation, loss, depth, bias):
    for case, lane in cases(settings, activation, loss, depth, bias):
        assert case.disagreement(lane, case.gradient[:, lane]) < 1e-6


@pytest.mark.parametrize("loss", ["absolute", "squared"])
def test_a_corrupted_gradient_is_rejected(settings, loss):
    for case, lane in cases(settings, "tanh", loss, 3, "true"):
        gradient = case.gradient[:, lane].copy()
        largest = np.argmax(np.abs(gradient))
        for wrong in (1.001 * gradient[largest], -gradient[largest], 0.0):
            corrupted = gradient.copy()
            corrupted[largest] = wrong
            assert case.disagreement(lane, corrupted) > 1e-6
        assert case.disagreement(lane, gradient / EXAMPLES) > 1e-6


def test_absolute_loss_takes_the_sign_of_zero_as_minus_one(settings):
    """If y_hat == y, here because all weights and targets are 0, the output's bias rises by lr, as in the blog post."""
    run = settings("model.bias=true", "train.loss=absolute", "train.lr=0.25")
    training = Training(Stack([run]))
    stack = training.stack
    stack.parameters.block[:] = 0
    lanes = stack.parameters.block.shape[1]
    stack.examples.batches = lambda steps: (np.zeros((1, 2, 1, lanes)), np.zeros((1, 1, 1, lanes)))
    training.train_segment(0, 1)
    assert stack.parameters.biases[-1][0, 0, stack.lane_of[0]] == 0.25
