"""Read a sweep's frames from MLflow. For a finished sweep, they hold the same runs and histories as those from the ledger.

MLflow does not say which earlier sweeps ran the same groups, so `About.earlier` is empty.
"""

from collections.abc import Callable

from fa_sweep.report.frames import About, Frames, environments, make_frames
from fa_sweep.tracking import tagnames
from fa_sweep.tracking.importer import reported
from fa_sweep.tracking.reader import read_sweep


def from_mlflow(uri: str, experiment: str, sweep_id: str | None = None, say: Callable[[str], None] = lambda _: None) -> Frames:
    """Read the frames of a sweep from an MLflow experiment.

    Args:
        uri: The URI of MLflow's store.
        experiment: The name of the experiment.
        sweep_id: The id of the sweep; None for the newest.
        say: Called with a message to the user if no id was given and the experiment holds several sweeps.

    Raises:
        ConfigError: If there is no such sweep, or if MLflow holds only part of its histories.
        TrackingError: If the store cannot be read.
    """
    with reported(uri):
        sweep = read_sweep(uri, experiment, sweep_id, say)
    planned = int(sweep.tags[tagnames.PLANNED])
    about = About(
        id=sweep.id,
        hash=sweep.tags[tagnames.SWEEP_HASH],
        command=sweep.tags[tagnames.COMMAND],
        preset=sweep.tags.get(tagnames.PRESET, ""),
        source=f"MLflow, {sweep.source}, experiment {experiment}",
        planned=planned,
        reused=sum(job.reused for job in sweep.jobs),
        missing=planned - sum(job.run_id in sweep.records for job in sweep.jobs) - len(sweep.failed),
        failed=sweep.failed,
        environments=environments(sweep.records.values()),
    )
    return make_frames(about, sweep.jobs, sweep.records)
