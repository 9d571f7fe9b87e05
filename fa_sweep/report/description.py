"""Describe in words what a sweep ran: its task, network, training and seeds, and what differs between its groups.

Every line is derived from the settings of the sweep's jobs, so the description always matches what was run. Reports and
findings pages show these lines.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fa_sweep.report.names import listed
from fa_sweep.report.task_words import TASKS, TITLES
from fa_sweep.settings.schema import GROUPS, RunConfig
from fa_sweep.sweeping.jobs import Job

MOST_NAMED = 5  # most feedback modes, and most tasks, that a title names
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
PLURALS = {
    "feedback.scale": "scales of the feedback matrices",
    "init": "distributions of the initial weights",
    "init.scale": "scales of the initial weights",
    "model.hidden": "networks",
    "model.activation": "activations",
    "train.lr": "learning rates",
    "train.batch_size": "batch sizes",
    "train.steps": "numbers of steps",
    "train.loss": "losses",
    "train.optimiser": "optimisers",
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


@dataclass(frozen=True)
class Part:
    """A part of a line of the description.

    Attributes:
        line: The line to which it belongs, such as "Training".
        text: What it says, with all its levels.
        varies: Whether the jobs have different levels of it.
        setting: The setting that it shows; empty if it shows more than one setting.
    """

    line: str
    text: str
    varies: bool
    setting: str = ""


def described(jobs: Sequence[Job]) -> list[str]:
    """Describe the settings of a sweep in sentences: task, success, network, weights, training, seeds, differences.

    If the jobs have different values of a setting, its line lists up to `MOST_LEVELS` of them in the order of the sweep.

    Args:
        jobs: The planned jobs of a sweep, at least one.

    Returns:
        One string per line, from "Task: ..." to "What differs between groups: ...".
    """
    factors = "; ".join(f"{WORDS.get(name, name)} ({_shortened(levels)})" for name, levels in _factors(jobs).items())
    return [*_lines(_parts(jobs)), f"What differs between groups: {factors or 'nothing; there is only one group'}."]


def shared(jobs: Sequence[Job]) -> list[str]:
    """Return the lines of `described` without whatever differs between groups."""
    return _lines([part for part in _parts(jobs) if not part.varies])


def differing(jobs: Sequence[Job]) -> list[str]:
    """Return one line per factor of a sweep with its levels, and one for whatever else differs because of them, in words."""
    factors = _factors(jobs)
    lines = [f"{_capital(WORDS.get(name, name))}: {_shortened(levels)}." for name, levels in factors.items()]
    follows = [p for p in _parts(jobs) if p.varies and p.setting not in factors]
    return lines + _lines(follows)


def title(jobs: Sequence[Job]) -> str:
    """Say in one line what a sweep compares, such as "XOR: symmetric and random feedback at 5 learning rates, 20 seeds"."""
    tasks = list(dict.fromkeys(TITLES.get(job.run.task.name, _plain_title)(job.run.task) for job in _distinct(jobs)))
    factors = _factors(jobs)
    modes = factors.pop("feedback", None) or factors.pop("feedback.mode", None) or [jobs[0].run.feedback.mode]
    what = f"{listed(modes)} feedback" if len(modes) <= MOST_NAMED else f"{len(modes)} feedback modes"
    if len(tasks) > 1:
        factors = {name: levels for name, levels in factors.items() if name.partition(".")[0] != "task"}
    others = [f"{len(levels)} {PLURALS.get(name, f'levels of {name}')}" for name, levels in factors.items()]
    seeds = len({job.run.seed for job in jobs})
    which = listed(tasks) if len(tasks) <= MOST_NAMED else f"{len(tasks)} tasks"
    return f"{which}: {what}{f' at {listed(others)}' if others else ''}, {_count(seeds, 'seed')}"


def _plain_title(task: Any) -> str:
    return _capital(task.name.replace("_", " "))


def _capital(text: str) -> str:
    """Begin a text with a capital letter, unless it is the key of a setting."""
    return text if "." in text or "_" in text else text[:1].upper() + text[1:]


def _lines(parts: Sequence[Part]) -> list[str]:
    by_line: dict[str, list[str]] = {}
    for part in parts:
        by_line.setdefault(part.line, []).append(part.text)
    return [f"{line}: {', '.join(texts)}." for line, texts in by_line.items()]


def _parts(jobs: Sequence[Job]) -> list[Part]:
    distinct = _distinct(jobs)
    runs = [job.run for job in distinct]
    found = [
        _part("Task", map(_task, runs), more=_split(runs)),
        _part("Success", map(_success, runs)),
        *_network(distinct),
        _draws("Initial weights", ((run.init.distribution, run.init.scale, "") for run in runs)),
        _draws("Feedback matrices", map(_feedback, runs)),
        *_training(runs),
        _part("Evaluations", map(_evaluations, runs)),
        Part("Seeds", _seeds(jobs), varies=False),
    ]
    return [part for part in found if part.text]


def _part(line: str, texts: Iterable[str], *, more: str = "") -> Part:
    levels = list(texts)
    return Part(line, _levels(levels) + more, len(set(levels)) > 1)


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


def _network(jobs: Sequence[Job]) -> Iterator[Part]:
    """Describe widths and units. If both differ, they stay in one part, because not every pair of them need occur."""
    widths = list(dict.fromkeys("-".join(map(str, job.widths)) for job in jobs))
    units = list(dict.fromkeys(_units(job) for job in jobs))
    if len(widths) > 1 and len(units) > 1:
        yield _part("Network", ("-".join(map(str, job.widths)) + f", {_units(job)}" for job in jobs))
        return
    yield Part("Network", _joined(widths), len(widths) > 1, "model.hidden")
    bias = len({job.run.model.bias for job in jobs}) > 1
    yield Part("Network", _levels(units), len(units) > 1, "" if bias else "model.activation")


def _units(job: Job) -> str:
    model = job.run.model
    parts = ["ReLU" if model.activation == "relu" else model.activation.replace("_", " ")]
    parts.append("with biases" if model.bias else "no biases")
    if model.parametrisation == "inverse_sqrt_width":
        parts.append("output divided by the square root of the last hidden width")
    if job.run.dtype != "float64":
        parts.append(job.run.dtype)
    return ", ".join(parts)


def _draws(line: str, found: Iterable[tuple[str, float | None, str]]) -> Part:
    """Describe (distribution, scale, remark) triples. Triples that differ only in the scale share one description."""
    scales: dict[tuple[str, str], list[float]] = {}
    draws = list(found)
    for distribution, scale, more in draws:
        scales.setdefault((distribution, more), []).extend([] if scale is None else [scale])
    texts = [_draw(name, list(dict.fromkeys(levels))) + more for (name, more), levels in scales.items()]
    return Part(line, _levels(texts), len(set(draws)) > 1)


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


def _training(runs: Sequence[RunConfig]) -> Iterator[Part]:
    trains = [run.train for run in runs]
    epochs = f" ({_joined(str(t.epochs) for t in trains)} epochs)" if any(t.epochs is not None for t in trains) else ""
    summed = [LOSSES.get(t.loss, t.loss) + (" summed over the batch" if t.reduction == "sum" else "") for t in trains]
    optimisers = [f"momentum {t.momentum:g}" if t.optimiser == "momentum" else t.optimiser for t in trains]
    samplings = [SAMPLINGS.get(t.sampling, t.sampling) for t in trains]
    described: list[tuple[str, str, list[str], str]] = [
        ("train.loss", "", summed, ""),
        ("train.optimiser", "", optimisers, ""),
        ("train.lr", "learning rate ", [_number(t.lr) for t in trains], ""),
        ("train.batch_size", "batches of ", [_number(t.batch_size) for t in trains], ""),
        ("train.steps", "", [_number(t.steps) for t in trains], f" steps{epochs}"),
        ("train.sampling", "examples ", samplings, ""),
    ]
    decays = [(t.weight_decay, t.output_weight_decay) for t in trains]
    if any(hidden for hidden, _ in decays):
        described.append(("train.weight_decay", "weight decay ", [_number(hidden) for hidden, _ in decays], ""))
    if any(output != hidden for hidden, output in decays):
        own = [_number(output) for _, output in decays]
        described.append(("train.output_weight_decay", "weight decay of the output layer ", own, ""))
    for setting, before, levels, after in described:
        yield Part("Training", f"{before}{_joined(levels)}{after}", len(set(levels)) > 1, setting)


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


def _factors(jobs: Sequence[Job]) -> dict[str, list[str]]:
    """Return the levels of each factor as text, in the order of the sweep."""
    levels: dict[str, dict[str, None]] = {}
    for job in jobs:
        for name, value in job.factors.items():
            levels.setdefault(name, {})[_level(value)] = None
    return {name: list(values) for name, values in levels.items()}


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
