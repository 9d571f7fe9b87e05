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
    return f"scikit-learn's 8x8 handwritten digits (1,797 images, pixels / 16), {_held_out(task)}"


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
    parts = [f"{task.kind} of {task.target} in the table {PurePath(task.path).name}"]
    parts += [f"without {', '.join(name or 'a column without a name' for name in task.drop)}"] if task.drop else []
    gaps = {"drop": "rows with missing values left out", "mean": "missing values replaced by means"}
    parts += [gaps[task.missing]] if task.missing in gaps else []
    parts.append("inputs standardised by the training examples" if task.standardise else "inputs as they are in the file")
    return f"{', '.join(parts)}; {_held_out(task)}"


def _images(task: Any) -> str:
    own = ""
    if task.test_path:
        own = f"test images from {PurePath(task.test_path).name}"
    elif not task.held_out:
        own = "the file's own test images"
    scale = f"pixels / {task.divide_by:g}{', standardised' if task.standardise else ''}"
    return f"images from {PurePath(task.path).name}, {scale}, {_held_out(task, own)}"


def _held_out(task: Any, own: str = "") -> str:
    """Say which examples are evaluated on. `own` describes a test set that is not split off."""
    test = own or f"{task.held_out:,} held out"
    if not task.validation:
        return f"{test} for evaluation"
    parts = f"{task.validation:,} for validation and {test} for the test"
    return f"{parts}; evaluated on the {task.evaluate_on} examples"


TASKS: dict[str, Callable[[Any], str]] = {
    "xor": _xor,
    "parity": _parity,
    "linear_teacher": _linear_teacher,
    "nonlinear_teacher": _nonlinear_teacher,
    "digits": _digits,
    "random_labels": _random_labels,
    "spirals": _spirals,
    "csv": _csv,
    "images": _images,
}
# What titles call tasks. A task that is not listed here is called by its name.
TITLES: dict[str, Callable[[Any], str]] = {
    "xor": lambda _: "XOR",
    "parity": lambda task: f"Parity of {task.bits} bits",
    "csv": lambda task: PurePath(task.path).name,
    "images": lambda task: PurePath(task.path).name,
}
