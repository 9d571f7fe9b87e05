"""A sweep's frames read from MLflow: for a finished sweep the same as from the ledger."""

from collections.abc import Callable

from fa_sweep.report.frames import About, Frames, environments, make_frames
from fa_sweep.tracking import tagnames
from fa_sweep.tracking.importer import reported
from fa_sweep.tracking.reader import read_sweep


def from_mlflow(uri: str, experiment: str, sweep_id: str | None = None, say: Callable[[str], None] = lambda _: None) -> Frames:
    """Read a sweep of an experiment.

    Args:
        uri: The store's URI.
        experiment: The experiment's name.
        sweep_id: Which sweep; the newest by default.
        say: Tells the user of other sweeps in the experiment.

    Raises:
        ConfigError: If there is no such sweep.
        TrackingError: If the store is in trouble.
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
