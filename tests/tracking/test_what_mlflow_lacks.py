"""Runs that MLflow lacks are imported again; runs that a user deleted there stay deleted, and the command says so."""

import json
from pathlib import Path

import pytest
from support.commands import short
from support.store import FOUR, TWO, children, delete, parents, purge, sql

from fa_sweep.sweeping.folder import all_sweeps
from fa_sweep.tracking.tagnames import SUPERSEDED


def test_a_deleted_database_gets_every_sweep_back(fa_sweep, capfd):
    assert fa_sweep(*FOUR) == 0
    assert fa_sweep(*TWO) == 0
    assert fa_sweep(*short("seed=9")[1:]) == 0
    first, second, single = (sweep.id for sweep in all_sweeps())
    Path("outputs/mlflow.db").unlink()
    capfd.readouterr()
    assert fa_sweep(*short("seed=7,8")) == 0
    said = capfd.readouterr().out
    assert f"{first}, of which MLflow had lost 4 runs, is complete again." in said
    assert f"{second}, of which MLflow had lost 2 runs, is complete again." in said
    assert f"{single}, of which MLflow had lost 1 run, is complete again." in said
    assert len(parents()) == 3
    assert len(children()) == 8
    assert sql("SELECT DISTINCT status FROM runs") == [("FINISHED",)]
    assert fa_sweep(*TWO) == 0
    assert "already holds this sweep, complete" in capfd.readouterr().out


@pytest.mark.slow
def test_runs_that_were_purged_come_back(fa_sweep, capfd):
    assert fa_sweep(*FOUR) == 0
    (parent,) = parents()
    lost = children()[1:3]
    for run_id in lost:
        purge(run_id)
    assert fa_sweep(*FOUR) == 0
    assert set(lost) <= set(children(parent))
    assert len(children()) == 4
    assert parents() == [parent]
    purge(children()[0])
    assert fa_sweep(*TWO) == 0  # a command for another sweep restores the lost run too
    assert len(children(parent)) == 4
    purge(parent)
    assert fa_sweep(*TWO) == 0
    assert len(parents()) == 2


def test_a_sweep_whose_folder_is_gone_is_mended_by_the_same_command(fa_sweep, capfd):
    assert fa_sweep(*FOUR) == 0
    assert fa_sweep(*FOUR) == 0
    first, second = all_sweeps()
    purge(children()[0])
    for sweep in (first, second):
        (sweep.folder / "tracked.json").unlink()
    record = first.folder / "sweep.json"
    record.rename(record.with_suffix(".away"))
    capfd.readouterr()
    assert fa_sweep(*FOUR) == 0
    assert len(children()) == 4
    assert len(parents()) == 1


def test_deleted_runs_stay_deleted_and_are_said(fa_sweep, capfd):
    assert fa_sweep(*FOUR) == 0
    (parent,) = parents()
    some = children()[:1]
    for run_id in some:
        delete(run_id)
    capfd.readouterr()
    assert fa_sweep(*FOUR) == 0
    said = capfd.readouterr().out
    assert "already holds" not in said
    assert f"MLflow holds this sweep as run {parent}" in said
    assert f"1 of its 4 runs is deleted there: restore it (mlflow runs restore --run-id {some[0]})" in said
    assert len(children()) == 3
    for run_id in children():
        delete(run_id)
    capfd.readouterr()
    assert fa_sweep(*FOUR) == 0
    assert "4 of its 4 runs are deleted there" in capfd.readouterr().out
    assert children() == []
    for (run_id,) in sql("SELECT run_uuid FROM runs WHERE lifecycle_stage = 'deleted'"):
        sql("UPDATE runs SET lifecycle_stage = 'active' WHERE run_uuid = ?", run_id)
    assert fa_sweep(*FOUR) == 0
    assert "already holds this sweep, complete" in capfd.readouterr().out


def test_a_deleted_parent_stays_deleted_and_is_said(fa_sweep, capfd):
    assert fa_sweep(*FOUR) == 0
    (parent,) = parents()
    delete(parent)
    capfd.readouterr()
    assert fa_sweep(*FOUR) == 0
    assert f"MLflow has this sweep as run {parent}, which somebody deleted: restore it there" in capfd.readouterr().out
    assert parents() == []
    assert fa_sweep(*TWO) == 0
    assert capfd.readouterr().err == ""
    purge(parent)
    assert fa_sweep(*FOUR) == 0
    assert len(parents()) == 2


@pytest.mark.slow
def test_a_deleted_single_run_and_experiment_are_said(fa_sweep, capfd):
    single = short("seed=4")[1:]
    assert fa_sweep(*single) == 0
    ((run_id,),) = sql("SELECT run_uuid FROM runs")
    delete(run_id)
    capfd.readouterr()
    assert fa_sweep(*single) == 0
    assert f"MLflow has this run as run {run_id}, which somebody deleted" in capfd.readouterr().out
    sql("UPDATE experiments SET lifecycle_stage = 'deleted'")
    assert fa_sweep(*single) == 0
    assert (
        "tracking.experiment is 'fa_sweep', and 'fa_sweep runs' is deleted; restore it or name another"
        in capfd.readouterr().err
    )


def test_trained_anew_stands_under_a_new_parent_and_the_old_one_is_superseded(fa_sweep, capfd):
    assert fa_sweep(*FOUR) == 0
    (old,) = parents()
    before = sql("SELECT * FROM runs ORDER BY run_uuid"), sql("SELECT * FROM metrics ORDER BY run_uuid, key, step")
    assert fa_sweep(*FOUR, "resume=false") == 0
    (new,) = parents()
    newest = all_sweeps()[-1]
    assert parents(superseded=True) == [old]
    assert sql("SELECT value FROM tags WHERE key = ? AND run_uuid = ?", SUPERSEDED, old) == [(newest.id,)]
    assert set(children(old)).isdisjoint(children(new))
    assert (len(children(old)), len(children(new))) == (4, 4)
    ids = [row[0] for row in before[0]]
    kept = [row for row in sql("SELECT * FROM runs ORDER BY run_uuid") if row[0] in ids]
    assert kept == before[0]
    capfd.readouterr()
    assert fa_sweep(*FOUR) == 0
    assert f"already holds this sweep, complete: run {new}" in capfd.readouterr().out
    assert fa_sweep(*FOUR, "resume=false") == 0
    assert len(parents()) == 1
    assert len(parents(superseded=True)) == 2


@pytest.mark.slow
def test_a_single_run_that_was_trained_anew(fa_sweep, capfd):
    single = short("seed=4")[1:]
    assert fa_sweep(*single) == 0
    ((old,),) = sql("SELECT run_uuid FROM runs")
    assert fa_sweep(*single, "resume=false") == 0
    assert sql("SELECT run_uuid FROM tags WHERE key = ?", SUPERSEDED) == [(old,)]
    capfd.readouterr()
    assert fa_sweep(*single) == 0
    said = capfd.readouterr().out
    assert "already holds this run, complete" in said
    assert old not in said


def test_a_parent_is_complete_only_when_it_has_ended(fa_sweep, monkeypatch):
    """A parent without an end time is not complete, even with the `complete` tag: older versions could leave it so."""
    assert fa_sweep(*FOUR) == 0
    sql("UPDATE runs SET status = 'RUNNING', end_time = NULL WHERE run_uuid = ?", parents()[0])
    for sweep in all_sweeps():
        (sweep.folder / "tracked.json").unlink()
    assert fa_sweep(*FOUR) == 0
    assert sql("SELECT DISTINCT status FROM runs") == [("FINISHED",)]
    assert len(parents()) == 1


def test_start_up_asks_the_store_once(fa_sweep, monkeypatch):
    """A command looks at the store's tables once, however many sweeps there are."""
    from fa_sweep.tracking import claims

    for seed in range(3):
        assert fa_sweep(*short(f"seed={seed},{seed + 1}")) == 0
    asked = []
    original = claims.open_tables
    monkeypatch.setattr(claims, "open_tables", lambda *arguments: asked.append(arguments) or original(*arguments))
    assert fa_sweep(*TWO) == 0
    assert len(asked) == 1


@pytest.mark.slow
def test_a_note_of_an_older_version_is_believed(fa_sweep, capfd):
    assert fa_sweep(*FOUR) == 0
    (sweep,) = all_sweeps()
    noted = json.loads((sweep.folder / "tracked.json").read_text())
    (sweep.folder / "tracked.json").write_text(
        json.dumps({name: noted[name] for name in ("run_id", "created", "found_complete")})
    )
    capfd.readouterr()
    assert fa_sweep(*TWO) == 0
    assert sweep.id not in capfd.readouterr().out
