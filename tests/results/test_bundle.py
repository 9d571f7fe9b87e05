"""A bundle holds a whole sweep, is verified when it is read, and gives the same results in another ledger."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest

import fa_sweep as fa
from fa_sweep.errors import ConfigError, Unreadable
from fa_sweep.results.bundle import is_bundle, read_bundle, write_bundle
from fa_sweep.results.selection import find_one


@pytest.fixture
def bundle(ledger):
    """The bundle of sweep b, three of whose runs were trained by sweep a."""
    return write_bundle(find_one("b"), ledger / "b.fa-sweep.zip")


def elsewhere(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")


def test_it_brings_a_sweep_into_another_ledger(bundle, tmp_path, monkeypatch):
    before = fa.load("b")
    runs, histories = before.runs, before.histories
    elsewhere(tmp_path, monkeypatch)
    assert is_bundle(bundle)
    sweep, is_new = read_bundle(bundle)
    assert is_new
    assert sweep.folder == Path("outputs/sweeps") / sweep.id
    after = fa.load("b")
    assert after.runs.equals(runs)
    assert after.histories.equals(histories)
    assert not sweep.tracked
    again, is_new = read_bundle(bundle)  # nothing happens
    assert (again.id, is_new) == (sweep.id, False)
    assert {path.name for path in Path("outputs").iterdir()} == {".catalogue", "sweeps"}


def test_what_stands_in_it(bundle):
    with zipfile.ZipFile(bundle) as file:
        head = json.loads(file.read("bundle.json"))
        names = file.namelist()
    assert head["data"][0]["task.name"] == "xor"
    assert set(names) == {"bundle.json", *head["sha256"]}
    assert {"sweep/sweep.json", "sweep/jobs.parquet", "sweep/labels.json"} <= set(names)
    assert sum(name.endswith(".parquet") and "/shards/" in name for name in names) == 2


def test_every_changed_byte_is_noticed(bundle, tmp_path, monkeypatch):
    elsewhere(tmp_path, monkeypatch)
    content = bundle.read_bytes()
    damaged = tmp_path / "damaged.zip"
    for place in range(0, len(content), len(content) // 60):
        damaged.write_bytes(content[:place] + bytes([content[place] ^ 16]) + content[place + 1 :])
        try:
            read_bundle(damaged)
        except Unreadable:
            assert not list(Path().rglob("sweep.json"))
            continue
        assert len(fa.load("b").runs) == 5  # a byte that means nothing, such as a time in the archive's directory
        shutil.rmtree("outputs")
    damaged.write_bytes(content[:-40])
    with pytest.raises(Unreadable):
        read_bundle(damaged)


def rewritten(bundle, path, change):
    """Copy a bundle with another head, and with further files: {name: content}."""
    with zipfile.ZipFile(bundle) as source, zipfile.ZipFile(path, "w") as target:
        head = json.loads(source.read("bundle.json"))
        more = change(head) or {}
        for name in source.namelist():
            if name != "bundle.json":
                target.writestr(name, source.read(name))
        for name, content in more.items():
            target.writestr(name, content)
        target.writestr("bundle.json", json.dumps(head))
    return path


HOSTILE = {
    "an id with a path": lambda head: head.update(id="../../x"),
    "an empty id": lambda head: head.update(id=""),
    "dots": lambda head: head.update(id=".."),
    "another format": lambda head: head.update(format=99),
    "no digests": lambda head: head.pop("sha256"),
    "digests are a list": lambda head: head.update(sha256=[]),
    "another hash": lambda head: head.update(hash="0" * 16),
    "a file too many": lambda head: {"sweep/more": "x"},
    "a file outside": lambda head: head["sha256"].update({"../evil": "0"}) or {"../evil": "x"},
    "an absolute file": lambda head: head["sha256"].update({"/evil": "0"}) or {"/evil": "x"},
    "a missing file": lambda head: head["sha256"].update({"sweep/missing": "0"}),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_bundle_is_refused_and_writes_nothing(bundle, tmp_path, monkeypatch, change):
    elsewhere(tmp_path, monkeypatch)
    hostile = rewritten(bundle, tmp_path / "hostile.zip", change)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(Unreadable) as refused:
        read_bundle(hostile)
    assert "\n" not in str(refused.value)
    assert [path for path in sorted(tmp_path.rglob("*")) if path not in before and path.name != "outputs"] == []


def test_a_folder_in_the_way_is_said(bundle, tmp_path, monkeypatch):
    sweep_id = find_one("b").id
    elsewhere(tmp_path, monkeypatch)
    Path("outputs/sweeps", sweep_id, "shards").mkdir(parents=True)
    with pytest.raises(ConfigError, match="holds no sweep; move it out of the way"):
        read_bundle(bundle)


def test_other_files_are_no_bundles(tmp_path):
    for name, content in {"text": b"hello", "empty": b"", "zip": b"PK\5\6" + bytes(18)}.items():
        (tmp_path / name).write_bytes(content)
    assert [is_bundle(tmp_path / name) for name in ("text", "empty", "missing")] == [False, False, False]
    with pytest.raises(Unreadable, match="no bundle"):
        read_bundle(tmp_path / "zip")


def test_an_incomplete_sweep_is_not_bundled(ledger):
    sweep = find_one("b")
    for path in sweep.folder.glob("shards/*"):
        path.unlink()
    with pytest.raises(ConfigError, match="lacks 2 of its runs"):
        write_bundle(sweep, ledger / "b.zip")
    assert not list(ledger.glob("*b.zip*"))
    (ledger / "there").touch()
    with pytest.raises(ConfigError, match="exists already"):
        write_bundle(find_one("a"), ledger / "there")
