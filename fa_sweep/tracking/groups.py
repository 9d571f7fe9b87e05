"""Build the runs that show the curves of a sweep's groups in MLflow.

MLflow draws one line per run in each chart, and one chart per metric name. Each group therefore gets a run of its own, with the
same metric names as all other groups.
"""

import hashlib
import math
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fa_sweep.settings.identity import run_settings
from fa_sweep.sweeping.folder import Sweep
from fa_sweep.sweeping.jobs import Job
from fa_sweep.sweeping.outcomes import Events
from fa_sweep.sweeping.shards import Record
from fa_sweep.tracking import tagnames
from fa_sweep.tracking.content import HistoryChoice, RunContent, common_tags, fitted, setting_texts

MEDIANS = {"accuracy": "accuracy_median", "loss": "loss_median", "angle_deg/gradient": "angle_deg_gradient_median"}
FRACTION = "fraction_converged"
MOST_GROUPS = 20  # as many lines as MLflow shows in a chart; with more runs, the groups would hide other sweeps
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Part:
    """What one run contributes to its group: some evaluated steps, the values of `MEDIANS` there, and when it converged."""

    steps: NDArray[np.int64]
    values: dict[str, Floats]
    convergence_step: float
    finished_at_ms: int


class Groups:
    """Collects the curves of a sweep's groups while the sweep's runs pass by, because reading them again would take time."""

    def __init__(self, sweep: Sweep, choice: HistoryChoice) -> None:
        self._sweep, self._choice = sweep, choice
        self._parts: dict[str, dict[str, _Part]] = {}  # by group, then by the job's id

    def take(self, job: Job, record: Record, found: Events) -> None:
        """Add a finished run to its group. A run that was added before is replaced."""
        evaluations = len(record.steps)
        numbers = sorted({*self._choice.numbers("loss", evaluations), evaluations - 1})
        values = {metric: np.asarray(record.metrics[metric])[numbers] for metric in MEDIANS if metric in record.metrics}
        part = _Part(np.asarray(record.steps)[numbers], values, found.convergence_step, record.finished_at_ms)
        self._parts.setdefault(job.group, {})[job.id] = part

    @property
    def last_ended_at_ms(self) -> int:
        """The time at which the last run ended, Unix time in milliseconds; 0 if there is none."""
        return max((part.finished_at_ms for parts in self._parts.values() for part in parts.values()), default=0)

    def contents(self) -> Iterator[RunContent]:
        """Yield the run of each group that has finished runs."""
        for number, (group, jobs) in enumerate(grouped(self._sweep.jobs).items()):
            if parts := list(self._parts.get(group, {}).values()):
                yield self._content(number, group, jobs, parts)

    def _content(self, number: int, group: str, jobs: Sequence[Job], parts: Sequence[_Part]) -> RunContent:
        record = self._sweep.record
        tags = {
            tagnames.KIND: "group",
            tagnames.JOB_ID: group_key(group, [job.id for job in jobs if job.id in self._parts[group]]),
            tagnames.SWEEP: self._sweep.id,
            tagnames.NUMBER: str(number),
            tagnames.GROUP: group,
            **common_tags(record.environment),
        }
        params = {key: text for key, text in setting_texts(run_settings(jobs[0].run)).items() if key != "seed"}
        params["runs"] = str(len(parts))
        ended = max(part.finished_at_ms for part in parts)
        points = [*_medians(parts), *_fractions(parts)]
        return fitted(RunContent(group, "FINISHED", record.created_at_ms, ended, params, tags, points))


def grouped(jobs: Sequence[Job]) -> dict[str, list[Job]]:
    """Return the jobs of each group, in the order of the sweep."""
    found: dict[str, list[Job]] = {}
    for job in jobs:
        found.setdefault(job.group, []).append(job)
    return found


def group_key(group: str, job_ids: Sequence[str]) -> str:
    """Return what identifies a group's run among the runs of a sweep: a hash of the group's name and of its finished jobs."""
    return hashlib.sha256("\n".join([group, *sorted(job_ids)]).encode(errors="surrogatepass")).hexdigest()[:24]


def wanted_keys(sweep: Sweep, finished: Container[str]) -> list[str]:
    """Return the keys of the groups' runs that a sweep should have; none if it has more than `MOST_GROUPS` groups.

    Args:
        sweep: The sweep.
        finished: The ids of the finished runs.
    """
    ids = {group: [job.id for job in jobs if job.run_id in finished] for group, jobs in grouped(sweep.jobs).items()}
    return [group_key(group, found) for group, found in ids.items() if found] if len(ids) <= MOST_GROUPS else []


def _medians(parts: Sequence[_Part]) -> Iterator[tuple[str, float, int]]:
    """Yield the median of each metric over the runs in which it is defined, at each step."""
    for metric, name in MEDIANS.items():
        having = [part for part in parts if metric in part.values]
        if not having:
            continue
        steps, values = (np.concatenate(column) for column in zip(*((p.steps, p.values[metric]) for p in having), strict=True))
        steps, values = steps[~np.isnan(values)], values[~np.isnan(values)]
        order = np.lexsort((values, steps))
        at, first, count = np.unique(steps[order], return_index=True, return_counts=True)
        low, high = values[order][first + (count - 1) // 2], values[order][first + count // 2]
        middle = np.where(low == high, low, low / 2 + high / 2)  # halved first: the sum of two large losses may overflow
        yield from (
            (name, value, step) for step, value in zip(at.tolist(), middle.tolist(), strict=True) if math.isfinite(value)
        )


def _fractions(parts: Sequence[_Part]) -> Iterator[tuple[str, float, int]]:
    """Yield the fraction of runs that have converged, at each step."""
    steps = np.unique(np.concatenate([part.steps for part in parts]))
    times = np.sort([part.convergence_step for part in parts])  # NaN, for runs that never converged, comes last
    done = np.searchsorted(times, steps, side="right") / len(parts)
    yield from ((FRACTION, value, step) for step, value in zip(steps.tolist(), done.tolist(), strict=True))
