"""An independent implementation of the linear task of Lillicrap et al. (2016): plain NumPy, one run at a time, its own draws.

It shares no code with the program; the findings pages compare their numbers with its output. From the root of the repository,
`python tests/support/linear_task.py 0.001 200` prints the medians over 200 runs at learning rate 0.001 in a minute or two.
"""

import math
import sys

import numpy as np

INPUTS, HIDDEN, OUTPUTS = 30, 20, 10
STEPS, HELD_OUT = 2000, 1000
MODES = ("symmetric", "random", "rerandom", "shallow")


def angle_deg(a: np.ndarray, b: np.ndarray) -> float:
    """Return the angle in degrees between corresponding columns of two matrices, averaged over the columns."""
    cosines = (a * b).sum(axis=0) / (np.linalg.norm(a, axis=0) * np.linalg.norm(b, axis=0))
    return float(np.degrees(np.arccos(np.clip(cosines, -1, 1))).mean())


def run(mode: str, rate: float, seed: int, steps: int = STEPS) -> dict[str, float]:
    """Train one network; return its held-out error by two definitions, and its signal angle at the start, early and late.

    Returns:
        `ratio_of_sums`: the sum of all squared errors divided by the sum of all squared targets. `mean_of_ratios`: the mean
        over examples of squared error divided by squared target, which gives small targets more weight. `angle_start`,
        `angle_early` and `angle_late`: the angle in degrees at step 0, over steps 200 to 300, and over the last 200 steps;
        NaN for every mode but `random`.
    """
    rng = np.random.default_rng([seed, MODES.index(mode)])
    teacher = rng.uniform(-1, 1, (OUTPUTS, INPUTS))
    first = rng.uniform(-0.01, 0.01, (HIDDEN, INPUTS))
    second = rng.uniform(-0.01, 0.01, (OUTPUTS, HIDDEN))
    back = rng.uniform(-0.5, 0.5, (HIDDEN, OUTPUTS))
    inputs = rng.standard_normal((INPUTS, HELD_OUT))
    targets = teacher @ inputs
    angles = {}
    for step in range(steps):
        x = rng.standard_normal(INPUTS)
        hidden = first @ x
        error = second @ hidden - teacher @ x
        if mode == "rerandom":
            back = rng.uniform(-0.5, 0.5, (HIDDEN, OUTPUTS))
        signal = second.T @ error if mode == "symmetric" else back @ error
        second = second - rate * np.outer(error, hidden)
        if mode != "shallow":
            first = first - rate * np.outer(signal, x)
        if mode == "random" and step % 20 == 0:
            errors = second @ (first @ inputs) - targets
            angles[step] = angle_deg(back @ errors, second.T @ errors)
    errors = ((second @ (first @ inputs) - targets) ** 2).sum(axis=0)
    squares = (targets**2).sum(axis=0)

    def mean_angle(low: int, high: int) -> float:
        found = [angle for step, angle in angles.items() if low <= step <= high]
        return float(np.mean(found)) if found else math.nan

    return {
        "ratio_of_sums": float(errors.sum() / squares.sum()),
        "mean_of_ratios": float((errors / squares).mean()),
        "angle_start": mean_angle(0, 0),
        "angle_early": mean_angle(200, 300),
        "angle_late": mean_angle(steps - 200, steps - 1),
    }


def medians(rate: float, runs: int, steps: int = STEPS) -> dict[str, dict[str, float]]:
    """Return, for each mode, the median of every quantity over its runs."""
    table = {}
    for mode in MODES:
        found = [run(mode, rate, seed, steps) for seed in range(runs)]
        table[mode] = {name: float(np.median([one[name] for one in found])) for name in found[0]}
    return table


if __name__ == "__main__":
    for mode, found in medians(float(sys.argv[1]), int(sys.argv[2])).items():
        print(mode, "  ".join(f"{name} {value:.3g}" for name, value in found.items() if not math.isnan(value)))
