"""The torture suite detects the damage that it looks for, and this program passes a short run of it."""

import base64
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import databases
from support.places import ROOT
from support.waiting import PATIENCE

from torture import kills, page
from torture.case import Outcome, attributed
from torture.flips import Flip, footer_start
from torture.inputs import wrong
from torture.phases import PHASES
from torture.program import Ended
from torture.secrets import ODD, contents, forms, found_in
from torture.truth import Truth, digests_in, temporary, untracked, wrong_in_ledger, wrong_in_store

PASSWORD = "Zq7v/K9@x:S3#cr?3t%&B q"  # noqa: S105  planted


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Path:
    """The working folder of a small sweep that the command line trained and imported into MLflow."""
    cwd = tmp_path_factory.mktemp("sweep")
    databases.place(empty_database, cwd)
    arguments = ["-m", "feedback=symmetric,random", "seed=0,1", "train.steps=61", "train.eval_every=20", "train.hold=1"]
    command = [sys.executable, "-m", "fa_sweep", *arguments, "report=false", "n_jobs=1"]
    subprocess.run(command, cwd=cwd, check=True, capture_output=True)
    return cwd


@pytest.fixture
def copied(sweep: Path, tmp_path: Path) -> Path:
    """A copy of the sweep's folder that a test may damage."""
    return shutil.copytree(sweep, tmp_path / "copied")


def shard_of(cwd: Path) -> Path:
    (shard,) = cwd.glob("outputs/sweeps/*/shards/*.parquet")
    return shard


@pytest.mark.slow
def test_a_whole_sweep_is_right(sweep: Path) -> None:
    truth = Truth.of(sweep)
    assert len(truth.ledger) == 4
    assert wrong_in_ledger(sweep / "outputs", truth) == []
    assert wrong_in_store(stored_in(sweep), truth) == []
    assert untracked(sweep / "outputs") == temporary(sweep / "outputs") == []


def stored_in(cwd: Path) -> list:
    from torture.truth import stored

    return stored(cwd / "outputs/mlflow.db")


@pytest.mark.slow
def test_the_last_bit_of_one_number_is_seen(copied: Path) -> None:
    truth, shard = Truth.of(copied), shard_of(copied)
    table = pq.read_table(shard)
    losses = [list(row) for row in table["loss"].to_pylist()]
    losses[1][-1] = float(np.nextafter(losses[1][-1], 2.0))
    changed = table.set_column(table.column_names.index("loss"), "loss", pa.array(losses, table.schema.field("loss").type))
    pq.write_table(changed, shard)
    assert wrong_in_ledger(copied / "outputs", truth) == ["1 runs have other numbers in the ledger"]


@pytest.mark.slow
def test_absent_and_doubled_runs_are_seen(copied: Path) -> None:
    truth, shard = Truth.of(copied), shard_of(copied)
    shutil.copy(shard, shard.with_name("again.parquet"))
    assert wrong_in_ledger(copied / "outputs", truth) == ["4 runs stand more than once in the ledger"]
    for path in shard.parent.iterdir():
        path.unlink()
    assert wrong_in_ledger(copied / "outputs", truth) == ["4 of 4 runs are in no shard"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("update runs set status = 'RUNNING' where name = 'random-s001'", "1 runs are RUNNING"),
        ("update metrics set value = value + 1e-9 where key = 'loss'", "4 runs have other numbers in the store"),
        ("update params set value = '5' where key = 'seed' and value = '1'", "2 runs have other numbers in the store"),
        ("update runs set lifecycle_stage = 'deleted' where name = 'random-s001'", "0 parents are FINISHED with all 4 runs"),
        ("update tags set value = 'x' where key = 'fa_sweep.job_id'", "1 runs stand more than once under parent"),
        ("delete from tags where key = 'mlflow.parentRunId'", "0 parents are FINISHED with all 4 runs"),
    ],
)
def test_what_is_wrong_in_the_store_is_seen(copied: Path, change: str, said: str) -> None:
    truth = Truth.of(copied)
    with closing(sqlite3.connect(copied / "outputs/mlflow.db")) as tables:
        tables.execute(change)
        tables.commit()
    assert any(problem.startswith(said) for problem in wrong_in_store(stored_in(copied), truth))


@pytest.mark.slow
def test_a_flip_changes_one_bit_and_keeps_the_time(copied: Path) -> None:
    shard = shard_of(copied)
    before, times = shard.read_bytes(), shard.stat().st_mtime_ns
    Flip(shard, footer_start(shard), 3, quiet=True).make()
    after = shard.read_bytes()
    differing = [a ^ b for a, b in zip(before, after, strict=True) if a != b]
    assert differing == [1 << 3]
    assert shard.stat().st_mtime_ns == times


def test_a_kill_that_came_too_late_is_made_up_for_in_a_new_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every kill of a chain is counted, and every folder is compared after the last command in it."""
    late, killed, compared = [2, 5], [], []
    program = SimpleNamespace(run=lambda arguments, cwd: Ended(0, "", "", 1.0))
    part = kills.Kills(program, 0, timelines={"one process": dict.fromkeys(PHASES, 1.0)})  # type: ignore[arg-type]

    def kill(_: kills.Kill, cwd: Path, name: str) -> Outcome | Ended:
        if len(killed) in late:
            late.remove(len(killed))
            return Ended(0, "", "", 1.0)
        killed.append(cwd)
        return Outcome("SIGINT", name)

    monkeypatch.setattr(part, "_kill", kill)
    monkeypatch.setattr(part, "_completed", lambda last, cwd, name, number: compared.append((cwd, number)))
    part._chain(tmp_path, 0, "one process")
    assert len(killed) == kills.PER_CHAIN
    assert compared == [(folder, killed.count(folder)) for folder in dict.fromkeys(killed)]
    assert len(compared) == 3


def test_the_culprit_among_many_is_found() -> None:
    def attempt(cases: list[int]) -> list[str] | str:
        return "crash" if 13 in cases else ["late" if case == 5 else "" for case in cases]

    problems = attributed(range(20), attempt)
    assert {case: problem for case, problem in enumerate(problems) if problem} == {13: "crash", 5: "late"}


def test_a_crash_that_needs_two_is_not_lost() -> None:
    problems = attributed(range(4), lambda cases: "crash" if {0, 3} <= set(cases) else [""] * len(cases))
    assert problems[0] == "only together with 3 others: crash"


ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda data: data,
    "percent-encoded": lambda data: quote(data, safe="").encode(),
    "base64": base64.b64encode,
    "base64, of login and password": lambda data: base64.b64encode(b"alice:" + data),
    "base64, one byte later": lambda data: base64.b64encode(b"x" + data + b"y"),
    "base64, two bytes later": lambda data: base64.b64encode(b"xy" + data + b"z"),
    "base64, encoded before": lambda data: base64.b64encode(b"a:" + quote(data, safe="").encode()),
    "JSON": lambda data: repr(data.decode()).encode(),
}


@pytest.mark.parametrize("how", ENCODINGS)
@pytest.mark.parametrize("password", [ODD, "Zq7vK9xS3cr3tBq"])
def test_a_password_is_found_in_every_form(how: str, password: str) -> None:
    hidden = b"before " + ENCODINGS[how](password.encode()) + b" after"
    assert found_in(hidden, forms(password))
    assert not found_in(hidden[:12], forms(password))


def test_a_password_is_found_in_compressed_columns_and_in_tables(tmp_path: Path) -> None:
    parquet, database = tmp_path / "a.parquet", tmp_path / "a.db"
    pq.write_table(pa.table({"text": ["x" * 50 + PASSWORD] * 50}), parquet, compression="zstd")
    with closing(sqlite3.connect(database)) as tables:
        tables.execute("create table 'a b' (text)")
        tables.execute("insert into 'a b' values (?)", (f"x{PASSWORD}",))
        tables.commit()
    for path in (parquet, database):
        assert any(found_in(data, forms(PASSWORD)) for data in contents(path)), path


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        (Ended(2, "", "fa_sweep: seed is 'x'; it must be a whole number\n", 0.9), []),
        (Ended(2, "", "fa_sweep: seed is 'x'\n", 2.5), ["took 2.5 s"]),
        (Ended(0, "done\n", "", 0.9), ["status 0: 'done'"]),
        (Ended(None, "", "", 10.0), ["hangs: ended after 10 s"]),
        (Ended(2, "", "one\ntwo\n", 0.9), ["2 lines: 'one\\ntwo'"]),
        (Ended(2, "", "", 0.9), ["0 lines: ''"]),
        (Ended(2, "", "Traceback (most recent call last):\n  x\nKeyError: 1\n", 0.9), ["traceback: KeyError: 1"]),
    ],
)
def test_refusals_are_judged(ended: Ended, said: list[str]) -> None:
    assert wrong(ended) == said


def test_the_table_replaces_the_one_before(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text(f"# Title\n\n{page.BEGIN.format('torture')}\n\nold\n\n{page.END}\n\nThe end.\n")
    page.write("new", file)
    page.write("newer", file)
    assert file.read_text() == f"# Title\n\n{page.BEGIN.format('torture')}\n\nnewer\n\n{page.END}\n\nThe end.\n"


def test_a_failure_of_the_torture_itself_is_counted() -> None:
    class Nothing:
        name, held = "nothing", {"a": "what"}

    outcomes = {"nothing": [Outcome("a", "x", "bad"), Outcome("a", "y"), Outcome("torture", "nothing", "KeyError")]}
    text = page.table([Nothing()], outcomes, {"nothing": 2})
    assert "| nothing | a | 2 | 1 | what |" in text
    assert "KeyError" in text
    assert "2 tasks of `nothing` were not reached" in text


@pytest.mark.slow
def test_two_runs_in_one_shard_have_digests_of_their_own(sweep: Path) -> None:
    assert len(set(digests_in(shard_of(sweep)).values())) == 4


@pytest.mark.service("mlflow")
def test_a_sample_of_the_torture_is_held() -> None:
    command = [sys.executable, "-m", "torture", "--minutes", "2", "--seed", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=3 * PATIENCE)
    # Slow machines run fewer tasks, but at least one of each part. Status 3 means that time ran out before all tasks had run.
    assert done.returncode in (0, 3), done.stdout + done.stderr
