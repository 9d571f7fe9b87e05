"""Reading the ledger: every shard once, one in memory at a time, however the jobs lie in them."""

import numpy as np
from support.commands import short

from fa_sweep.sweep import ledger
from fa_sweep.sweep.folder import OUTPUTS, all_sweeps
from fa_sweep.sweep.ledger import find_runs, finished

INTERLEAVED = short("seed=range(6)", "model.hidden=[3],[4],[5]")


def test_finished_runs_are_read_shard_by_shard(fa_sweep, monkeypatch):
    assert fa_sweep(*INTERLEAVED) == 0
    (sweep,) = all_sweeps()
    read = []
    original = ledger._read_shard
    monkeypatch.setattr(ledger, "_read_shard", lambda path, run_ids: read.append(path) or original(path, run_ids))
    records = sweep.records()
    pairs = list(finished(sweep.jobs, records))
    assert len(read) == len(set(read)) == len(list(sweep.folder.glob("shards/*"))) == 3
    assert {job.number for job, _ in pairs} == set(range(18))
    for job, record in pairs:
        assert record.run_id == job.run_id
        assert np.array_equal(record.metrics["loss"], records[job.run_id].metrics["loss"], equal_nan=True)


def test_one_shard_is_in_memory_at_a_time(fa_sweep):
    assert fa_sweep(*INTERLEAVED) == 0
    (sweep,) = all_sweeps()
    records = sweep.records()
    for job in sweep.jobs:
        path, held = records._open if records[job.run_id] and records._open else (None, {})
        assert job.run_id in held
        assert len(held) == 6
        assert path == records._places[job.run_id]


def test_the_later_of_two_trainings_counts_unless_it_is_damaged(fa_sweep, capfd):
    for _ in range(2):
        assert fa_sweep(*short("seed=0,1", "resume=false")) == 0
    first, second = (next(sweep.folder.glob("shards/*")) for sweep in all_sweeps())
    wanted = [job.run_id for job in all_sweeps()[0].jobs]
    assert set(find_runs(OUTPUTS, wanted).values()) == {second}
    second.write_bytes(second.read_bytes()[:-100])
    assert set(find_runs(OUTPUTS, wanted).values()) == {first}
    assert f"{second} cannot be read and counts as absent" in capfd.readouterr().err


def test_runs_judged_in_two_ways_are_two_jobs_of_one_record(fa_sweep):
    assert fa_sweep(*short("seed=0,1", "train.hold=1,2")) == 0
    (sweep,) = all_sweeps()
    pairs = list(finished(sweep.jobs, sweep.records()))
    assert len(pairs) == 4
    assert len({record.run_id for _, record in pairs}) == 2
