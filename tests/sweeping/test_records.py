"""A damaged record of a sweep, or a damaged file beside it, causes one line of warning; all other sweeps still work."""

import json
import os
import random
from dataclasses import replace
from pathlib import Path

import pytest

from fa_sweep.errors import Unreadable
from fa_sweep.process.notices import begin_command
from fa_sweep.sweeping.folder import Sweep, all_sweeps, catalogued, create_sweep
from fa_sweep.sweeping.jobs import make_jobs
from fa_sweep.sweeping.record import FORMAT, RECORD, process_started, read_record
from fa_sweep.sweeping.storage import digest

CONTENTS = {
    "empty": b"",
    "null": b"null",
    "a list": b"[]",
    "a number": b"7",
    "a text": b'"x"',
    "no JSON": b"{nope",
    "latin-1": '{"command": "größe"}'.encode("latin-1"),
    "a NUL": b"\0" * 64,
    "deep": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "deep lists": b"[" * 100_000,
    "NaN": b'{"created_at_ms": NaN}',
    "a number of 5,000 digits": b'{"created_at_ms": ' + b"9" * 5000 + b"}",
    "half": b'{"format": 2, "command": "x"',
}
WRONG = {
    "pid": ["none", None, 1.5, [], True],
    "created_at_ms": ["soon", None, 0, -1, 2**70, 1.5, {}],
    "host": [3, None],
    "single": [0, "no"],
    "environment": [None, [], {"numpy": 2}],
    "tracking": [None, {}, {"uri": 5}, {"uri": "", "experiment": "", "metrics": "main", "history": "auto"}, []],
    "hash": [None, 0],
    "resume": ["perhaps", True],
    "format": [99, "2", None],
    "planned": ["3"],
    "jobs_sha256": [None],
    "outcomes": [None, "accuracy:end", ["accuracy:mean"], ["accuracy"], [3], [["accuracy:end"]]],
    "margin": [0.0, -0.1, "0.1", True, 1],
}


@pytest.fixture
def sweep(settings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    app = settings("seed=0", "train.steps=21")
    made = create_sweep(Path("outputs/sweeps/one"), make_jobs([(app, {}, [])]), app.tracking, single=False)
    made.close()
    return Sweep(made.folder)


def test_a_record_that_is_a_link_to_nothing_is_said(sweep, capfd):
    path = sweep.folder / RECORD
    path.unlink()
    path.symlink_to("nowhere")
    assert all_sweeps() == []
    (line,) = capfd.readouterr().err.splitlines()
    assert f"{path} is empty, or a link to nothing" in line


def test_why_runs_failed_is_asked_often_and_said_once(sweep, capfd):
    (sweep.folder / "failures.json").mkdir()
    for _ in range(3):
        assert Sweep(sweep.folder).failures == {}
    assert len(capfd.readouterr().err.splitlines()) == 1


def test_a_record_reads_back(sweep):
    record = read_record(sweep.folder)
    assert (record.format, record.planned, record.single, record.resume) == (FORMAT, 1, False, "true")
    assert [other.id for other in all_sweeps()] == ["one"]
    assert read_record(Path()) is None


@pytest.mark.parametrize("content", CONTENTS)
def test_a_damaged_record_is_one_line(sweep, capfd, content):
    path = sweep.folder / RECORD
    path.write_bytes(CONTENTS[content])
    for _ in range(2):  # the second time, the answer comes from the catalogue
        begin_command()
        assert all_sweeps() == []
        (line,) = capfd.readouterr().err.splitlines()
        assert str(path) in line
        assert line.endswith("its sweep is left out")


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values], ids=repr)
@pytest.mark.parametrize("version", [1, 2])
def test_a_value_of_another_type_is_one_line(sweep, capfd, name, value, version):
    path = sweep.folder / RECORD
    values = json.loads(path.read_text()) | {name: value}
    if version == 1:  # version 1 has no checksum that would reveal the change
        values = {
            n: v for n, v in values.items() if n not in ("format", "checksum", "started", "jobs_sha256", "resume") or n == name
        }
    path.write_text(json.dumps(values))
    assert all_sweeps() == []
    (line,) = capfd.readouterr().err.splitlines()
    assert f"{path} is damaged" in line or f"{path} has format" in line


def test_every_flipped_bit_of_a_record_is_noticed(sweep):
    path, whole = sweep.folder / RECORD, read_record(sweep.folder)
    content, chosen = path.read_bytes(), random.Random(0)  # noqa: S311
    harmless = 0
    for _ in range(500):
        flipped = bytearray(content)
        flipped[chosen.randrange(len(content))] ^= 1 << chosen.randrange(8)
        path.write_bytes(flipped)
        try:
            assert read_record(sweep.folder) == whole  # only white space or the case of an escape has changed
            harmless += 1
        except Unreadable:
            pass
    assert harmless < 50


def test_a_record_of_the_first_version_is_read(sweep):
    values = json.loads((sweep.folder / RECORD).read_text())
    for name in ("format", "started", "resume", "jobs_sha256", "checksum"):
        del values[name]
    del values["tracking"]["history"]  # version 1 had no such setting
    (sweep.folder / RECORD).write_text(json.dumps(values))
    record = read_record(sweep.folder)
    assert (record.format, record.resume, record.tracking.history) == (1, "true", "full")
    assert len(Sweep(sweep.folder).jobs) == 1


@pytest.mark.parametrize("version", [2, 3])
def test_a_record_from_before_outcomes_is_read(sweep, version):
    values = json.loads((sweep.folder / RECORD).read_text())
    for name in ("outcomes", "margin", "checksum"):
        del values[name]
    values |= {"format": version}
    checksum = digest(json.dumps(values, sort_keys=True).encode())
    (sweep.folder / RECORD).write_text(json.dumps({**values, "checksum": checksum}))
    record = read_record(sweep.folder)
    assert (record.outcomes, record.margin) == ([], None)


@pytest.mark.parametrize("name", ["tracked.json", "failures.json"])
@pytest.mark.parametrize("content", CONTENTS)
def test_damaged_notes_tell_nothing(sweep, name, content):
    (sweep.folder / name).write_bytes(CONTENTS[content])
    assert sweep.tracked == {}
    assert sweep.failures == {}
    assert [other.id for other in all_sweeps()] == ["one"]


@pytest.mark.parametrize("run_id", ["abc", 3, None, "", "\ud800", "a b", "x" * 65])
@pytest.mark.parametrize("children", [4, -1, "4", True, None, 1.0])
def test_a_note_with_a_wrong_field_is_no_note(sweep, run_id, children):
    """Otherwise a damaged note would keep its sweep out of MLflow, or all others of the same store."""
    (sweep.folder / "tracked.json").write_text(json.dumps({"run_id": run_id, "children": children}))
    is_right = (run_id, children) == ("abc", 4)
    assert bool(sweep.tracked) is is_right
    ((_, entry),) = catalogued()
    assert (entry.tracked, entry.children) == (("abc", 4) if is_right else ("", 0))


@pytest.mark.parametrize("name", [RECORD, "tracked.json", "failures.json"])
def test_a_fifo_in_a_note_s_place_holds_nobody_up(sweep, name):
    (sweep.folder / name).unlink(missing_ok=True)
    os.mkfifo(sweep.folder / name)
    all_sweeps()
    assert sweep.tracked == {}
    assert sweep.failures == {}


def test_failures_of_the_first_version_are_read(sweep):
    (sweep.folder / "failures.json").write_text('{"abc": "MemoryError: no room"}')
    assert str(sweep.failures["abc"]) == "MemoryError: no room"


def test_a_sweep_is_its_conductor_s_until_that_one_is_done(settings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    app = settings("seed=0")
    made = create_sweep(Path("outputs/sweeps/one"), make_jobs([(app, {}, [])]), app.tracking, single=False)
    seen = Sweep(made.folder)
    assert seen.is_running
    with seen.claimed() as free:
        assert not free
    with made.claimed(wait=True) as free:  # the process that conducts the sweep already owns it
        assert free
    made.close()
    assert not seen.is_running
    with seen.claimed() as free, Sweep(made.folder).claimed() as second:
        assert free
        assert not second


def test_another_process_of_the_same_number_is_not_taken_for_the_conductor(sweep):
    record = replace(sweep.record, pid=os.getpid(), started=process_started(os.getpid()))
    assert record.is_process_alive
    assert not replace(record, started="another boot/17").is_process_alive
    assert not replace(record, host="elsewhere").is_process_alive
    assert not replace(record, pid=2**40).is_process_alive
