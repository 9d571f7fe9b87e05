"""The ledger reads every shard once and holds one in memory at a time, however the jobs are spread over the shards."""

import numpy as np
from support.commands import short

from fa_sweep.sweeping import ledger
from fa_sweep.sweeping.folder import OUTPUTS, all_sweeps
from fa_sweep.sweeping.ledger import Ledger, finished

INTERLEAVED = short("seed=range(6)", "model.hidden=[3],[4],[5]")


def test_finished_runs_are_read_shard_by_shard(fa_sweep, monkeypatch):
    assert fa_sweep(*INTERLEAVED) == 0
    (sweep,) = all_sweeps()
    read = []
    records = sweep.records()
    original = ledger.read_shard
    monkeypatch.setattr(ledger, "read_shard", lambda path, jobs: read.append(path) or original(path, jobs))
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
        assert path == records.places[job.run_id]


def test_the_later_of_two_trainings_counts_unless_it_is_damaged(fa_sweep, capfd):
    for _ in range(2):
        assert fa_sweep(*short("seed=0,1", "resume=false")) == 0
    first, second = (next(sweep.folder.glob("shards/*")) for sweep in all_sweeps())
    wanted = all_sweeps()[0].jobs
    assert set(Ledger(OUTPUTS).find(wanted).values()) == {second}
    second.write_bytes(second.read_bytes()[:-100])
    assert set(Ledger(OUTPUTS).find(wanted).values()) == {first}
    said = capfd.readouterr().err
    assert f"{second} is damaged: its content is not what was written; its runs count as absent" in said


def test_runs_judged_in_two_ways_are_two_jobs_of_one_record(fa_sweep):
    assert fa_sweep(*short("seed=0,1", "train.hold=1,2")) == 0
    (sweep,) = all_sweeps()
    pairs = list(finished(sweep.jobs, sweep.records()))
    assert len(pairs) == 4
    assert len({record.run_id for _, record in pairs}) == 2
