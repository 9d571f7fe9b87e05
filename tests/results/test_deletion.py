"""Deleted sweeps are gone, and the runs that other sweeps use are still there."""

import shutil
from pathlib import Path

import click
import pytest

import fa_sweep as fa
from fa_sweep.cli.verbs.group import main
from fa_sweep.errors import ConfigError
from fa_sweep.results.deletion import plan_deletion
from fa_sweep.results.selection import find, find_one
from fa_sweep.sweeping.folder import Sweep, all_sweeps

pytestmark = pytest.mark.usefixtures("ledger")


def test_runs_of_other_sweeps_are_kept():
    kept, gone = fa.load("b").runs, find_one("a")
    plan = plan_deletion([gone])
    assert [folder.name for folder in plan.moves] == [find_one("b").id]
    Path("outputs/reports", gone.id).mkdir(parents=True)
    plan.carry_out()
    assert not gone.folder.exists()
    assert not Path("outputs/reports", gone.id).exists()
    assert sorted(sweep.title for sweep in all_sweeps()) == ["b", "c"]
    columns = [name for name in kept if name != "reused"]
    assert fa.load("b").runs[columns].equals(kept[columns])


def test_several_at_once_leave_nothing():
    plan_deletion(find(["a", "b"])).carry_out()
    assert [sweep.title for sweep in all_sweeps()] == ["c"]
    assert len(list(Path("outputs/sweeps").iterdir())) == 1
    assert len(fa.runs()) == 6


def test_a_sweep_that_only_reuses_is_deleted_without_a_move():
    plan = plan_deletion([find_one("b")])
    assert plan.moves == {}
    plan.carry_out()
    assert len(fa.load("a").runs) == 6


def test_a_shard_that_stands_twice_is_not_moved():
    (shard,) = find_one("a").folder.glob("shards/*")
    shutil.copy(shard, find_one("b").folder / "shards")
    assert plan_deletion([find_one("a")]).moves == {}


def test_an_interrupted_deletion_goes_on(monkeypatch):
    plan = plan_deletion([find_one("a")])
    for shards in plan.moves.values():
        for shard in shards:
            target = find_one("b").folder / "shards" / shard.name
            shard.rename(target)  # as if it had been interrupted after the moves
    plan_deletion([find_one("a")]).carry_out()
    assert len(fa.load("b").runs) == 5


def test_what_cannot_be_known_is_refused(monkeypatch):
    (find_one("b").folder / "jobs.parquet").write_bytes(b"PAR1")
    with pytest.raises(ConfigError, match=r"mend or remove .* first, because it may use runs"):
        plan_deletion([find_one("a")])
    (find_one("b").folder / "sweep.json").write_text("{")
    with pytest.raises(ConfigError, match="mend or remove it first"):
        plan_deletion([find_one("a")])
    monkeypatch.setattr(Sweep, "is_running", True)
    with pytest.raises(ConfigError, match="is still running"):
        plan_deletion([find_one("c")])


def test_a_sweep_behind_a_link_goes_with_its_link(tmp_path):
    sweep = find_one("c")
    far = tmp_path / "far" / sweep.id
    far.parent.mkdir()
    shutil.move(sweep.folder, far)
    sweep.folder.symlink_to(far, target_is_directory=True)
    plan_deletion([find_one("c")]).carry_out()
    assert not far.exists()
    assert not sweep.folder.is_symlink()
    assert sorted(sweep.title for sweep in all_sweeps()) == ["a", "b"]


def test_a_sweep_of_another_ledger_is_refused(monkeypatch):
    sweep = find_one("a").absolute()
    monkeypatch.chdir("outputs/sweeps")
    with pytest.raises(ConfigError, match="is not a sweep under outputs here"):
        plan_deletion([find_one(sweep.id), find_one(sweep.folder)])


def test_other_files_in_a_folder_that_the_user_named_stay(tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("precious")
    sweep = find_one("c")
    for path in sweep.folder.iterdir():
        shutil.move(path, mine)
    sweep.folder.rmdir()
    sweep.folder.symlink_to(mine, target_is_directory=True)
    plan_deletion([find_one("c")]).carry_out()
    assert [path.name for path in mine.iterdir()] == ["thesis.txt"]
    assert not sweep.folder.is_symlink()
    assert sorted(one.title for one in all_sweeps()) == ["a", "b"]


def test_a_sweep_that_begins_before_the_answer_keeps_its_runs(monkeypatch):
    def begin_another(*_, **__):
        words = "train.steps=201", "train.eval_every=50", "resume=true"
        answered.append(fa.sweep(*words, feedback=["symmetric", "random"], seed=range(2), name="late"))

    answered: list[fa.Result] = []
    plan_deletion([find_one("b")]).carry_out()
    monkeypatch.setattr(click, "confirm", begin_another)
    assert main(["delete", "a"]) == 0
    (late,) = answered
    assert len(fa.load("late").runs) == len(late.sweeps[0].jobs)


def test_a_sweep_whose_mode_is_not_installed_does_not_hinder_others(monkeypatch):
    """Its runs cannot be read here, but their ids can, so nothing that it uses is lost."""
    from fa_sweep.sweeping import jobs

    build = jobs.build

    def without_symmetric(schema, values, **keywords):
        if values.get("feedback", {}).get("mode") == "symmetric" and values["train"]["lr"] == 0.01:
            raise ConfigError("feedback.mode is 'symmetric'; choose one of random")
        return build(schema, values, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr(jobs, "build", without_symmetric)
        with pytest.raises(ConfigError, match=r"needs something that is not installed here: .* install the package"):
            fa.load("a").runs  # noqa: B018
        plan_deletion([find_one("b")]).carry_out()
        plan_deletion([find_one("c")]).carry_out()
    assert len(fa.load("a").runs) == 6
