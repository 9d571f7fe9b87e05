"""Sweeps are found by any part of their id that is theirs alone, by name, by folder, and as the newest."""

import pytest
from support.commands import short

from fa_sweep.errors import ConfigError
from fa_sweep.results.listing import listed
from fa_sweep.results.rows import runs
from fa_sweep.results.selection import find, find_one
from fa_sweep.sweeping.folder import all_sweeps


@pytest.fixture
def three(fa_sweep):
    """The ids of a sweep, a named sweep, and a single run."""
    assert fa_sweep(*short("seed=0,1")) == 0
    assert fa_sweep(*short("feedback=symmetric,random", "seed=0,1", "name=my sweep")) == 0
    assert fa_sweep("seed=5", "train.steps=41", "train.eval_every=20", "train.hold=1") == 0
    return [sweep.id for sweep in all_sweeps()]


def test_what_a_user_may_call_a_sweep(three, tmp_path):
    first, named, single = three
    for called in (first, first[-6:], f"outputs/sweeps/{first}", tmp_path / "outputs/sweeps" / first):
        assert find_one(called).id == first
    for called in ("my sweep", named, "my-sweep", "newest"):
        assert find_one(called).id == named
    assert find_one(single[-6:]).id == single
    assert [sweep.id for sweep in find([named, "my sweep", first])] == [named, first]


@pytest.mark.parametrize(
    ("called", "said"),
    [
        ("nope", "there is no sweep 'nope'; there are "),
        ("20", "fits 3 sweeps"),
        ("my swep", "did you mean my sweep? "),
        ("outputs", "not the folder of a sweep: it has no sweep.json"),
        ("", "there is no sweep ''"),
        ("a\0b", "there is no sweep"),
    ],
)
@pytest.mark.usefixtures("three")
def test_what_calls_no_sweep_or_several_is_refused(called, said):
    with pytest.raises(ConfigError) as refused:
        find_one(called)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_without_sweeps_it_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="there is no sweep under outputs here"):
        find_one("newest")
    assert listed() == []
    assert runs("seed == 1") == []


def test_the_list_has_the_facts(three):
    newest, named, first = listed()
    assert [newest.id, named.id, first.id] == three[::-1]
    assert (named.name, named.groups, named.planned, named.finished, named.state) == ("my sweep", 2, 4, 4, "complete")
    assert named.tracked
    assert named.size > 1000
    assert (newest.single, named.single) == (True, False)
    assert named.command.startswith("python -m fa_sweep -m ")
    assert [one.id for one in listed(most=1, single=False)] == [named.id]


def test_a_sweep_that_lost_its_shards_is_listed_as_missing_runs(three):
    for path in find_one("my sweep").folder.glob("shards/*"):
        path.unlink()
    found = {one.id: one for one in listed()}[three[1]]
    assert (found.finished, found.state) == (2, "2 missing")  # the other two are reused from the first sweep
    (find_one("my sweep").folder / "jobs.parquet").write_bytes(b"PAR1")
    assert "damaged: " in {one.id: one for one in listed()}[three[1]].state


def test_runs_are_rows_and_each_stands_once(three):
    rows = runs()
    assert len(rows) == 5  # two of the second sweep's runs are the first's
    assert {row["sweep"] for row in rows} == set(three)
    assert len(runs("feedback.mode == 'symmetric'")) == 2
    assert len(runs("seed in [0, 5] and outcome != 'diverged'")) == 3
    assert runs("seed == 99") == []
    with pytest.raises(ConfigError, match=r"no run has anything called train\.l; did you mean train.lr"):
        runs("train.l == 1")
