"""Build what MLflow stores of a sweep and of each of its runs: names, parameters, tags and metrics.

Everything here is a plain value; nothing imports mlflow.
"""

import csv
import getpass
import io
import json
import math
import os
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np

from fa_sweep.engine.evaluation import metric_names
from fa_sweep.process.secrets import redact
from fa_sweep.settings.identity import run_settings
from fa_sweep.sweeping.folder import Sweep
from fa_sweep.sweeping.jobs import Job
from fa_sweep.sweeping.outcomes import Events
from fa_sweep.sweeping.shards import Record
from fa_sweep.tasks import METRICS
from fa_sweep.tracking import limits, tagnames
from fa_sweep.tracking.places import COPIES, RUNS, SWEEPS

MAIN_HISTORIES = (*dict.fromkeys(name for names in METRICS.values() for name in names), "loss", "angle_deg/gradient")
MAIN_PREFIXES = ("angle_deg/signal_layer_", "angle_deg/weight_layer_")
CHANCE = "chance_deg/"  # MLflow gets only the first and the last value of these metrics
LONGEST_VALUE = limits.VALUE
OVERLONG = "overlong.json"
HISTORIES = ("full", "thin", "none")  # from the fullest to the emptiest
THIN_POINTS = 11
BYTES_PER_POINT = 250  # the size of a point in a SQLite file: one table row and two index entries
AUTO_BYTES = 2**28  # the most that a sweep's points may take in the store with tracking.history=auto
ENVIRONMENT_TAGS = (tagnames.GIT_COMMIT, tagnames.GIT_DIRTY)


@dataclass(frozen=True)
class RunContent:
    """One MLflow run.

    Attributes:
        name: The run's name.
        status: MLflow's status: FINISHED, FAILED or KILLED.
        started_at_ms: Start time, Unix time in milliseconds.
        ended_at_ms: End time, Unix time in milliseconds.
        params: Parameters.
        tags: Tags.
        metrics: Points (name, value, step); all values are finite.
        place: The experiment that the run belongs to, one of `places.PLACES`.
        overlong: Parameters and tags, by name, that are too long for MLflow's tables and go into the artifact `OVERLONG`.
    """

    name: str
    status: str
    started_at_ms: int
    ended_at_ms: int
    params: dict[str, str]
    tags: dict[str, str]
    metrics: list[tuple[str, float, int]]
    place: str = SWEEPS
    overlong: dict[str, str] = field(default_factory=dict)

    def within(self, group: Mapping[str, str]) -> "RunContent":
        """Return the same run with the tags of its group added, for example the tag that names its parent."""
        return replace(self, tags={**self.tags, **group})


@dataclass(frozen=True)
class DatasetContent:
    """The data set of a task as MLflow describes it: `source` holds the task's settings and `profile` its sizes, as JSON."""

    name: str
    digest: str
    source: str
    profile: str


@dataclass(frozen=True)
class HistoryChoice:
    """How much of the metrics' histories MLflow gets.

    MLflow gets the last value of every metric and, unless `history` is "none", the first value of the chance angles
    (`chance_deg/*`). The ledger always has the whole histories.

    Attributes:
        metrics: The metrics whose histories are sent: "main" (see `is_main_history`) or "all".
        history: How many points of each history are sent: "full" (every evaluation), "thin" (`THIN_POINTS` points), or "none".
    """

    metrics: str
    history: str

    def numbers(self, metric: str, evaluations: int) -> Sequence[int]:
        """Return the indices of a metric's evaluations that MLflow gets in addition to the last defined value.

        Args:
            metric: The metric's name.
            evaluations: The number of the run's evaluations.
        """
        if self.history != "none" and metric.startswith(CHANCE):
            return (0,)
        if self.history == "none" or not (self.metrics == "all" or is_main_history(metric)):
            return ()
        if self.history == "full":
            return range(evaluations)
        return sorted({round(k * (evaluations - 1) / (THIN_POINTS - 1)) for k in range(THIN_POINTS)})


def chosen_history(wanted: str, jobs: Sequence[Job], metrics: str) -> tuple[str, str]:
    """Choose how much of the histories a sweep sends to MLflow.

    Args:
        wanted: The setting tracking.history. "auto" takes the fullest choice that needs at most `AUTO_BYTES`, or else "none".
        jobs: The sweep's jobs.
        metrics: The setting tracking.metrics: "main" or "all".

    Returns:
        "full", "thin" or "none"; and a line that tells the user that "auto" leaves points out, or an empty string.
    """
    if wanted != "auto":
        return wanted, ""
    evaluations = {id(train): train.evaluations() for train in (job.run.train for job in jobs)}
    alike = Counter((len(job.widths) - 1, job.targets, evaluations[id(job.run.train)]) for job in jobs)
    sizes = {}
    for history in HISTORIES:
        choice = HistoryChoice(metrics, history)
        sizes[history] = BYTES_PER_POINT * sum(
            runs * sum(len(choice.numbers(name, points)) + 1 for name in metric_names(layers, targets))
            for (layers, targets, points), runs in alike.items()
        )
    fitting = next((history for history in HISTORIES if sizes[history] <= AUTO_BYTES), HISTORIES[-1])
    if fitting == HISTORIES[0]:
        return fitting, ""
    sent = f"{THIN_POINTS} points of each history" if fitting == "thin" else "last values alone"
    whole = f"whole ones would take {sizes['full'] / 1e9:.1f} GB; tracking.history=full sends them"
    return fitting, f"MLflow gets {sent}: {whole}, the ledger has them in any case."


def sweep_content(sweep: Sweep, finished: Container[str], history: str) -> RunContent:
    """Return the parent run of a sweep.

    Its status is FAILED if any run failed, otherwise KILLED if any run is missing, otherwise FINISHED. Its end time is a
    placeholder (the start time): the importer replaces it with the end of the last child.

    Args:
        sweep: The sweep.
        finished: The ids of the finished runs.
        history: "full", "thin" or "none": how much of the histories is sent.
    """
    record, failures = sweep.record, sweep.failures
    absent = [job.run_id for job in sweep.jobs if job.run_id not in finished]
    failed = any(run_id in failures for run_id in absent)
    tags = {
        tagnames.KIND: "sweep",
        tagnames.SWEEP: sweep.id,
        tagnames.SWEEP_HASH: sweep.hash,
        tagnames.PLANNED: str(record.planned),
        tagnames.REUSED: str(record.reused),
        tagnames.HISTORY: history,
        **({tagnames.ANEW: "false"} if record.resume == "false" else {}),
        tagnames.COMMAND: record.command,
        **({tagnames.PRESET: preset} if (preset := record.preset_as_it_stands) else {}),
        **({tagnames.DESIGN: json.dumps(record.design)} if record.design else {}),
        **({tagnames.OUTCOMES: json.dumps(record.outcomes)} if record.outcomes else {}),
        **({tagnames.MARGIN: json.dumps(record.margin)} if record.margin is not None else {}),
        **common_tags(record.environment),
    }
    created = record.created_at_ms
    status = "FAILED" if failed else "KILLED" if absent else "FINISHED"
    return fitted(RunContent(sweep.title, status, created, created, {}, tags, []))


def job_content(
    job: Job, sweep: Sweep, ended: tuple[Record, Events] | None, choice: HistoryChoice, *, copy: bool = False
) -> RunContent:
    """Return the MLflow run of one job.

    A run with a record is FINISHED, whatever its outcome. A run that ended in an error has no record; it is FAILED and has no
    metrics.

    Args:
        job: The job.
        sweep: The sweep that the job belongs to.
        ended: The record and the events of the finished run; None if the run failed. `sweep.failures` must then hold the run's
            error.
        choice: How much of the histories is sent.
        copy: Whether the store has the run already, for another job.
    """
    place = COPIES if copy else RUNS
    tags = {
        tagnames.RUN_ID: job.run_id,
        tagnames.JOB_ID: job.id,
        tagnames.SWEEP: sweep.id,
        tagnames.NUMBER: str(job.number),
        tagnames.GROUP: job.group,
        tagnames.FACTORS: json.dumps(job.factors),
        tagnames.WIDTHS: json.dumps(job.widths),
        tagnames.TARGETS: job.targets,
        tagnames.OVERRIDES: redact(" ".join(job.overrides)),
        tagnames.REPRODUCE: job.reproduce,
        **({tagnames.REUSED: "true"} if job.reused else {}),
        **({tagnames.ANEW: "false"} if sweep.record.single and sweep.record.resume == "false" else {}),
    }
    params = setting_texts(run_settings(job.run))
    if ended is None:
        tags |= {tagnames.ERROR: str(sweep.failures[job.run_id]), **common_tags(sweep.record.environment)}
        created = sweep.record.created_at_ms
        return fitted(RunContent(job.name, "FAILED", created, created, params, tags, [], place))
    record, found = ended
    tags |= {tagnames.OUTCOME: found.outcome.value, **common_tags(record.environment)}
    started = record.finished_at_ms - round(1000 * record.duration_s)
    metrics = list(_metrics(record, found, choice))
    return fitted(RunContent(job.name, "FINISHED", started, record.finished_at_ms, params, tags, metrics, place))


def setting_texts(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return settings as the texts that MLflow keeps as parameters: texts as they are, other values as JSON."""
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in settings.items()}


def is_main_history(metric: str) -> bool:
    """Whether a metric is a main one. With tracking.metrics=main, MLflow gets the histories of the main metrics only."""
    return metric in MAIN_HISTORIES or metric.startswith(MAIN_PREFIXES)


def settings_csv(jobs: Sequence[Job]) -> str:
    """Return the resolved settings of all jobs as one CSV table with one row per job."""
    # These two types determine which settings a run has.
    kinds = {(type(job.run.task), type(job.run.feedback)): job for job in jobs}
    names = dict.fromkeys(name for job in kinds.values() for name in run_settings(job.run))
    text = io.StringIO()
    writer = csv.DictWriter(text, ["name", "run_id", *names], lineterminator="\n")
    writer.writeheader()
    writer.writerows({"name": job.name, "run_id": job.run_id, **run_settings(job.run)} for job in jobs)
    return text.getvalue()


@cache
def _user() -> str:
    """Return the user's name, or the numeric user id if the user has no name, as in many containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"


def common_tags(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the tags that every run has: the environment that it was computed in, the user, and the source."""
    versions = json.dumps({k: v for k, v in environment.items() if k not in ENVIRONMENT_TAGS})
    return {
        **{name: environment.get(name, "unknown") for name in ENVIRONMENT_TAGS},
        tagnames.VERSIONS: versions,
        tagnames.USER: _user(),
        tagnames.SOURCE_NAME: "fa_sweep",
        tagnames.SOURCE_TYPE: "LOCAL",
    }


def _metrics(record: Record, found: Events, choice: HistoryChoice) -> Iterator[tuple[str, float, int]]:
    steps = record.steps.tolist()
    for name, values in record.metrics.items():
        defined = np.flatnonzero(np.isfinite(values))
        if len(defined) == 0:
            continue
        last = int(defined[-1])
        sent = values.tolist()
        for number in choice.numbers(name, len(steps)):
            if number < last and math.isfinite(sent[number]):
                yield name, sent[number], steps[number]
        yield name, sent[last], steps[last]
    for name in ("first_reach_step", "convergence_step", "diverged_at_step"):
        if not math.isnan(getattr(found, name)):
            yield name, getattr(found, name), steps[-1]


def overlong_text(content: RunContent) -> str:
    """Return the text of the artifact `OVERLONG`: a run's overlong values, by name, as JSON."""
    return json.dumps(content.overlong, indent=2)


def fitted(content: RunContent) -> RunContent:
    """Make a run fit MLflow's tables: shorten a long name and keep the full name in a tag; move long values to `overlong`."""
    params = {limits.short(limits.clean(key), limits.KEY): limits.clean(value) for key, value in content.params.items()}
    tags = {key: limits.clean(value) for key, value in content.tags.items()}
    name = limits.clean(content.name)
    if len(name) > limits.RUN_NAME:
        tags[tagnames.NAME] = name
    overlong: dict[str, str] = {}
    for values in (params, tags):
        for key, value in values.items():
            if len(value) > LONGEST_VALUE:
                overlong[key] = value
                values[key] = f"{len(value)} characters, whole in artifact {OVERLONG}"
    if overlong:
        tags[tagnames.OVERLONG] = ", ".join(overlong)[:LONGEST_VALUE]
    return replace(content, name=limits.short(name, limits.RUN_NAME), params=params, tags=tags, overlong=overlong)
