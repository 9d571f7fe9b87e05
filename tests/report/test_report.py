"""The report is the same from ledger and MLflow, stable to the byte, safe with hostile names, and names missing runs."""

import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from support.commands import report as analysis
from support.commands import short
from support.files import report_contents
from support.simulated import DIVERGED, NEVER, simulate

from fa_sweep.report.frames import from_sweep
from fa_sweep.report.mlflow_frames import from_mlflow
from fa_sweep.report.report import write_report
from fa_sweep.report.statements import findings
from fa_sweep.sweeping.folder import all_sweeps

FIGURES = {
    "survival", "learning_curves", "angle_gradient", "angle_signal", "angle_weight", "angle_against_outcome", "paired_seeds",
    "outcomes", "final_values", "final_differences",
}  # fmt: skip


def sweep_of(fa_sweep, *arguments):
    assert fa_sweep(*short("feedback=symmetric,random,rerandom", "seed=range(12)", *arguments)) == 0
    return all_sweeps()[-1]


def test_everything_is_there_and_comes_out_the_same_twice(fa_sweep, tmp_path):
    sweep = sweep_of(fa_sweep)
    first, second = tmp_path / "a", tmp_path / "b"
    assert write_report(sweep, first) == first / "report.html"
    write_report(sweep, second)
    files = report_contents(first)
    assert files == report_contents(second)
    figures = {p.stem for p in files if p.parent.name == "figures"}
    assert figures == FIGURES
    for name in figures:
        assert {p.suffix for p in files if p.stem == name and p.parent.name == "figures"} == {".svg", ".pdf", ".png", ".csv"}
    tables = {p.name for p in files if p.parent.name == "tables"}
    for name in ("groups", "comparisons"):
        assert {f"{name}.csv", f"{name}.parquet", f"{name}.tex"} <= tables
    page = files[Path("report.html")].decode()
    assert page.count('<svg role="img" aria-label="') == len(FIGURES)
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


@pytest.mark.slow
def test_ledger_and_mlflow_give_the_same_frames_and_report(fa_sweep, tmp_path):
    sweep = sweep_of(fa_sweep, "feedback=symmetric,random,shallow", "init.scale=0.5,1")
    ledger = from_sweep(sweep)
    tracked = from_mlflow("sqlite:///outputs/mlflow.db", "fa_sweep")
    assert ledger.groups == tracked.groups
    assert ledger.factors == tracked.factors == ["feedback", "init.scale"]
    # MLflow keeps no history of some metrics, only the last defined value and its step. A metric that ends as NaN is still NaN
    # in both.
    pd.testing.assert_frame_equal(ledger.runs, tracked.runs)
    pd.testing.assert_frame_equal(ledger.histories, tracked.histories)
    for name, frames in (("ledger", ledger), ("mlflow", tracked)):
        write_report(frames, tmp_path / name)
    one, other = report_contents(tmp_path / "ledger"), report_contents(tmp_path / "mlflow")
    assert one.keys() == other.keys()
    assert {str(p) for p in one if one[p] != other[p]} <= {"report.html", "report.md"}  # these two name their source


@pytest.mark.slow
def test_mlflow_is_read_through_all_its_pages(fa_sweep):
    """A sweep is read whole even if it exceeds MLflow's limits of 1,000 runs per page and 25,000 points per bulk call."""
    arguments = ("-m", "feedback=symmetric,random", "seed=range(520)", "train.steps=26", "train.eval_every=10", "train.hold=1")
    assert fa_sweep(*arguments, "report=false") == 0
    frames = from_mlflow("sqlite:///outputs/mlflow.db", "fa_sweep")
    assert len(frames.runs) == 1040
    metrics = frames.histories.drop(columns=["run_id", "group", "seed", "step"])
    assert metrics.notna().sum().sum() > 25_000
    pd.testing.assert_frame_equal(frames.histories, from_sweep(all_sweeps()[-1]).histories)


@pytest.mark.slow
def test_an_interrupted_sweep_is_reported_as_far_as_it_went(fa_sweep, capfd):
    sweep = sweep_of(fa_sweep, "model.hidden=[3],[4]", "n_jobs=2")
    lost = sorted((sweep.folder / "shards").iterdir())[0]
    lost.unlink()
    frames = from_sweep(sweep)
    assert 0 < len(frames.runs) < 72
    assert frames.about.missing == 72 - len(frames.runs)
    assert analysis(["--sweep", sweep.id]) == 1
    page = (Path("outputs/reports") / sweep.id / "report.html").read_text()
    assert f"{frames.about.missing} of 72 planned runs are missing" in page
    outcomes = pd.read_csv(Path("outputs/reports") / sweep.id / "figures" / "outcomes.csv")
    assert (outcomes["outcome"] == "missing").sum() == frames.about.missing
    shutil.rmtree(sweep.folder / "shards")
    assert analysis(["--sweep", sweep.id]) == 1
    assert "there is nothing to report yet" in (Path("outputs/reports") / sweep.id / "report.html").read_text()


def test_hostile_names_come_out_inert(settings, tmp_path):
    evil = "<script>alert(1)</script>"
    names = {evil: [100, NEVER], "a_b%c&d#{$}~^\\": [200, 300], 'comma, "quote"\n| pipe': [DIVERGED, 400]}
    frames = simulate(settings, names, name=evil)
    write_report(frames, tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert page.count("<script>") == 1  # the page's own script
    assert "&lt;script&gt;alert(1)" in page
    markdown = (tmp_path / "report.md").read_text()
    assert "<script>" not in markdown
    assert "\\| pipe" in markdown
    latex = (tmp_path / "tables" / "groups.tex").read_text()
    assert r"a\_b\%c\&d\#\{\$\}\textasciitilde{}\textasciicircum{}\textbackslash{}" in latex
    back = pd.read_csv(tmp_path / "tables" / "groups.csv")
    assert list(back["group"]) == list(names)


def test_a_sweep_s_name_stands_at_the_head_and_in_latex(settings, tmp_path):
    frames = simulate(settings, {"symmetric": [100, 200], "random": [100, NEVER]})
    write_report(replace(frames, about=replace(frames.about, name="My first_sweep")), tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "<title>My first_sweep: XOR: symmetric and random feedback, 2 seeds</title>" in page
    assert '<p class="name">My first_sweep</p>\n<h1>XOR: symmetric and random feedback, 2 seeds</h1>' in page
    latex = (tmp_path / "tables" / "groups.tex").read_text()
    assert r"\caption{Groups of the sweep My first\_sweep" in latex
    assert r"\label{tab:My-first-sweep:groups}" in latex


def test_the_pdf_files_have_fonts_that_journals_accept(settings, tmp_path):
    write_report(simulate(settings, {"random": [100, 200]}), tmp_path)
    files = list((tmp_path / "figures").glob("*.pdf"))
    assert files
    for file in files:
        content = file.read_bytes()
        assert b"/Type3" not in content
        assert b"/CIDFontType2" in content  # the form in which a PDF names Type 42 fonts


def test_findings_say_no_more_than_the_data(settings):
    from fa_sweep.report.analysis import analyse

    def sentences(**times):
        frames = simulate(settings, times)
        return findings(analyse(frames))

    alone = sentences(random=[100])
    assert "1 of 1 run (one run gives no interval)" in " ".join(alone)
    assert not any("p " in s and "Holm" in s for s in alone)
    same = sentences(symmetric=[100, NEVER] * 10, random=[NEVER, 100] * 10)
    assert any("The difference in the fraction converged is not significant." in s for s in same)
    apart = sentences(symmetric=[100] * 20, random=[NEVER] * 20)
    assert any("-100 points" in s and "McNemar exact, p < 0.001" in s for s in apart)
    assert 3 <= len(apart) <= 12
    never = sentences(**{f"g{i}": [NEVER] * 3 for i in range(6)})
    assert any("Equal fraction converged in all 6 groups, such as g0: 0 of 3 runs" in s for s in never)
    assert not any("the same" in s for s in (*alone, *same, *apart, *never))
    assert any("20 of 20 finished runs diverged" in s for s in sentences(random=[DIVERGED] * 20))


@pytest.mark.usefixtures("few_figures")
def test_too_few_evaluations_are_no_statement_about_the_runs(fa_sweep, capfd):
    assert fa_sweep(*short("feedback=symmetric,random", "seed=range(3)", "train.hold=9")) == 0
    assert analysis([]) == 0
    page = (Path("outputs/reports") / all_sweeps()[-1].id / "report.md").read_text()
    findings_ = page.split("## Findings")[1].split("## Groups")[0]
    assert "No run could count as converged" in findings_
    assert "McNemar" not in findings_


def test_refusals(fa_sweep, capfd):
    assert analysis([]) == 2
    assert "run one first" in capfd.readouterr().err
    sweep = sweep_of(fa_sweep)
    capfd.readouterr()
    for arguments, words in (
        (["--sweep", "nope"], sweep.id),
        (["--reference", "randm"], "did you mean random"),
        (["--format", "docx"], "html,md,tex"),
        (["--experiment", "nope"], "no experiment"),
        (["--sweep", "outputs"], "sweep.json"),
    ):
        assert analysis(arguments) == 2
        err = capfd.readouterr().err
        assert words in err
        assert len(err.strip().splitlines()) == 1


@pytest.mark.usefixtures("few_figures")
def test_formats_and_out(fa_sweep, tmp_path):
    sweep = sweep_of(fa_sweep)
    assert analysis(["--format", "md", "--out", str(tmp_path / "here"), "--sweep", str(sweep.folder)]) == 0
    assert (tmp_path / "here" / "report.md").exists()
    assert not (tmp_path / "here" / "report.html").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("few_figures")
def test_report_after_the_sweep_is_logged_on_its_parent(fa_sweep):
    arguments = [a for a in short("feedback=symmetric,random", "seed=range(3)") if a != "report=false"]
    assert fa_sweep(*arguments) == 0
    (sweep,) = all_sweeps()
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{Path('outputs/mlflow.db').absolute()}")
    run_id = sweep.tracked["run_id"]
    assert {a.path for a in client.list_artifacts(run_id, "report")} >= {
        "report/report.html",
        "report/report.md",
        "report/figures",
    }
    assert "report/report.html" in client.get_run(run_id).data.tags["mlflow.note.content"]
