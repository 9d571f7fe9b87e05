"""A store whose n-th answer is lost or makes no sense, for every n: in the end it holds every run once."""

from collections import Counter
from dataclasses import replace

import pytest
from support.commands import short
from support.fake_mlflow import FAULTS, fake_mlflow

from fa_sweep.schema import TrackingConfig
from fa_sweep.sweep.folder import Sweep, all_sweeps
from fa_sweep.tracking.errors import TrackingError
from fa_sweep.tracking.importer import import_sweep
from fa_sweep.tracking.stores import patience

TRACKING = TrackingConfig(uri="none", experiment="faults", metrics="main", history="full", timeout_s=30.0)


@pytest.fixture
def sweep(fa_sweep, monkeypatch) -> Sweep:
    """A sweep of four runs that no store has."""
    monkeypatch.setattr(patience, "PAUSE_S", 0.001)
    monkeypatch.setattr("fa_sweep.tracking.stores.client.PARAMS_PER_BATCH", 20)
    monkeypatch.setattr("fa_sweep.tracking.stores.client.METRICS_PER_BATCH", 40)
    assert fa_sweep(*short("feedback=symmetric,random", "seed=0,1")) == 0
    (made,) = all_sweeps()
    (made.folder / "tracked.json").unlink()
    return Sweep(made.folder)


def what_is_there(store):
    """Everything that a fake store holds, run ids aside; active runs alone."""
    runs = [run for run in store.runs.values() if run["info"]["lifecycle_stage"] == "active"]
    parents = [run for run in runs if run["tags"].get("fa_sweep.kind") == "sweep"]
    assert len(parents) == 1
    (parent,) = parents
    for run in runs:
        assert run is parent or run["tags"]["mlflow.parentRunId"] == parent["info"]["run_id"]
    assert parent["tags"]["fa_sweep.complete"] == "true"
    files = [name.rpartition("/")[2] for name in store.artifacts if parent["info"]["run_id"] in name]
    assert files == ["configs.csv"]
    own = ("run_id", "run_uuid", "artifact_uri")
    return sorted(
        repr([
            {k: v for k, v in run["info"].items() if k not in own},
            sorted((k, v) for k, v in run["tags"].items() if k != "mlflow.parentRunId"),
            sorted(run["params"].items()),
            {key: sorted(points) for key, points in sorted(run["points"].items())},
            run["inputs"],
        ])
        for run in runs
    )  # fmt: skip


def undisturbed(sweep):
    with fake_mlflow() as store:
        import_sweep(sweep, replace(TRACKING, uri=store.url))
        return what_is_there(store), list(store.requests)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_server_with_a_fault_at_any_request(sweep, fault):
    right, requests = undisturbed(sweep)
    assert len(right) == 5
    assert all("'status': 'FINISHED'" in run for run in right)
    failed = Counter()
    for n in range(len(requests)):
        with fake_mlflow() as store:
            store.faulty, store.fault = range(n, n + 1), fault
            try:
                import_sweep(sweep, replace(TRACKING, uri=store.url))
            except TrackingError:
                failed[requests[n]] += 1
                import_sweep(sweep, replace(TRACKING, uri=store.url))  # as the next command does
            assert what_is_there(store) == right, (n, requests[n])
    assert not failed  # one fault is made good at once


@pytest.mark.parametrize("fault", ["closed before", "closed after", "500 after", "garbage after"])
def test_a_server_that_dies_at_any_request_and_is_there_again_for_the_next_command(sweep, fault):
    right, requests = undisturbed(sweep)
    for n in range(len(requests)):
        with fake_mlflow() as store:
            store.faulty, store.fault = range(n, 10**6), fault
            with pytest.raises(TrackingError) as said:
                import_sweep(sweep, replace(TRACKING, uri=store.url))
            assert "\n" not in str(said.value)
            store.faulty = range(0)
            import_sweep(sweep, replace(TRACKING, uri=store.url))
            assert what_is_there(store) == right, (n, requests[n])
