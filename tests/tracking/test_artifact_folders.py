"""If the folder of artifacts cannot be written, a command says so once, and the same command completes everything later."""

import os
from pathlib import Path

import pytest
from support.commands import short
from support.store import sql

from fa_sweep.sweeping.folder import Sweep, all_sweeps
from fa_sweep.tracking import stores

IN_ITS_PLACE = {
    "a file": Path.touch,
    "a FIFO": os.mkfifo,
    "a link to nothing": lambda path: path.symlink_to("nowhere"),
    "a link to a device": lambda path: path.symlink_to("/dev/null"),
}


def gone(*_, **__):
    raise ConnectionError("the store is gone")


@pytest.mark.parametrize("what", IN_ITS_PLACE)
def test_what_stands_in_its_place_is_said_once_for_all_sweeps(fa_sweep, capfd, monkeypatch, what):
    with monkeypatch.context() as patch:
        patch.setattr(stores, "open_tables", gone)
        for seed in range(4):
            assert fa_sweep(*short(f"seed={seed},{seed + 1}", f"tracking.experiment=of {seed}")) == 0
    ids = [sweep.id for sweep in all_sweeps()]
    monkeypatch.setattr(Sweep, "is_running", False)
    place = Path("outputs/artifacts")
    IN_ITS_PLACE[what](place)
    capfd.readouterr()
    assert fa_sweep(*short("seed=7,8")) == 1
    left_over, own = capfd.readouterr().err.splitlines()
    problem = "outputs/artifacts cannot be written: Not a directory"
    assert left_over == f"fa_sweep: {ids[0]}, {ids[1]}, {ids[2]} and 1 more are still not in MLflow: {problem}"
    assert own.startswith(f"fa_sweep: MLflow did not take the runs: {problem}; they are safe in outputs/sweeps/")
    place.unlink()
    assert fa_sweep(*short("seed=7,8")) == 0
    assert capfd.readouterr().err == ""
    assert sql("SELECT status, count(*) FROM runs GROUP BY status") == [("FINISHED", 20)]
