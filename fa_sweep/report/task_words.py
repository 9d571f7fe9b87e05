"""Describe tasks in words: one sentence about the settings of each, and what titles call it."""

from collections.abc import Callable
from pathlib import PurePath
from typing import Any

from fa_sweep.report.formatting import counted


def _xor(task: Any) -> str:
    return f"XOR, all four patterns; an output above {task.decision_boundary:g} counts as 1"


def _parity(task: Any) -> str:
    return f"parity of {task.bits} bits, all {2**task.bits} patterns; an output above {task.decision_boundary:g} counts as 1"


def _linear_teacher(task: Any) -> str:
    return (
        f"a linear teacher y = T x, {task.inputs} inputs, {task.outputs} outputs, T uniform within +-{task.teacher_scale:g}, "
        f"x standard normal, evaluated on {task.held_out:,} held-out examples"
    )


def _nonlinear_teacher(task: Any) -> str:
    return (
        f"a random {'-'.join(map(str, task.widths))} {task.activation} network with linear output as the teacher, weights "
        f"uniform within +-{task.weight_gain:.4g} / sqrt(fan-in), biases within +-{task.bias_scale:g}, x standard normal, "
        f"evaluated on {task.held_out:,} held-out examples"
    )


def _digits(task: Any) -> str:
    return f"scikit-learn's 8x8 handwritten digits (1,797 images, pixels / 16), {task.held_out:,} held out for evaluation"


def _random_labels(task: Any) -> str:
    return (
        f"memorising {task.examples} Gaussian examples with {task.inputs} inputs and unrelated Gaussian targets, "
        f"{counted(task.outputs, 'output')}"
    )


def _spirals(task: Any) -> str:
    return (
        f"{task.classes} intertwined spirals of {task.turns:g} turns, noise {task.noise:g}, {task.points} points per class to "
        f"train on and {task.held_out} to evaluate on"
    )


def _csv(task: Any) -> str:
    inputs = "inputs standardised" if task.standardise else "inputs as they are"
    return f"{task.kind} of {task.target} in the table {PurePath(task.path).name}, {inputs}, {task.held_out:,} rows held out"


TASKS: dict[str, Callable[[Any], str]] = {
    "xor": _xor,
    "parity": _parity,
    "linear_teacher": _linear_teacher,
    "nonlinear_teacher": _nonlinear_teacher,
    "digits": _digits,
    "random_labels": _random_labels,
    "spirals": _spirals,
    "csv": _csv,
}
# What titles call tasks. A task that is not listed here is called by its name.
TITLES: dict[str, Callable[[Any], str]] = {
    "xor": lambda _: "XOR",
    "parity": lambda task: f"Parity of {task.bits} bits",
    "csv": lambda task: PurePath(task.path).name,
}
