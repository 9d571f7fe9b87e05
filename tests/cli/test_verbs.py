"""The verbs of the command line: what each prints and does, as text and as JSON, and that mistakes get one line."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from support.commands import verb
from support.waiting import PATIENCE

import fa_sweep as fa
from fa_sweep.cli.verbs import VERBS
from fa_sweep.results.selection import find_one
from fa_sweep.sweeping.folder import all_sweeps


def said(capfd, *words, status=0):
    """Run a verb and return what it printed."""
    capfd.readouterr()
    assert verb(*words) == status
    return capfd.readouterr().out


def told(capfd, *words, status=0):
    return json.loads(said(capfd, *words, "--json", status=status))


@pytest.mark.parametrize("name", VERBS)
def test_help_fits_a_screen(name, capfd):
    lines = said(capfd, name, "--help").splitlines()
    assert lines[0].startswith(f"Usage: python -m fa_sweep {name}")
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("name", VERBS)
def test_a_wrong_option_gets_one_line(name, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert verb(name, "--nonsense") == 2
    (line,) = capfd.readouterr().err.splitlines()
    # The options of the verbs that conduct a sweep are Hydra's.
    assert line.startswith("fa_sweep: unrecognized arguments: " if name in ("tune", "decide") else f"fa_sweep: {name}: ")
    assert "--nonsense" in line
    assert list(tmp_path.iterdir()) == []


NOTHING_HERE = [
    ["show"], ["show", "x"], ["compare", "x", "y"], ["report"], ["export", "x"], ["rename", "x", "y"], ["tag", "x", "y"],
    ["delete", "x", "--yes"], ["import", "x"], ["bundle", "x"], ["plan", "--pilot", "x"],
]  # fmt: skip


@pytest.mark.parametrize("words", NOTHING_HERE, ids=str)
def test_without_sweeps_they_say_so(words, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert verb(*words) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert "there is no sweep" in line
    assert list(tmp_path.iterdir()) == []


def test_plan_for_fractions(capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out = said(capfd, "plan", "--fractions", "0.9", "0.7")
    assert out.splitlines()[0] == "      71 seeds  to tell the fractions 0.9 and 0.7 apart, with 34 % of the pairs"
    assert max(map(len, out.splitlines())) <= 80
    about = told(capfd, "plan", "--fractions", "0.9", "0.7", "--discordance", "0.2", "--half-width", "0.1", "--power", "0.9")
    assert [need["question"] for need in about["needs"]] == ["difference", "width"]
    assert about["seeds"] == max(need["seeds"] for need in about["needs"])
    assert list(tmp_path.iterdir()) == []


class TestWithALedger:
    """All verbs on the ledger of three sweeps."""

    pytestmark = pytest.mark.usefixtures("ledger")

    def test_list(self, capfd):
        out = said(capfd, "list")
        assert [line for line in out.splitlines() if not line.startswith(" ")] == [
            f"{sweep.id}  {sweep.title}" for sweep in reversed(all_sweeps())
        ]
        assert max(map(len, out.splitlines())) <= 80
        assert "6 runs, 2 groups, complete, " in out
        assert said(capfd, "list", "-n", "1").splitlines()[-1] == "and 2 older; --all lists all"
        assert [one["name"] for one in told(capfd, "list")] == ["c", "b", "a"]

    def test_show(self, capfd):
        out = said(capfd, "show", "b")
        assert "name     b\n" in out
        assert "state    complete; 5 of 5 runs in 1 group" in out
        assert "Task: XOR" in out
        about = told(capfd, "show", "a")
        assert about["factors"] == {"feedback": ["symmetric", "random"]}
        assert about["finished"] == 6
        assert told(capfd, "show")["name"] == "c"

    def test_runs(self, capfd):
        out = said(capfd, "runs", "feedback.mode == 'random' and train.lr < 1").splitlines()
        assert out[-1] == "5 runs"
        assert out[0].split() == ["sweep", "name", "outcome", "convergence_step", "final.accuracy"]
        assert {line.split()[0] for line in out[1:-1]} <= {sweep.id[20:26] for sweep in all_sweeps()}
        assert max(map(len, out)) <= 80
        rows = told(capfd, "runs", "outcome == 'diverged'", "--columns", "train.lr,outcome,convergence_step")
        assert rows[0] == {"train.lr": 50.0, "outcome": "diverged", "convergence_step": None}
        assert "train.lr" in said(capfd, "runs", "--names").splitlines()
        assert said(capfd, "runs", "seed == 77").splitlines() == ["no run", "0 runs"]
        assert verb("runs", "seed = 7") == 2
        assert verb("runs", "--columns", "sed") == 2
        assert "did you mean seed?" in capfd.readouterr().err

    def test_compare_shows_what_differs_and_only_that(self, capfd):
        found = told(capfd, "compare", "a", "c")["differences"]
        assert set(found) == {"train.lr", "train.loss"}
        assert found["train.lr"] == [[0.01], [50.0]]
        out = said(capfd, "compare", "a", "b")
        assert "feedback.mode\n  A  symmetric, random\n  B  random\n" in out
        assert "seed\n  A  0 to 2\n  B  0 to 4\n" in out
        assert "3 runs of several of these sweeps are counted once." in out
        assert "train.lr" not in out
        assert verb("compare", "a", "a") == 2

    def test_report_of_several_sweeps(self, capfd):
        path = Path(said(capfd, "report", "a", "b", "--format", "md").strip())
        text = path.read_text().replace("\\_", "_")
        assert path.parent.parent == Path("outputs/reports")
        assert all(find_one(name).id in text for name in "ab")
        assert "8 of 8" in text

    def test_plan_for_a_pilot(self, capfd, tmp_path):
        out = said(capfd, "plan", "--pilot", "a", "--half-width", "0.2", "--out", str(tmp_path / "plots"))
        assert max(map(len, out.splitlines()[:-4])) <= 80
        assert "random against symmetric\n" in out
        assert out.splitlines()[-4:] == [str(tmp_path / f"plots/power.{ending}") for ending in ("png", "pdf", "svg", "csv")]
        about = told(capfd, "plan", "--pilot", "a")
        assert about["pilot"] == find_one("a").id
        assert {need["group"] for need in about["needs"]} == {"random"}
        assert verb("plan", "--pilot", "b") == 2
        assert "has no comparison to plan for" in capfd.readouterr().err
        (tmp_path / "file").touch()
        assert verb("plan", "--fractions", "1", "0", "--out", str(tmp_path / "file")) == 1
        assert len(capfd.readouterr().err.splitlines()) == 1

    def test_export(self, capfd, tmp_path):
        for kind, read in (("csv", partial(pd.read_csv, float_precision="round_trip")), ("parquet", pd.read_parquet)):
            paths = said(capfd, "export", "a", "b", "--format", kind, "--out", str(tmp_path / kind)).split()
            assert [Path(path).name for path in paths] == [f"runs.{kind}", f"histories.{kind}"]
            runs, histories = map(read, paths)
            assert len(runs) == 8
            assert len(histories) == 8 * 5
            assert runs["final.loss"].tolist() == fa.load("a", "b").runs["final.loss"].tolist()
        (path,) = said(capfd, "export", "c", "--format", "netcdf", "--out", str(tmp_path)).split()
        import xarray as xr

        with xr.open_dataset(path) as data:
            assert data["loss"].sizes["seed"] == 3
            assert "angle_deg.gradient" in data
        (tmp_path / "file").touch()
        assert verb("export", "a", "--out", str(tmp_path / "file")) == 1
        assert len(capfd.readouterr().err.splitlines()) == 1

    def test_names_and_tags(self, capfd):
        assert said(capfd, "rename", "a", "a new name").endswith("is now called a new name\n")
        assert said(capfd, "tag", "a new name", "final", "figure 3", "final").endswith(": final, figure 3\n")
        assert find_one("a new name").labels.tags == ("final", "figure 3")
        assert said(capfd, "tag", "a new name", "final", "--remove").endswith(": figure 3\n")
        assert "a new name  [figure 3]" in said(capfd, "list")
        assert said(capfd, "rename", "a new name", "").endswith("has no name now\n")
        assert verb("rename", "b", "two\nlines") == 2
        assert verb("tag", "b", "x" * 200) == 2

    def test_delete_asks(self, capfd, monkeypatch):
        monkeypatch.setattr("sys.stdin", open(os.devnull))  # noqa: SIM115
        assert verb("delete", "a") == 1
        assert "nothing was changed" in capfd.readouterr().err
        assert len(all_sweeps()) == 3
        out = said(capfd, "delete", "a", "--yes")
        assert f"kept for {find_one('b').id}, which uses some of these runs: 1 file of results" in out
        assert [sweep.title for sweep in all_sweeps()] == ["b", "c"]

    def test_delete_in_mlflow_too(self, capfd):
        import sqlite3

        out = said(capfd, "delete", "a", "c", "--yes", "--mlflow")
        assert "marked as deleted in MLflow: 15 runs" in out  # three of a's runs are b's too
        with sqlite3.connect("outputs/mlflow.db") as database:
            states = database.execute("select lifecycle_stage, count(*) from runs group by 1").fetchall()
        assert dict(states) == {"active": 10, "deleted": 15}

    def test_import_what_mlflow_lacks(self, capfd):
        assert "MLflow has every sweep" in said(capfd, "import")
        (find_one("b").folder / "tracked.json").unlink()
        for path in Path("outputs").glob("mlflow.db*"):
            path.unlink()
        out = said(capfd, "import")
        assert out.count("complete again") + out.count("is now in MLflow") == 3

    def test_import_into_another_store(self, capfd, tmp_path):
        note = find_one("a").tracked
        said(capfd, "import", "a", "--uri", f"sqlite:///{tmp_path}/other.db", "--experiment", "mine")
        from fa_sweep.report.mlflow_frames import from_mlflow

        assert len(from_mlflow(f"sqlite:///{tmp_path}/other.db", "mine").runs) == 6
        assert find_one("a").tracked == note

    def test_bundles_travel(self, capfd, tmp_path, monkeypatch):
        said(capfd, "bundle", "b", "--out", "b.zip")
        (tmp_path / "there").mkdir()
        monkeypatch.chdir(tmp_path / "there")
        assert "5 runs, verified, now in this ledger" in said(capfd, "import", "../b.zip", "--no-mlflow")
        assert len(fa.load("b").runs) == 5

    def test_doctor(self, capfd):
        found = told(capfd, "doctor")
        assert (found["sweeps"], found["wrong"]) == (3, [])
        (find_one("a").folder / "labels.json").write_text("{")
        found = told(capfd, "doctor", status=1)
        assert "labels.json" in found["wrong"][0]
        assert "rename" in found["wrong"][0]

    def test_completion_of_sweeps(self):
        assert completed("fa-sweep show 2") == [sweep.id for sweep in reversed(all_sweeps())]


def completed(line):
    """Return what a shell offers for the last word of a line."""
    words = line.split(" ")
    variables = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1), "_FA_SWEEP_COMPLETE": "bash_complete"}
    done = subprocess.run(
        [sys.executable, "-m", "fa_sweep"],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("fa-sweep re", {"report", "rename"}),
        ("fa-sweep feedback=ran", {"feedback=random"}),
        ("fa-sweep -m seed=1 train.l", {"train.loss=", "train.lr="}),
        ("fa-sweep export --for", {"--format"}),
        ("fa-sweep export x --format ", {"parquet", "csv", "netcdf"}),
    ],
)
def test_completion(line, offered):
    assert offered <= set(completed(line))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell, capfd):
    assert "_FA_SWEEP_COMPLETE" in said(capfd, "completion", shell)
