"""Where sweeps are kept: folders elsewhere, linked folders, folders that cannot be read or written."""

import platform
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support.commands import short

from fa_sweep.sweeping.folder import Sweep, all_sweeps
from fa_sweep.sweeping.storage import digest


@pytest.mark.slow
def test_a_folder_elsewhere_is_found_by_later_commands(fa_sweep, capfd, tmp_path):
    elsewhere = f"hydra.sweep.dir={tmp_path / 'far/away/mine'}"
    assert fa_sweep(*short("seed=0,1", elsewhere)) == 0
    (sweep,) = all_sweeps()
    assert sweep.folder.resolve() == tmp_path / "far/away/mine"
    assert "MLflow: 2 runs" in capfd.readouterr().out
    assert fa_sweep(*short("seed=0,1")) == 0
    assert "2 reused, nothing to train" in capfd.readouterr().out
    assert fa_sweep(*[a for a in short("seed=5", "hydra.run.dir=alone") if a != "-m"]) == 0
    assert fa_sweep(*short("seed=5,6")) == 0
    assert "1 reused, 1 runs to train" in capfd.readouterr().out
    before = sorted(tmp_path.rglob("*"))
    for again, words in (
        (elsewhere, "it holds another run"),
        ("hydra.sweep.dir=other/mine", "outputs/sweeps/mine belongs to another run: choose a folder with another name"),
        ("hydra.sweep.dir=far", "it cannot be made"),
    ):
        assert fa_sweep(*short("seed=0,1", again)) == 2
        err = capfd.readouterr().err
        assert f"{again.replace('=', ' is ')}; {words}" in err
        assert len(err.strip().splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_elsewhere_that_is_out_of_reach_keeps_its_name(fa_sweep, capfd, tmp_path):
    assert fa_sweep(*short("seed=0,1", "hydra.sweep.dir=far/mine")) == 0
    (tmp_path / "far").rename(tmp_path / "unmounted")
    assert all_sweeps() == []
    assert fa_sweep(*short("seed=0,1", "hydra.sweep.dir=near/mine")) == 2
    assert "outputs/sweeps/mine belongs to another run" in capfd.readouterr().err
    (tmp_path / "unmounted").rename(tmp_path / "far")
    assert len(all_sweeps()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("where", ["outputs", "outputs/sweeps", "outputs/runs"])
def test_folders_of_outputs_may_be_links(fa_sweep, tmp_path, where):
    (tmp_path / "big").mkdir()
    (tmp_path / where).parent.mkdir(exist_ok=True)
    (tmp_path / where).symlink_to(tmp_path / "big", target_is_directory=True)
    assert fa_sweep(*short("seed=0,1")) == 0
    assert fa_sweep(*[a for a in short("seed=3") if a != "-m"]) == 0
    assert len(all_sweeps()) == 2
    assert not any(path.is_symlink() for path in Path().glob("outputs/*/*"))


@pytest.mark.parametrize("where", ["outputs", "outputs/sweeps"])
@pytest.mark.parametrize("target", ["loop", "nowhere"])
def test_a_link_that_leads_nowhere_hides_nothing_beside_it(fa_sweep, capfd, where, target):
    assert fa_sweep(*short("seed=0,1")) == 0
    (Path(where) / "loop").symlink_to(target)
    capfd.readouterr()
    assert fa_sweep(*short("seed=0,1")) == 0
    said = capfd.readouterr()
    assert "2 reused, nothing to train" in said.out
    assert said.err == ""


def test_a_folder_elsewhere_without_a_link_is_said(fa_sweep, capfd, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "symlink_to", refused)
    assert fa_sweep(*short("seed=0,1", "hydra.sweep.dir=far/mine")) == 0
    said = "later commands will not find what far/mine holds: outputs/sweeps/mine cannot be made: Permission denied"
    assert said in capfd.readouterr().err


def test_outputs_that_cannot_be_written(fa_sweep, capfd):
    Path("outputs").write_text("a file")
    for arguments in (short("seed=0,1"), ["seed=1"]):
        assert fa_sweep(*arguments) == 2
        err = capfd.readouterr().err
        assert "cannot be made" in err
        assert len(err.strip().splitlines()) == 1


def test_a_left_over_that_cannot_be_read_stops_nobody(fa_sweep, capfd, monkeypatch):
    assert fa_sweep(*short("seed=0,1")) == 0
    (left,) = all_sweeps()
    (left.folder / "tracked.json").unlink()
    table = pq.read_table(left.folder / "jobs.parquet")
    place = table.column_names.index("settings")
    foreign = [text.replace('"mode": "random"', '"mode": "gone"') for text in table["settings"].to_pylist()]
    pq.write_table(table.set_column(place, "settings", [foreign]), left.folder / "jobs.parquet")
    record = replace(left.record, jobs_sha256=digest((left.folder / "jobs.parquet").read_bytes()))
    (left.folder / "sweep.json").write_bytes(record.content())
    monkeypatch.setattr(Sweep, "is_running", False)
    capfd.readouterr()
    assert fa_sweep(*short("seed=5,6")) == 0
    said = capfd.readouterr()
    assert f"{left.id} is still not in MLflow: " in said.err
    assert "feedback.mode is 'gone'" in said.err
    assert "MLflow: 2 runs under parent run" in said.out


@pytest.mark.parametrize(
    "record",
    [
        "",
        '{"created_at_ms": 5, "host": "%s"}',
        '{"created_at_ms": 5, "tracking": {"colour": "red"}, "pid": "none", "host": "%s"}',
    ],
)
def test_a_sweep_with_an_unreadable_record_stops_nobody(fa_sweep, capfd, record):
    assert fa_sweep(*short("seed=0,1")) == 0
    (left,) = all_sweeps()
    (left.folder / "sweep.json").write_text(record.replace("%s", platform.node()))
    (left.folder / "tracked.json").unlink()
    assert fa_sweep(*short("seed=5,6")) == 0
    said = capfd.readouterr()
    assert "MLflow: 2 runs under parent run" in said.out
    assert left.id in said.err
    assert fa_sweep(*short("seed=0,1")) == 0
    assert "2 reused" in capfd.readouterr().out


def test_a_single_run_never_takes_another_s_folder(fa_sweep, capfd):
    arguments = [a for a in short("hydra.run.dir=outputs/runs/mine") if a != "-m"]
    assert fa_sweep(*arguments, "seed=1") == 0
    assert fa_sweep(*arguments, "seed=2") == 2
    assert "hydra.run.dir is outputs/runs/mine; it holds another run: name a new folder" in capfd.readouterr().err
    assert [job.run.seed for sweep in all_sweeps() for job in sweep.jobs] == [1]
