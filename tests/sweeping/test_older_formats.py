"""Folders that earlier versions wrote can still be read: for each record format, one or two sweeps and a single run."""

import shutil

import pytest
from support.places import TESTS

from fa_sweep.sweeping.folder import Sweep, all_sweeps
from fa_sweep.sweeping.ledger import finished, run_events
from fa_sweep.sweeping.outcomes import Outcome

LEDGERS = TESTS / "support/ledgers"
SWEEP = "-m feedback=symmetric,random seed=0,1 train.steps=61 train.eval_every=20 train.hold=1 report=false"


@pytest.fixture(params=["format_1", "format_2"])
def older(request, tmp_path, monkeypatch) -> dict[bool, list[Sweep]]:
    """The sweeps (key False) and the single run (key True) of a format, copied into a new working folder."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(LEDGERS / request.param, "outputs")
    found = all_sweeps()
    return {single: [sweep for sweep in found if sweep.record.single is single] for single in (False, True)}


def test_the_words_of_the_command_are_read(older):
    commands = {sweep.record.command for sweep in older[False]}
    assert f"python -m fa_sweep {SWEEP}" in commands
    (single,) = older[True]
    assert single.record.overrides == ["feedback=random", "seed=3", "train.steps=61", "train.eval_every=20"]
    assert single.record.flags == []
    assert single.record.preset_as_it_stands == ""


def test_jobs_and_records_are_whole(older):
    for sweep in (*older[False], *older[True]):
        ended = list(finished(sweep.jobs, sweep.records()))
        assert len(ended) == len(sweep.jobs) == sweep.record.planned
        assert {run_events(job, record).outcome for job, record in ended} <= set(Outcome)


def test_a_preset_is_told_from_a_changed_one(older):
    for sweep in older[False]:
        if any("experiment" in word for word in sweep.record.overrides):
            assert sweep.record.preset == "song_alignment"
            assert sweep.record.preset_as_it_stands == ""


def test_a_new_command_reuses_the_runs_of_format_2(tmp_path, monkeypatch, fa_sweep, capfd):
    shutil.copytree(LEDGERS / "format_2", "outputs", dirs_exist_ok=True)
    assert fa_sweep(*SWEEP.split(), "dry_run=true") == 0
    assert "reused     4" in capfd.readouterr().out
