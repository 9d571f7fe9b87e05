"""In a copied or moved folder, a command writes only below its working folder or to the store that it was given."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from support.store import FOUR, TWO, sql

from fa_sweep.sweeping.folder import Sweep, all_sweeps


def test_a_left_over_of_another_store_is_named_and_left(fa_sweep, capfd, tmp_path):
    """A command writes to the store in a sweep.json, which anybody may have made, only if the user gives that store too."""
    assert fa_sweep(*FOUR) == 0
    (left,) = all_sweeps()
    (left.folder / "tracked.json").unlink()
    target = tmp_path / "not_mine.db"
    shutil.copyfile("outputs/mlflow.db", target)
    before = target.read_bytes()
    record = replace(left.record, tracking=replace(left.record.tracking, uri=f"sqlite:///{target}"))
    (left.folder / "sweep.json").write_bytes(record.content())
    capfd.readouterr()
    assert fa_sweep(*TWO) == 0
    err = capfd.readouterr().err
    assert f"{left.id} is not in MLflow, and meant for another store than this command's" in err
    assert len(err.strip().splitlines()) == 1
    assert target.read_bytes() == before
    assert fa_sweep(*TWO, f"tracking.uri='sqlite:///{target}'") == 0
    assert Sweep(left.folder).tracked


@pytest.mark.slow
def test_a_copied_folder_writes_into_itself(fa_sweep, capfd, tmp_path, monkeypatch):
    from support.commands import report as main

    (tmp_path / "original").mkdir()
    monkeypatch.chdir(tmp_path / "original")
    assert fa_sweep(*FOUR) == 0
    shutil.copytree(tmp_path / "original", tmp_path / "copy")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "original").rglob("*")}
    monkeypatch.chdir(tmp_path / "copy")
    capfd.readouterr()
    assert main(["--format", "md"]) == 0
    assert fa_sweep(*TWO) == 0
    said = capfd.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "original").rglob("*")} == before
    places = [uri for (uri,) in sql("SELECT artifact_uri FROM runs")]
    assert all(uri.startswith((tmp_path / "copy/outputs/artifacts").as_uri() + "/") for uri in places)
    assert len(list(Path("outputs/artifacts").rglob("configs.csv"))) == 2
    assert len(list(Path("outputs/artifacts").rglob("report.md"))) == 1
    assert "was copied or moved here" not in said  # the report command already said so and updated the database
    shutil.move(tmp_path / "copy", tmp_path / "moved")
    monkeypatch.chdir(tmp_path / "moved")
    assert fa_sweep(*TWO) == 0
    assert "mlflow.db was copied or moved here: the artifacts of experiment 'fa_sweep' are now in" in capfd.readouterr().out
    assert not (tmp_path / "copy").exists()


def test_another_folder_s_database_is_said_to_keep_artifacts_elsewhere(fa_sweep, capfd, tmp_path, monkeypatch):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    shared = f"tracking.uri='sqlite:///{tmp_path}/shared.db'"
    monkeypatch.chdir(tmp_path / "one")
    assert fa_sweep(*FOUR, shared) == 0
    monkeypatch.chdir(tmp_path / "two")
    capfd.readouterr()
    assert fa_sweep(*FOUR, "seed=7,8", shared) == 0
    assert f"keeps its artifacts in another folder: {tmp_path}/one/outputs/artifacts/fa_sweep." in capfd.readouterr().out


def test_an_experiment_made_through_a_server(fa_sweep, capfd, empty_database):
    """The experiment's artifact location belongs to a server that is not running; artifacts go to a local folder."""
    Path("outputs").mkdir()
    shutil.copyfile(empty_database, "outputs/mlflow.db")
    sql("INSERT INTO experiments VALUES (1, 'fa_sweep', 'mlflow-artifacts:/1', 'active', 1, 1, 'default')")
    assert fa_sweep(*FOUR) == 0
    said = capfd.readouterr()
    assert "MLflow: 4 runs under parent run" in said.out
    assert "keeps its artifacts with an MLflow server; those of this command's runs are in" in said.out
    assert said.err == ""
    assert len(list(Path("outputs/artifacts/fa_sweep").rglob("configs.csv"))) == 1
