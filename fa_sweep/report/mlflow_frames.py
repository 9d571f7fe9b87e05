"""Read sweeps' frames from MLflow. For finished sweeps, they hold the same runs and histories as those from the ledger.

MLflow does not say which earlier sweeps ran the same groups, so `About.earlier` is empty.
"""

import json
from collections.abc import Sequence
from dataclasses import replace

from fa_sweep.decisions.designs import is_first_stage
from fa_sweep.process.notices import say_once
from fa_sweep.report.frames import About, Frames, Part, environments, make_frames, together
from fa_sweep.tracking import tagnames
from fa_sweep.tracking.opening import reported
from fa_sweep.tracking.reader import TrackedSweep, read_sweep, sweep_ids


def from_mlflow(uri: str, experiment: str, called: Sequence[str] = ()) -> Frames:
    """Read the frames of sweeps of an MLflow experiment. Several sweeps become one set of frames.

    Args:
        uri: The URI of MLflow's store.
        experiment: The name of the experiment.
        called: For each sweep its id, or a part of it that no other id has. By default all sweeps of the experiment are read.

    Raises:
        ConfigError: If there is no such sweep, or if MLflow holds only part of its histories.
        TrackingError: If the store cannot be read.
    """
    with reported(uri):
        sweeps = [read_sweep(uri, experiment, sweep_id) for sweep_id in sweep_ids(uri, experiment, called)]
    parts = [Part(_about(sweep, experiment), sweep.jobs, sweep.records) for sweep in sweeps]
    stages = [part for part in parts if is_first_stage(part.about.design)]
    if not called and len(stages) < len(parts):
        for part in stages:
            say_once(f"{part.about.id} is a tuning stage; the report of the whole experiment leaves it out")
        parts = [part for part in parts if part not in stages]
    if len(parts) > 1:
        return together(parts)
    (part,) = parts
    return make_frames(replace(part.about, environments=environments(part.records.values())), part.jobs, part.records)


def _about(sweep: TrackedSweep, experiment: str) -> About:
    planned = int(sweep.tags[tagnames.PLANNED])
    return About(
        id=sweep.id,
        hash=sweep.tags[tagnames.SWEEP_HASH],
        command=sweep.tags[tagnames.COMMAND],
        preset=sweep.tags.get(tagnames.PRESET, ""),
        source=f"MLflow, {sweep.source}, experiment {experiment}",
        planned=planned,
        reused=sum(job.reused for job in sweep.jobs),
        missing=planned - sum(job.run_id in sweep.records for job in sweep.jobs) - len(sweep.failed),
        failed=sweep.failed,
        environments=[],
        outcomes=json.loads(sweep.tags.get(tagnames.OUTCOMES, "[]")),
        margin=json.loads(sweep.tags.get(tagnames.MARGIN, "null")),
        design=json.loads(sweep.tags.get(tagnames.DESIGN, "{}")),
    )
