"""Every changed byte of a shard file is noticed, and anything in a shards folder that is no shard is ignored."""

import json
import os
import random
import socket
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.commands import verb

from fa_sweep.engine.training import train
from fa_sweep.errors import CannotWrite, Unreadable
from fa_sweep.process.notices import begin_command
from fa_sweep.sweeping import catalogue
from fa_sweep.sweeping.folder import Sweep, create_sweep
from fa_sweep.sweeping.jobs import TABLE, make_jobs, read_jobs
from fa_sweep.sweeping.ledger import Ledger
from fa_sweep.sweeping.shards import SHARDS, read_run_ids, read_shard, write_shard
from fa_sweep.sweeping.storage import lock

FLIPS = 1500


@pytest.fixture
def sweep(settings, tmp_path, monkeypatch):
    """A sweep of four runs with one shard and nothing else."""
    monkeypatch.chdir(tmp_path)
    candidates = [
        (settings(f"seed={seed}", "train.steps=201", "train.eval_every=50"), {}, [f"seed={seed}"]) for seed in range(4)
    ]
    jobs = make_jobs(candidates)
    folder = Path("outputs/sweeps/one")
    made = create_sweep(folder, jobs, candidates[0][0].tracking, single=False)
    made.close()
    write_shard(folder, [job.run_id for job in jobs], train([job.run for job in jobs]))
    return Sweep(folder)


def shard_of(sweep):
    (path,) = (sweep.folder / SHARDS).iterdir()
    return path


def jobs_of(sweep):
    return {job.run_id: job for job in sweep.jobs}


def found(sweep):
    return Ledger(Path("outputs")).find(sweep.jobs)


def test_a_shard_reads_back_as_it_was_written(sweep):
    records = read_shard(shard_of(sweep), jobs_of(sweep))
    trained = train([job.run for job in sweep.jobs])
    for number, job in enumerate(sweep.jobs):
        for name, values in trained.metrics.items():
            assert np.array_equal(records[job.run_id].metrics[name], values[:, number], equal_nan=True)


def test_every_flipped_bit_of_a_shard_is_noticed(sweep):
    path, jobs = shard_of(sweep), jobs_of(sweep)
    content = path.read_bytes()
    chosen = random.Random(0)  # noqa: S311
    for _ in range(FLIPS):
        flipped = bytearray(content)
        flipped[chosen.randrange(len(content))] ^= 1 << chosen.randrange(8)
        path.write_bytes(flipped)
        with pytest.raises(Unreadable, match="its content is not what was written"):
            read_shard(path, jobs)
        with pytest.raises(Unreadable):
            read_run_ids(path)
    path.write_bytes(content)
    assert len(read_shard(path, jobs)) == 4


def test_a_shard_whose_runs_have_different_faults_is_reported_once(sweep, capfd):
    path, table = shard_of(sweep), pq.read_table(shard_of(sweep))
    path.unlink()
    steps = pa.array([row[:-1] for row in table["steps"].to_pylist()], table.schema.field("steps").type)
    pq.write_table(rewritten(table, lambda columns: {**columns, "steps": steps}), path.with_name("short.parquet"))
    begin_command()
    for job in sweep.jobs:
        assert Ledger(Path("outputs")).find([job]) == {}
    (line,) = capfd.readouterr().err.splitlines()
    assert "short.parquet has 4 evaluations of run" in line


@pytest.mark.slow
def test_every_flipped_bit_of_a_job_table_is_noticed(sweep):
    path = sweep.folder / TABLE
    content, sha = path.read_bytes(), sweep.record.jobs_sha256
    chosen = random.Random(0)  # noqa: S311
    for _ in range(FLIPS):
        flipped = bytearray(content)
        flipped[chosen.randrange(len(content))] ^= 1 << chosen.randrange(8)
        path.write_bytes(flipped)
        with pytest.raises(Unreadable, match="its content is not what was written"):
            read_jobs(sweep.folder, sha)


def test_a_flip_is_noticed_however_fresh_the_catalogue_is(sweep, capfd):
    path = shard_of(sweep)
    assert len(found(sweep)) == 4
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    for _ in range(2):
        begin_command()
        assert found(sweep) == {}
        assert f"{path} is damaged: its content is not what was written; its runs count as absent" in capfd.readouterr().err
    Path("outputs/.catalogue").unlink()
    catalogue._latest.clear()
    begin_command()
    assert found(sweep) == {}
    assert capfd.readouterr().err.count("its runs count as absent") == 1


def test_a_shard_without_a_checksum_is_still_read(sweep):
    path = shard_of(sweep)
    path.rename(path.with_name("0123456789ab.parquet"))
    assert {place.name for place in found(sweep).values()} == {"0123456789ab.parquet"}
    assert len(sweep.records()) == 4


def rewritten(table, change):
    changed = change({name: table[name] for name in table.column_names})
    return pa.table(changed).replace_schema_metadata(table.schema.metadata)


def shorter(columns):
    short = {n: pa.array([v[:-1] for v in c.to_pylist()]) for n, c in columns.items() if pa.types.is_large_list(c.type)}
    return {**columns, **short}


CHANGES = {
    "without steps": lambda c: {n: v for n, v in c.items() if n != "steps"},
    "without a metric": lambda c: {n: v for n, v in c.items() if n != "loss"},
    "without durations": lambda c: {n: v for n, v in c.items() if n != "duration_s"},
    "without run ids": lambda c: {n: v for n, v in c.items() if n != "run_id"},
    "a shorter history": shorter,
    "one history shorter": lambda c: {**c, "loss": pa.array([v[:-1] for v in c["loss"].to_pylist()])},
    "ragged histories": lambda c: {**c, "loss": pa.array([v[:i] for i, v in enumerate(c["loss"].to_pylist())])},
    "other steps": lambda c: {**c, "steps": pa.array([[s + 1 for s in v] for v in c["steps"].to_pylist()])},
    "a metric of texts": lambda c: {**c, "loss": pa.array(["x"] * 4)},
    "a metric of whole numbers": lambda c: {**c, "loss": pa.array([[1] * 5] * 4, pa.large_list(pa.int64()))},
    "missing values": lambda c: {**c, "loss": pa.array([[None] * 5] * 4, pa.large_list(pa.float64()))},
    "steps that are no lists": lambda c: {**c, "steps": pa.array([1, 2, 3, 4])},
    "durations of text": lambda c: {**c, "duration_s": pa.array(["soon"] * 4)},
    "missing run ids": lambda c: {**c, "run_id": pa.array([None] * 4, pa.large_string())},
    "no columns": lambda c: {"a": pa.array([1])},
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_parquet_file_that_is_no_shard_counts_as_absent(sweep, capfd, change):
    path = shard_of(sweep)
    pq.write_table(rewritten(pq.read_table(path), CHANGES[change]), path.with_name("foreign.parquet"))
    path.unlink()
    assert found(sweep) == {}
    (line,) = capfd.readouterr().err.splitlines()
    assert "foreign.parquet" in line
    assert line.endswith("its runs count as absent")


@pytest.mark.parametrize("text", [b"", b"[1]", b"not json", b"[" * 100_000, b'{"numpy": 2}'])
def test_an_environment_that_is_none_counts_as_damage(sweep, capfd, text):
    path = shard_of(sweep)
    table = pq.read_table(path).replace_schema_metadata({"environment": text or b"null"})
    pq.write_table(table, path.with_name("foreign.parquet"))
    path.unlink()
    assert found(sweep) == {}
    assert "foreign.parquet is damaged, or is not a shard of a ledger" in capfd.readouterr().err


def a_fifo(path):
    os.mkfifo(path)


def a_socket(path):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


OTHERS = {
    "fifo": a_fifo,
    "socket": a_socket,
    "folder": Path.mkdir,
    "dangling link": lambda path: path.symlink_to("nowhere"),
    "link to itself": lambda path: path.symlink_to(path.name),
    "empty": Path.touch,
    "text": lambda path: path.write_text("hello"),
    "only magic": lambda path: path.write_bytes(b"PAR1" * 3),
}


@pytest.mark.parametrize("other", OTHERS)
def test_what_is_no_file_of_ours_stops_nothing(sweep, capfd, other):
    os.chdir(sweep.folder / SHARDS)  # the path of a socket must be short
    OTHERS[other](Path("x.parquet"))
    os.chdir(Path.cwd().parents[3])
    assert len(found(sweep)) == 4
    (line,) = capfd.readouterr().err.splitlines()
    assert "x.parquet" in line


def test_the_newest_record_counts_but_a_sweep_s_own_comes_first(sweep, settings):
    other = Path("outputs/sweeps/two")
    job = sweep.jobs[0]
    create_sweep(other, [job], settings().tracking, single=False, resume="false").close()
    write_shard(other, [job.run_id], train([job.run]))
    assert Ledger(Path("outputs")).find([job])[job.run_id].parent.parent.name == "two"
    assert Ledger(Path("outputs"), also=sweep.folder).find([job])[job.run_id].parent.parent.name == "one"
    assert Ledger(Path("outputs"), besides=other).find([job])[job.run_id].parent.parent.name == "one"
    assert Ledger(Path("outputs")).find([replace(job, source="one")])[job.run_id].parent.parent.name == "one"


def test_a_catalogue_that_is_damaged_or_foreign_is_made_anew(sweep):
    assert len(found(sweep)) == 4
    path = Path("outputs/.catalogue")
    content = path.read_bytes()
    head = json.dumps({"version": 99, "entries": {}}).encode()
    for damaged in (
        b"",
        b"\n\n",
        content[:-3],
        content[:40] + b"x" + content[41:],
        b"0" * 64 + b"\n" + head + b"\n",
        b"\xff" * 99,
    ):
        path.write_bytes(damaged)
        catalogue._latest.clear()  # as in a new process
        assert len(found(sweep)) == 4
    path.unlink()
    path.mkdir()
    catalogue._latest.clear()
    assert len(found(sweep)) == 4


def test_a_full_disk_leaves_no_half_of_a_file(sweep, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    before = sorted(Path().rglob("*"))
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CannotWrite, match="cannot be written: No space left on device"):
        write_shard(sweep.folder, ["x" * 16], train([sweep.jobs[0].run]))
    assert sorted(Path().rglob("*")) == before


def test_what_a_killed_process_left_half_written_is_removed_and_what_is_being_written_stays(sweep):
    half, written = sweep.folder / SHARDS / ".a.parquet.17.tmp", sweep.folder / ".b.json.18.tmp"
    half.write_bytes(b"PAR1")
    with written.open("w+b") as file:
        lock(file)
        assert len(found(sweep)) == 4
        assert not half.exists()
        assert written.exists()
    (sweep.folder / SHARDS).touch()  # a changed folder is read again
    assert len(found(sweep)) == 4
    assert not written.exists()


def test_the_doctor_says_what_is_wrong_and_what_to_do(sweep, capfd):
    (sweep.folder / "tracked.json").write_text('{"run_id": "abc"}')
    assert verb("doctor") == 0
    said = ["checked 1 sweeps and single runs, with 1 file of results", "nothing is wrong"]
    assert capfd.readouterr().out.splitlines()[:2] == said
    path = shard_of(sweep)
    old = path.with_name("0123456789ab.parquet")
    old.write_bytes(path.read_bytes())
    path.write_bytes(path.read_bytes()[:-1])
    (sweep.folder / "tracked.json").unlink()
    assert verb("doctor") == 1
    out = capfd.readouterr().out
    assert "1 shard of the first version, which kept no checksum: read, but not verified" in out
    assert f"{path} is damaged: its content is not what was written; remove this file" in out
    assert "one is not in MLflow (auto); python -m fa_sweep import brings it there" in out
    (sweep.folder / TABLE).write_bytes(b"PAR1")
    assert verb("doctor") == 1
    assert "jobs.parquet is damaged" in capfd.readouterr().out
