"""Finds out why a run did not learn, from its recorded histories: dead layers, or a loss that has not moved."""

from collections.abc import Iterable, Mapping
from enum import StrEnum

import numpy as np

from fa_sweep.sweeping.jobs import Job
from fa_sweep.sweeping.ledger import finished, run_events
from fa_sweep.sweeping.outcomes import Outcome
from fa_sweep.sweeping.shards import Record

UNMOVED = 0.01  # a loss that stays within this fraction of its first value has not moved
CONSTANT = 0.001  # outputs are nearly the same if they vary less than this fraction of what the targets vary
MOST = 4  # most cases, each a group and a symptom, that are described
EARLY = 0.02  # the first evaluation has to lie in this first part of the training, otherwise the loss may have moved before


class Symptom(StrEnum):
    """A reason why a run did not learn."""

    DEAD = "dead"
    """At the end all units of a hidden layer have the derivative 0 for all evaluation examples. The layer passes no error on.
    With ReLU its output is 0, too, so the network's output is the same for all examples."""
    CONSTANT = "constant"
    """At the end the outputs for all evaluation examples are nearly the same."""
    UNMOVED = "unmoved"
    """The loss on the evaluation examples has stayed within one per cent of its first value."""


def symptoms(job: Job, record: Record) -> list[Symptom]:
    """Return why a run did not learn.

    There is no symptom if the last evaluation succeeded, and none if the run diverged, which is a reason by itself. Whether the
    loss has moved is known only if the run was evaluated early and more than once.
    """
    found = run_events(job, record)
    if found.at_end or found.outcome is Outcome.DIVERGED:
        return []
    metrics, loss = record.metrics, record.metrics["loss"]
    constant = record.output_range < CONSTANT
    dead = any(name.startswith("dead_fraction/") and values[-1] == 1 for name, values in metrics.items())
    first, last = float(record.steps[0]), float(record.steps[-1])
    unmoved = len(loss) > 1 and first <= EARLY * last and np.abs(loss - loss[0]).max() <= UNMOVED * abs(loss[0])
    shown = {Symptom.DEAD: dead, Symptom.CONSTANT: constant and not dead, Symptom.UNMOVED: unmoved}
    return [symptom for symptom, is_there in shown.items() if is_there]


def advice(jobs: Iterable[Job], records: Mapping[str, Record]) -> list[str]:
    """Say how many runs of a group did not learn, why, and what to try, for the first few groups. Empty if all have learned.

    Args:
        jobs: the jobs of a sweep, or of a single run.
        records: the finished runs by run id.
    """
    listed = list(jobs)
    with_symptom: dict[tuple[str, Symptom], list[Job]] = {}
    counts: dict[str, int] = {}
    for job, record in finished(listed, records):
        counts[job.group] = counts.get(job.group, 0) + 1
        for symptom in symptoms(job, record):
            with_symptom.setdefault((job.group, symptom), []).append(job)
    order = list(dict.fromkeys(job.group for job in listed))
    found = sorted(with_symptom.items(), key=lambda item: (order.index(item[0][0]), item[0][1]))
    said = [f"{_who(group, len(some), counts[group])}: {_words(symptom, some[0])}" for (group, symptom), some in found[:MOST]]
    if len(found) > MOST:
        said[-1] += f". The same or the like happened in {len(found) - MOST} more cases"
    return said


def _who(group: str, some: int, count: int) -> str:
    return group if count == 1 else f"{group}, {some} of {count} runs"


def _words(symptom: Symptom, job: Job) -> str:
    run = job.run
    scale = ", task.standardise=true" if getattr(run.task, "standardise", True) is False else ""
    if symptom is Symptom.UNMOVED:
        return (
            "the loss has moved by less than 1 % from the first evaluation to the last. "
            f"Try another learning rate (train.lr={run.train.lr:g}), more steps, another init{scale}"
        )
    if symptom is Symptom.CONSTANT:
        return (
            "at the end the outputs are nearly the same for all evaluation examples. "
            f"Try a smaller learning rate (train.lr={run.train.lr:g}), more steps, another activation{scale}"
        )
    off = "saturated" if run.model.activation in ("tanh", "sigmoid") else "off"
    constant = "" if off == "saturated" else ", so the output is the same for all of them"
    other = "a smaller init.scale" if off == "saturated" else "model.activation=leaky_relu or tanh"
    other += "" if off == "saturated" or run.init.distribution in ("he", "xavier", "orthogonal") else ", init=he"
    return (
        f"at the end all units of a hidden layer are {off} for all evaluation examples{constant}. "
        f"Try a smaller learning rate (train.lr={run.train.lr:g}), {other}{scale}"
    )
