"""Simulated sweeps whose true results are known, in the form in which the ledger returns real sweeps."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fa_sweep.engine.evaluation import metric_names
from fa_sweep.feedback import MODES
from fa_sweep.report.frames import About, Frames, make_frames
from fa_sweep.settings.schema import AppConfig
from fa_sweep.sweeping.jobs import Job
from fa_sweep.sweeping.shards import Record

STEPS = np.arange(51) * 100
HORIZON = 4600.0
NEVER = None
DIVERGED = -1


def simulate(
    settings: Callable[..., AppConfig],
    times: Mapping[str, Sequence[int | None]],
    *,
    seeds: Mapping[str, Sequence[int]] | None = None,
    factors: Mapping[str, Mapping[str, Any]] | None = None,
    angles: Mapping[str, Sequence[float]] | None = None,
    name: str = "simulated",
) -> Frames:
    """Return the frames of a simulated sweep whose runs converge at given steps.

    Args:
        settings: The fixture that turns overrides into checked settings.
        times: Per group, the step of convergence of each run; None if it never converges, -1 if it diverges at step 2,000.
        seeds: Per group, the seed of each run; 0, 1, 2, ... by default.
        factors: Per group, the level of each factor; by default the only factor is `feedback`, with the group as its level.
        angles: Per group, the value of every angle metric of each run, in degrees; by default it depends on the seed.
        name: Id of the sweep. It also seeds the resampling of intervals and tests.
    """
    jobs: list[Job] = []
    records: dict[str, Record] = {}
    for group, events in times.items():
        mode = (factors[group] if factors else {"feedback": group}).get("feedback")
        run = settings("seed=0", *([f"feedback={mode}"] if mode in MODES else []))
        for position, time in enumerate(events):
            seed = seeds[group][position] if seeds else position
            run = type(run)(**{**vars(run), "seed": seed})
            levels = dict(factors[group]) if factors else {"feedback": group}
            overrides = (f"feedback={group}", f"seed={seed}")
            name_of_job = f"{group}-s{seed:03d}"
            job_id = f"{group}/{seed}"
            job = Job(len(jobs), job_id, job_id, name_of_job, run, levels, overrides, (2, 10, 10, 1), "binary")
            jobs.append(job)
            angle = angles[group][position] if angles else 45.0 + seed % 7
            records[job.run_id] = record(job.run_id, time, angle)
            # Otherwise two groups without an event would count as one set of trainings.
            records[job.run_id].metrics["loss"][:] *= 1 + 1e-12 * list(times).index(group)
    about = About(name, name, "python -m fa_sweep", "", "ledger", len(jobs), 0, 0, {}, [({"numpy": "2"}, len(jobs))])
    return make_frames(about, jobs, records)


def record(run_id: str, time: int | None, angle: float) -> Record:
    metrics = {name: np.full(len(STEPS), np.nan) for name in metric_names(3, "binary")}
    alive = STEPS < 2000 if time == DIVERGED else np.ones(len(STEPS), dtype=bool)
    success = (time <= STEPS) if time is not None and time != DIVERGED else np.zeros(len(STEPS), dtype=bool)
    metrics["accuracy"][alive] = np.where(success, 1.0, 0.75)[alive]
    metrics["accuracy_sampled"][alive] = metrics["accuracy"][alive]
    metrics["loss"][alive] = np.where(success, 0.01, 0.4)[alive]
    for name in metrics:
        if name.startswith("angle_deg"):
            metrics[name][alive] = angle
    return Record(run_id, STEPS, metrics, 2000 if time == DIVERGED else -1, 0, 0.01, {"numpy": "2"})
