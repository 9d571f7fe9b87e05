"""If two commands import the same runs into MLflow at once, one of them does it and the other says so."""

import socket
import subprocess
import sys
import threading
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from support.fake_mlflow import fake_mlflow
from support.store import FOUR, children, parents, sql

from fa_sweep.errors import StoreClosed, TrackingError
from fa_sweep.sweeping.folder import Sweep, all_sweeps
from fa_sweep.tracking import importer, opening, stores
from fa_sweep.tracking.importer import import_sweep
from fa_sweep.tracking.tagnames import SUPERSEDED


def two_identical(fa_sweep, monkeypatch):
    """Return two sweeps of the same jobs that no store holds yet."""
    with monkeypatch.context() as patch:
        patch.setattr(stores, "open_tables", lambda *_, **__: (_ for _ in ()).throw(ConnectionError("away")))
        assert fa_sweep(*FOUR) == 0
        assert fa_sweep(*FOUR) == 0
    return [Sweep(sweep.folder) for sweep in all_sweeps()]


def test_of_two_identical_sweeps_at_once_one_makes_the_parent(fa_sweep, monkeypatch):
    """The second import starts while the first is under way, and waits for it."""
    one, other = two_identical(fa_sweep, monkeypatch)
    tracking = one.record.tracking
    results, second = [], []
    original = importer._add_sweep

    def add(*arguments):
        if not second:
            waits = threading.Event()
            second.append(
                threading.Thread(target=lambda: results.append(import_sweep(other, tracking, say=lambda _: waits.set())))
            )
            second[0].start()
            assert waits.wait(60)
        return original(*arguments)

    monkeypatch.setattr(importer, "_add_sweep", add)
    first = import_sweep(one, tracking)
    second[0].join()
    assert first.created == 4
    assert results[0].found_complete
    assert results[0].run_id == first.run_id
    assert len(parents()) == 1
    assert len(children()) == 4


def test_without_locks_one_of_two_parents_counts(fa_sweep, monkeypatch):
    """Without a common lock, as on two machines, two imports may make two parents; one is then marked as superseded."""
    one, other = two_identical(fa_sweep, monkeypatch)
    tracking = replace(one.record.tracking, experiment="shared")
    with fake_mlflow() as store:
        tracking = replace(tracking, uri=store.url)
        original, results = importer._add_sweep, []
        monkeypatch.setattr("fa_sweep.tracking.stores.client.exclusive", lambda *_: nullcontext(True))

        def add(store, sweep, *rest):
            if sweep is one:
                results.append(import_sweep(other, tracking))
            return original(store, sweep, *rest)

        monkeypatch.setattr(importer, "_add_sweep", add)
        results.append(import_sweep(one, tracking))
        made = [run for run in store.runs.values() if run["tags"].get("fa_sweep.kind") == "sweep"]
        assert len(made) == 2
        counting = [run for run in made if SUPERSEDED not in run["tags"]]
        assert [run["info"]["run_id"] for run in counting] == [min(run["info"]["run_id"] for run in made)]
        monkeypatch.setattr(importer, "_add_sweep", original)
        assert import_sweep(Sweep(one.folder), tracking).run_id == counting[0]["info"]["run_id"]


def test_a_busy_import_is_left_to_the_other_command(fa_sweep, monkeypatch, capfd):
    (one, _) = two_identical(fa_sweep, monkeypatch)
    store = opening.open_for(one.record.tracking, Path("outputs"))
    with store.exclusive(one.hash, 0, lambda: None):
        assert fa_sweep(*FOUR, "tracking.timeout_s=0.01") == 0
    store.close()
    said = capfd.readouterr()
    assert "MLflow: another command is importing the same runs; they will be in MLflow when it is done." in said.out
    assert fa_sweep(*FOUR) == 0
    assert len(parents()) == 1


def test_a_server_that_never_answers_is_given_up_in_time_and_said(fa_sweep, monkeypatch):

    (one, _) = two_identical(fa_sweep, monkeypatch)
    monkeypatch.setattr("fa_sweep.tracking.stores.patience.SILENCE_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        said = []
        with pytest.raises(StoreClosed, match=f"^{url} has not answered for 0.3 s$"):
            import_sweep(one, replace(one.record.tracking, uri=url, timeout_s=0.3), say=said.append)
        assert said == [f"waiting for {url} (0.3 s at most)"]
        uri = url.replace("http://", "postgresql+psycopg://") + "/db"
        with pytest.raises(TrackingError):
            import_sweep(one, replace(one.record.tracking, uri=uri, timeout_s=0.3), say=said.append)


@pytest.mark.slow
def test_two_identical_commands_at_once(with_database):
    commands = [
        subprocess.Popen(
            [sys.executable, "-m", "fa_sweep", *FOUR], cwd=with_database, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        for _ in range(2)
    ]
    said = [command.communicate()[0].decode() for command in commands]
    assert [command.returncode for command in commands] == [0, 0], said
    database = with_database / "outputs/mlflow.db"
    kinds = sql("SELECT value, count(*) FROM tags WHERE key = 'fa_sweep.kind' GROUP BY value", database=database)
    assert kinds == [("group", 2), ("sweep", 1)], said
    assert sql("SELECT count(*) FROM tags WHERE key = 'mlflow.parentRunId'", database=database) == [(6,)], said
    assert sql("SELECT DISTINCT status FROM runs", database=database) == [("FINISHED",)]
