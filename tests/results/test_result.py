"""Results as frames, arrays, comparisons and figures: they agree with the ledger, for one sweep and for several."""

import numpy as np
import pytest
from support.files import report_contents

import fa_sweep as fa
from fa_sweep.errors import ConfigError
from fa_sweep.results.selection import find_one
from fa_sweep.sweeping.ledger import run_events


@pytest.mark.usefixtures("ledger")
def test_the_frames_hold_what_the_ledger_holds():
    result, sweep = fa.load("a"), find_one("a")
    records = sweep.records()
    assert len(result.runs) == 6
    assert result.factors == ["feedback"]
    assert list(result.runs.columns[:4]) == ["feedback", "seed", "group", "outcome"]
    for job, (_, row) in zip(sweep.jobs, result.runs.iterrows(), strict=True):
        record = records[job.run_id]
        assert row["outcome"] == run_events(job, record).outcome
        assert row["final.loss"] == record.metrics["loss"][-1]
        own = result.histories[(result.histories["run_id"] == job.run_id)]
        assert own["step"].tolist() == record.steps.tolist()
        for name, values in record.metrics.items():
            np.testing.assert_array_equal(own[name], values)
        assert set(own["feedback"]) == {job.run.feedback.mode}


@pytest.mark.usefixtures("ledger")
def test_arrays_have_a_dimension_per_factor():
    result = fa.load("a", "c")
    data = result.to_xarray()
    assert data["loss"].dims == (*result.factors, "seed", "step")
    assert dict(data.sizes) == {"feedback": 2, "train.lr": 2, "train.loss": 2, "seed": 3, "step": 5}
    for _, row in result.runs.iterrows():
        place = {name: row[name] for name in (*result.factors, "seed")}
        assert data["outcome"].sel(place).item() == row["outcome"]
        np.testing.assert_array_equal(data["final.loss"].sel(place).item(), row["final.loss"])
        own = result.histories[(result.histories["run_id"] == row["run_id"])]
        np.testing.assert_array_equal(data["loss"].sel(place), own["loss"])
    assert np.isnan(data["loss"].sel({"train.lr": 50.0, "train.loss": "absolute"})).all()  # no run has both


@pytest.mark.usefixtures("ledger")
def test_several_sweeps_are_one_result():
    both = fa.load("a", "b")
    assert len(both.runs) == 8
    assert both.frames.groups == ["symmetric", "random"]
    assert both.frames.about.in_several == 3
    assert both.frames.about.sweeps == [find_one("a").id, find_one("b").id]
    assert repr(both) == "<a+b: 8 of 8 runs in 2 groups>"
    assert both.compare().loc[0, "pairs"] == 3
    assert fa.load("a", "a").frames.about.id == find_one("a").id


@pytest.mark.usefixtures("ledger")
def test_what_a_notebook_shows():
    result = fa.load("c")
    shown = result._repr_html_()
    assert "<table" in shown
    assert "c: 6 of 6 runs in 2 groups" in shown
    assert set(result.runs["outcome"]) == {"not_converged", "diverged"}
    assert result.failures == {}
    assert result.missing == 0
    assert len(result.summary()) == 2
    assert set(result.compare(outcome="success")["reference"]) == {"symmetric"}
    assert "p_equivalence" in result.compare(outcome="loss:area", factor="feedback", reference="random", margin=0.1)
    for refused in ({"margin": 2}, {"margin": -1}, {"outcome": "acuracy"}, {"outcome": "loss:worst"}, {"factor": "train.lr"}):
        with pytest.raises(ConfigError):
            result.compare(**refused)
    with pytest.raises(ConfigError, match="symmetric"):
        result.compare("symmetrc")


@pytest.mark.usefixtures("ledger")
def test_figures_and_reports(tmp_path):
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    result = fa.load("a", "b")
    assert "survival" in dir(result.plot)
    figure = result.plot.survival()
    figure.savefig(tmp_path / "survival.png")
    assert (tmp_path / "survival.png").stat().st_size > 5000
    with pytest.raises(AttributeError, match=r"no figure 'nothing'; there are .*survival"):
        result.plot.nothing()
    path = result.report(tmp_path / "one", formats=["html"])
    again = result.report(tmp_path / "two", formats=["html"])
    assert report_contents(path.parent) == report_contents(again.parent)
    assert "3 runs" in path.read_text(encoding="utf-8")
    assert dict(mpl.rcParams) == before
