"""Mark a sweep's runs as deleted in MLflow. `mlflow gc` then removes them for good."""

from collections.abc import Collection
from pathlib import Path

from fa_sweep.errors import TrackingError
from fa_sweep.sweeping.folder import OUTPUTS, Sweep
from fa_sweep.tracking import tagnames
from fa_sweep.tracking.claims import store_of
from fa_sweep.tracking.opening import reported
from fa_sweep.tracking.stores.connection import connect, search
from fa_sweep.tracking.uris import AUTO, choose, public


def delete_runs(sweep: Sweep, used: Collection[str] = (), outputs: Path = OUTPUTS) -> int:
    """Mark the parent and the children of a sweep as deleted in the store that has it.

    Args:
        sweep: The sweep.
        used: The ids of the runs that other sweeps use. They stay, because a search should find each of them.
        outputs: The folder of the ledger.

    Returns:
        How many runs were marked.

    Raises:
        TrackingError: The store is not this command's, or cannot be reached or written.
    """
    recorded, timeout_s = sweep.record.tracking, sweep.record.tracking.timeout_s
    uri = store_of(recorded.uri, choose(AUTO).uri, outputs)
    if uri is None:
        raise TrackingError(f"{public(recorded.uri)} is not this command's store; name it with MLFLOW_TRACKING_URI")
    with reported(uri):
        client = connect(uri, timeout_s)
        pages = (
            page
            for experiment in client.search_experiments()
            for page in search(client, [experiment.experiment_id], {tagnames.SWEEP: sweep.id})
        )
        found = [run for page in pages for run in page]  # all pages first: a deletion would shift them
        run_ids = [run.info.run_id for run in found if run.data.tags.get(tagnames.RUN_ID) not in used]
        for run_id in run_ids:
            client.delete_run(run_id)
    return len(run_ids)
