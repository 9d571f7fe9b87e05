"""Describe in words what a sweep ran: its task, network, training and seeds, and what differs between its groups.

Every line is derived from the settings of the sweep's jobs, so the description always matches what was run. Reports and
findings pages show these lines.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from fa_sweep.settings.schema import GROUPS, RunConfig
from fa_sweep.sweep.jobs import Job

MOST_LEVELS = 16  # most levels that a line lists; of a longer list, it shows the first ones and the number of the others

# Readable names of factors. A factor that is not listed here is shown by its key.
WORDS = {
    "feedback": "feedback mode",
    "feedback.mode": "feedback mode",
    "feedback.scale": "scale of the feedback matrices",
    "init": "distribution of the initial weights",
    "init.scale": "scale of the initial weights",
    "model.hidden": "widths of the hidden layers",
    "model.activation": "activation",
    "task": "task",
    "train.lr": "learning rate",
    "train.batch_size": "batch size",
    "train.steps": "number of steps",
    "train.loss": "loss",
    "train.optimiser": "optimiser",
    "train.output_weight_decay": "weight decay of the output layer",
    "train.weight_decay": "weight decay",
}
LOSSES = {
    "absolute": "absolute error (the sign of the error is sent back)",
    "squared": "squared error",
    "cross_entropy": "cross entropy",
}
SAMPLINGS = {
    "with_replacement": "drawn with replacement",
    "permutation": "in a new random order each epoch",
    "in_order": "in their given order",
    "fresh": "drawn afresh at every step",
}


def described(jobs: Sequence[Job]) -> list[str]:
    """Describe the settings of a sweep in sentences: task, success, network, weights, training, seeds, differences.

    If the jobs have different values of a setting, its line lists up to `MOST_LEVELS` of them in the order of the sweep.

    Args:
        jobs: The planned jobs of a sweep, at least one.

    Returns:
        One string per line, from "Task: ..." to "What differs between groups: ...".
    """
    distinct = _distinct(jobs)
    runs = [job.run for job in distinct]
    lines = [
        f"Task: {_levels(map(_task, runs))}{_split(runs)}.",
        f"Success: {_levels(map(_success, runs))}.",
        f"Network: {_levels(map(_network, distinct))}.",
        f"Initial weights: {_draws((run.init.distribution, run.init.scale, '') for run in runs)}.",
        f"Feedback matrices: {_draws(map(_feedback, runs))}.",
        f"Training: {_training(runs)}.",
        f"Evaluations: {_levels(map(_evaluations, runs))}.",
        f"Seeds: {_seeds(jobs)}.",
        f"What differs between groups: {_differences(jobs)}.",
    ]
    return lines


def _distinct(jobs: Sequence[Job]) -> list[Job]:
    """Return one job per combination of settings other than the seed, because describing a million jobs would take long."""
    found: dict[tuple[Any, ...], Job] = {}
    for job in jobs:
        run = job.run
        groups = [id(getattr(run, name)) for name in GROUPS]
        found.setdefault((*groups, run.dtype, run.engine, job.widths), job)
    return list(found.values())


def _levels(values: Iterable[str]) -> str:
    levels = list(dict.fromkeys(values))
    if len(levels) > MOST_LEVELS:
        return f"{'; '.join(levels[:MOST_LEVELS])}; and {len(levels) - MOST_LEVELS} more"
    return "; or ".join(levels)


def _joined(values: Iterable[str]) -> str:
    """Join short levels into a text such as "0.1, 0.3 or 1"."""
    levels = list(dict.fromkeys(values))
    if len(levels) > MOST_LEVELS:
        return f"{', '.join(levels[:MOST_LEVELS])} and {len(levels) - MOST_LEVELS} more"
    return " or ".join(part for part in (", ".join(levels[:-1]), levels[-1]) if part)


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


# --- the task


def _xor(task: Any) -> str:
    return f"XOR, all four patterns; an output above {task.decision_boundary:g} counts as 1"


def _parity(task: Any) -> str:
    return f"parity of {task.bits} bits, all {2**task.bits} patterns; an output above {task.decision_boundary:g} counts as 1"


def _linear_teacher(task: Any) -> str:
    return (
        f"a linear teacher y = T x, {task.inputs} inputs, {task.outputs} outputs, T uniform within +-{task.teacher_scale:g}, "
        f"x standard normal, evaluated on {_number(task.held_out)} held-out examples"
    )


def _nonlinear_teacher(task: Any) -> str:
    return (
        f"a random {'-'.join(map(str, task.widths))} {task.activation} network with linear output as the teacher, weights "
        f"uniform within +-{task.weight_gain:.4g} / sqrt(fan-in), biases within +-{task.bias_scale:g}, x standard normal, "
        f"evaluated on {_number(task.held_out)} held-out examples"
    )


def _digits(task: Any) -> str:
    return f"scikit-learn's 8x8 handwritten digits (1,797 images, pixels / 16), {_held_out(task)}"


def _csv(task: Any) -> str:
    parts = [f"{task.kind} of {task.target} from the table {task.path}"]
    parts += [f"without {', '.join(name or 'a column without a name' for name in task.drop)}"] if task.drop else []
    gaps = {"drop": "rows with missing values left out", "mean": "missing values replaced by means"}
    parts += [gaps[task.missing]] if task.missing in gaps else []
    parts.append("inputs standardised by the training examples" if task.standardise else "inputs as they are in the file")
    return f"{', '.join(parts)}; {_held_out(task)}"


def _images(task: Any) -> str:
    own = f"test images from {task.test_path}" if task.test_path else "the file's own test images" if not task.held_out else ""
    scale = f"pixels / {task.divide_by:g}{', standardised' if task.standardise else ''}"
    return f"images from {task.path}, {scale}, {_held_out(task, own)}"


def _held_out(task: Any, own: str = "") -> str:
    """Say which examples are evaluated on. `own` describes a test set that is not split off."""
    test = own or f"{_number(task.held_out)} held out"
    if not task.validation:
        return f"{test} for evaluation"
    parts = f"{_number(task.validation)} for validation and {test} for the test"
    return f"{parts}; evaluated on the {task.evaluate_on} examples"


def _random_labels(task: Any) -> str:
    return (
        f"memorising {task.examples} Gaussian examples with {task.inputs} inputs and unrelated Gaussian targets, "
        f"{_count(task.outputs, 'output')}"
    )


def _spirals(task: Any) -> str:
    return (
        f"{task.classes} intertwined spirals of {task.turns:g} turns, noise {task.noise:g}, {task.points} points per class to "
        f"train on and {task.held_out} to evaluate on"
    )


TASKS: dict[str, Callable[[Any], str]] = {
    "xor": _xor,
    "parity": _parity,
    "linear_teacher": _linear_teacher,
    "nonlinear_teacher": _nonlinear_teacher,
    "digits": _digits,
    "csv": _csv,
    "images": _images,
    "random_labels": _random_labels,
    "spirals": _spirals,
}
# Settings of a task that other lines describe, or that are not worth a mention.
_PROPOSALS = ("name", "loss", "sampling", "success", "split", "split_seed", "content")


def _task(run: RunConfig) -> str:
    known = TASKS.get(run.task.name)
    if known is not None:
        return known(run.task)
    rest = [f"{name} {value}" for name, value in vars(run.task).items() if name not in _PROPOSALS and value is not None]
    return f"{run.task.name} ({', '.join(rest)})" if rest else run.task.name


def _split(runs: Sequence[RunConfig]) -> str:
    """Say whether all seeds share one split into training and evaluation examples; empty for tasks that do not split."""
    found = [(run.seed, getattr(run.task, "split_seed", None)) for run in runs]
    splits = {split for _, split in found if split is not None}
    if not splits:
        return ""
    if len(splits) > 1 and all(split in (None, seed) for seed, split in found):
        return "; every seed draws its own split"
    listed = _joined(str(split) for split in sorted(splits))
    return f"; the split is the same for every seed (split_seed {listed})"


def _success(run: RunConfig) -> str:
    success, train = run.task.success, run.train
    sign = "at least" if success.direction == "at_least" else "at most"
    name = success.metric.replace("_", " ")
    last = "its last evaluation" if train.hold == 1 else f"each of its last {train.hold} evaluations"
    return f"{name} {sign} {train.threshold:g}; a run has converged if this holds at {last}"


# --- the network


def _network(job: Job) -> str:
    model = job.run.model
    parts = ["-".join(map(str, job.widths)), "ReLU" if model.activation == "relu" else model.activation.replace("_", " ")]
    parts.append("with biases" if model.bias else "no biases")
    if model.parametrisation == "inverse_sqrt_width":
        parts.append("output divided by the square root of the last hidden width")
    if job.run.dtype != "float64":
        parts.append(job.run.dtype)
    return ", ".join(parts)


def _draws(found: Iterable[tuple[str, float | None, str]]) -> str:
    """Describe (distribution, scale, remark) triples. Triples that differ only in the scale share one description."""
    scales: dict[tuple[str, str], list[float]] = {}
    for distribution, scale, more in found:
        scales.setdefault((distribution, more), []).extend([] if scale is None else [scale])
    return _levels(_draw(name, list(dict.fromkeys(listed))) + more for (name, more), listed in scales.items())


def _draw(distribution: str, scales: Sequence[float]) -> str:
    listed = _joined(f"{scale:g}" for scale in scales) if scales else ""
    if distribution == "normal":
        return f"normal, standard deviation {listed}"
    if distribution == "uniform":
        return f"uniform within +-{listed}"
    name = {"he": "He", "xavier": "Xavier"}.get(distribution, distribution)
    return name if not scales or list(scales) == [1] else f"{name} times {listed}"


def _feedback(run: RunConfig) -> tuple[str, float | None, str]:
    feedback = run.feedback
    if not hasattr(feedback, "distribution"):
        return "none", None, ""
    parts = [""]
    if feedback.match_norm:
        parts.append("rescaled to the norm of the initial weights")
    if feedback.sparsity:
        parts.append(f"{feedback.sparsity:g} of the entries zero")
    if feedback.seed is not None:
        parts.append(f"drawn by seed {feedback.seed}")
    return feedback.distribution, feedback.scale, ", ".join(parts)


# --- training


def _training(runs: Sequence[RunConfig]) -> str:
    trains = [run.train for run in runs]
    parts = [
        _joined(LOSSES.get(t.loss, t.loss) + (" summed over the batch" if t.reduction == "sum" else "") for t in trains),
        _joined(f"momentum {t.momentum:g}" if t.optimiser == "momentum" else t.optimiser for t in trains),
        f"learning rate {_joined(_number(t.lr) for t in trains)}",
        f"batches of {_joined(_number(t.batch_size) for t in trains)}",
        f"{_joined(_number(t.steps) for t in trains)} steps",
    ]
    if any(t.epochs is not None for t in trains):
        parts[-1] += f" ({_joined(str(t.epochs) for t in trains)} epochs)"
    parts.append(f"examples {_joined(SAMPLINGS.get(t.sampling, t.sampling) for t in trains)}")
    decays = [(t.weight_decay, t.output_weight_decay) for t in trains]
    if any(hidden for hidden, _ in decays):
        parts.append(f"weight decay {_joined(_number(hidden) for hidden, _ in decays)}")
    if any(output != hidden for hidden, output in decays):
        parts.append(f"weight decay of the output layer {_joined(_number(output) for _, output in decays)}")
    return ", ".join(parts)


def _evaluations(run: RunConfig) -> str:
    train = run.train
    if train.eval_at == "every":
        return f"every {_number(train.eval_every)} steps and after the last"
    if isinstance(train.eval_at, list):
        return f"at {_count(len(train.evaluation_steps()), 'chosen step')}"
    spacing, _ = train.eval_at.split(":")
    scale = "" if spacing == "linear" else " on a logarithmic scale"
    return f"at {_count(train.evaluations(), 'step')}, evenly spaced{scale}"


def _seeds(jobs: Sequence[Job]) -> str:
    by_group: dict[str, set[int]] = {}
    for job in jobs:
        by_group.setdefault(job.group, set()).add(job.run.seed)
    sets = list(by_group.values())
    counts = sorted({len(seeds) for seeds in sets})
    same = all(seeds == sets[0] for seeds in sets)
    if len(counts) > 1:
        return f"{counts[0]} to {counts[-1]} per group"
    seeds = sorted(sets[0])
    span = f"{seeds[0]} to {seeds[-1]}" if seeds == list(range(seeds[0], seeds[-1] + 1)) else ""
    which = f" ({span})" if same and span and len(seeds) > 1 else ""
    if len(sets) == 1:
        return f"{counts[0]}{which}"
    return f"{counts[0]} per group{which}, {'the same in every group' if same else 'not the same in every group'}"


def _differences(jobs: Sequence[Job]) -> str:
    levels: dict[str, dict[str, None]] = {}
    for job in jobs:
        for name, value in job.factors.items():
            levels.setdefault(name, {})[_level(value)] = None
    if not levels:
        return "nothing; there is only one group"
    return "; ".join(f"{WORDS.get(name, name)} ({_shortened(list(values))})" for name, values in levels.items())


def _shortened(levels: Sequence[str]) -> str:
    if len(levels) > MOST_LEVELS:
        return f"{', '.join(levels[:MOST_LEVELS])} and {len(levels) - MOST_LEVELS} more"
    return ", ".join(levels)


def _level(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
