"""The main job's training in PyTorch, in float64: `torch.func.vmap` over the runs and a Python loop over the steps."""

from collections.abc import Callable

LR = 0.01


def make(runs: int, steps: int) -> Callable[[], object]:
    """Draw initial weights and fixed random feedback, and return a function that trains all runs with them.

    Args:
        runs: the number of runs.
        steps: the number of training steps per run.
    """
    import torch

    generator = torch.Generator().manual_seed(0)
    shapes = ((10, 2), (10, 10), (1, 10))
    draw = {"generator": generator, "dtype": torch.float64}
    weights = tuple(torch.randn((runs, *shape), **draw) for shape in shapes)
    feedback = tuple(torch.randn((runs, *shape), **draw) for shape in shapes[1:])
    inputs = torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]], dtype=torch.float64)
    targets = torch.tensor([1.0, 1.0, 0.0, 0.0], dtype=torch.float64)
    order = torch.randint(4, (steps, runs), generator=generator)

    def step(w1, w2, w3, b2, b3, x, y):
        h1 = torch.relu(w1 @ x)
        h2 = torch.relu(w2 @ h1)
        error = torch.where(w3 @ h2 > y, 1.0, -1.0).to(torch.float64)
        d2 = (b3.T @ error) * (h2 > 0)
        d1 = (b2.T @ d2) * (h1 > 0)
        return w1 - LR * torch.outer(d1, x), w2 - LR * torch.outer(d2, h1), w3 - LR * torch.outer(error, h2)

    stacked = torch.func.vmap(step)

    def train() -> object:
        w = weights
        with torch.no_grad():
            for numbers in order:
                w = stacked(*w, *feedback, inputs[numbers], targets[numbers])
        return w

    return train
