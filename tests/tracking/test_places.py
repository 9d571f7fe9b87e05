"""Sweeps, runs and copies of runs stand in experiments of their own, and each group has one run with its curves."""

import json
from pathlib import Path

import numpy as np
import pytest
from support.commands import short
from support.store import FOUR, children, delete, experiments, parents, purge, sql

from fa_sweep.errors import ConfigError
from fa_sweep.report.estimates import fraction_converged, trajectories
from fa_sweep.report.frames import from_sweep
from fa_sweep.report.mlflow_frames import from_mlflow
from fa_sweep.sweeping.folder import Sweep, all_sweeps
from fa_sweep.tracking import description, groups, limits
from fa_sweep.tracking.description import END
from fa_sweep.tracking.groups import MEDIANS
from fa_sweep.tracking.importer import import_sweep
from fa_sweep.tracking.tagnames import DUPLICATE, NOTE

STORE = "sqlite:///outputs/mlflow.db"


def names(experiment="fa_sweep"):
    query = (
        "SELECT r.name FROM runs r JOIN experiments e USING (experiment_id) WHERE e.name = ? AND r.lifecycle_stage = 'active'"
    )
    return sorted(name for (name,) in sql(query, experiment))


def note(run_id):
    ((text,),) = sql("SELECT value FROM tags WHERE key = ? AND run_uuid = ?", NOTE, run_id)
    return text


def test_the_first_page_shows_sweeps_and_groups_alone(fa_sweep):
    assert fa_sweep(*FOUR) == 0
    (sweep,) = all_sweeps()
    assert names() == sorted([sweep.id, "symmetric", "random"])
    assert names("fa_sweep runs") == sorted(job.name for job in sweep.jobs)
    described = dict(
        sql("SELECT e.name, t.value FROM experiment_tags t JOIN experiments e USING (experiment_id) WHERE key = ?", NOTE)
    )
    assert described.keys() == {"fa_sweep", "fa_sweep runs"}
    assert "**fa_sweep runs**" in described["fa_sweep"]
    assert "**fa_sweep**" in described["fa_sweep runs"]


def test_a_search_of_the_runs_counts_each_run_once(fa_sweep):
    """However often a run is reused, trained again or judged by other criteria, one experiment holds it once."""
    assert fa_sweep(*short("feedback=random", "seed=0,1")) == 0
    assert fa_sweep(*short("feedback=random", "seed=0,1,2")) == 0
    assert fa_sweep(*short("feedback=random", "seed=0,1", "train.hold=1,3")) == 0
    assert fa_sweep(*short("feedback=random", "seed=0,1"), "resume=false") == 0
    assert fa_sweep(*short("feedback=random", "seed=2")[1:]) == 0
    assert fa_sweep(*short("feedback=random", "seed=3")[1:]) == 0
    of_runs = (
        "SELECT t.value FROM tags t JOIN runs r USING (run_uuid) JOIN experiments e USING (experiment_id) "
        "WHERE t.key = 'fa_sweep.run_id' AND e.name = ?"
    )
    ids = [run_id for (run_id,) in sql(of_runs, "fa_sweep runs")]
    assert sorted(ids) == sorted({job.run_id for sweep in all_sweeps() for job in sweep.jobs})
    assert len(ids) == 4
    assert len(sql(of_runs, "fa_sweep copies")) == 2 + 4 + 2
    for sweep in all_sweeps():
        if not sweep.record.single:
            assert len(children(sweep.tracked["run_id"])) == len(sweep.jobs)
            assert len(from_mlflow(STORE, "fa_sweep", [sweep.id]).runs) == len(sweep.jobs)


def test_an_experiment_that_lacks_reused_runs_gets_them_once(fa_sweep):
    assert fa_sweep(*short("seed=0,1")) == 0
    assert fa_sweep(*short("seed=0,1,2", "tracking.experiment=second")) == 0
    assert len(names("second runs")) == 3
    assert names("second copies") == []


CURVES = (
    "SELECT r.name, m.key, m.step, m.value FROM metrics m JOIN runs r USING (run_uuid) JOIN tags t USING (run_uuid) "
    "WHERE t.key = 'fa_sweep.kind' AND t.value = 'group'"
)


@pytest.mark.parametrize("more", [("task=xor",), ("train.loss=squared", "model.activation=leaky_relu", "train.lr=0.5")])
def test_the_curves_of_the_groups_are_those_of_the_report(fa_sweep, more):
    """The second sweep has runs that diverge."""
    assert fa_sweep(*short("feedback=symmetric,random", "seed=range(5)", *more)) == 0
    (sweep,) = all_sweeps()
    frames = from_sweep(sweep)
    expected = {}
    for metric, name in MEDIANS.items():
        for row in trajectories(frames, metric).dropna().itertuples():
            if np.isfinite(row.median):
                expected[str(row.group), name, row.step] = row.median
    for row in fraction_converged(frames).itertuples():
        expected[row.group, groups.FRACTION, row.step] = row.fraction
    found = {(group, name, step): value for group, name, step, value in sql(CURVES)}
    assert found == pytest.approx(expected)
    assert len({name for _, name, _ in found}) == 4
    counts = "SELECT value FROM params JOIN tags USING (run_uuid) WHERE params.key = 'runs' AND tags.key = 'fa_sweep.kind'"
    assert sql(counts.replace("SELECT value", "SELECT params.value")) == [("5",), ("5",)]


@pytest.mark.parametrize(
    "factor",
    ["model.hidden=[6,4],[64]", "train.eval_at=[1,20],[120]"],
)
def test_groups_whose_names_differ_in_punctuation_alone_have_a_curve_each(factor, fa_sweep):
    assert fa_sweep(*short(factor, "seed=1,2")) == 0
    (sweep,) = all_sweeps()
    losses = {(name, step) for name, key, step, _ in sql(CURVES) if key == "loss_median"}
    assert {name for name, _ in losses} == {job.group for job in sweep.jobs}
    assert len(losses) == len([row for row in sql(CURVES) if row[1] == "loss_median"])  # one point per step


def test_groups_with_names_too_long_for_mlflow_are_told_apart(fa_sweep):
    steps = ",".join(map(str, range(100)))
    assert (
        fa_sweep("-m", f"train.eval_at=[{steps}],[{steps},101]", "seed=1", "train.steps=120", "train.hold=1", "report=false")
        == 0
    )
    shown = {name for name, *_ in sql(CURVES)}
    assert len(shown) == 2
    assert max(map(len, shown)) == limits.RUN_NAME
    assert len(children(parents()[0], "group")) == 2


def test_more_groups_than_a_chart_shows_get_none_and_the_description_says_so(fa_sweep, monkeypatch, capfd):
    for module in (groups, description):
        monkeypatch.setattr(module, "MOST_GROUPS", 1)
    assert fa_sweep(*FOUR) == 0
    (parent,) = parents()
    assert children(parent, "group") == []
    assert "Charts show at most 1 groups, so this sweep has none" in note(parent)
    assert len(children(parent)) == 4
    assert fa_sweep(*FOUR) == 0
    assert "already holds this sweep, complete" in capfd.readouterr().out


def test_a_group_that_was_purged_comes_back_and_one_that_was_deleted_stays_away(fa_sweep, capfd):
    assert fa_sweep(*FOUR) == 0
    (parent,) = parents()
    before = sorted(sql(CURVES))
    purge(children(parent, "group")[0])
    assert fa_sweep(*short("seed=7,8")) == 0  # a command for another sweep restores it too
    assert len(children(parent, "group")) == 2
    assert set(before) <= set(sql(CURVES))
    delete(children(parent, "group")[1])
    capfd.readouterr()
    assert fa_sweep(*FOUR) == 0
    assert f"already holds this sweep, complete: run {parent}" in capfd.readouterr().out
    assert len(children(parent, "group")) == 1


def test_runs_that_finish_after_the_import_replace_their_group(fa_sweep):
    """A sweep that was imported with a run missing gets the run later: the group's curves then cover all its runs."""
    assert fa_sweep(*short("seed=range(3)")) == 0
    (sweep,) = all_sweeps()
    records = sweep.records()
    some = {run_id: records[run_id] for run_id in list(records)[:2]}
    tracking = sweep.record.tracking
    for experiment in ("late", "late"):
        tracking.experiment = experiment
        import_sweep(Sweep(sweep.folder), tracking, records=some)
        assert sql(COVERED, "late") == [("2",)]
    import_sweep(Sweep(sweep.folder), tracking)
    assert sql(COVERED, "late") == [("3",)]
    assert sql("SELECT count(*) FROM tags WHERE key = ?", DUPLICATE) == [(1,)]
    assert len(names("late")) == 2
    assert len(names("late runs")) == 3


COVERED = (
    "SELECT p.value FROM params p JOIN runs r USING (run_uuid) JOIN experiments e USING (experiment_id) "
    "WHERE p.key = 'runs' AND e.name = ? AND r.lifecycle_stage = 'active'"
)


def test_the_description_has_command_findings_and_links(fa_sweep):
    arguments = [word for word in FOUR if word != "report=false"]
    assert fa_sweep(*FOUR) == 0
    (parent,) = parents()
    plain = note(parent)
    assert plain.startswith("4 runs in 2 groups. [Curves of the groups](#/experiments/1/runs?")
    assert all_sweeps()[0].record.command in plain
    assert "Report" not in plain
    sql("UPDATE tags SET value = value || 'My own words.' WHERE key = ? AND run_uuid = ?", NOTE, parent)
    assert fa_sweep(*arguments) == 0
    assert fa_sweep(*arguments) == 0  # attached twice
    full = note(parent)
    assert f"[Report](#/experiments/1/runs/{parent}/artifacts/report/report.html" in full
    found = (Path("outputs/reports") / all_sweeps()[-1].id / "findings.txt").read_text().splitlines()
    assert len(found) >= 3
    assert full.count("\n- ") >= 3
    assert full.endswith(f"{END}My own words.")


def test_a_store_of_the_old_layout_is_complete_readable_and_goes_on(fa_sweep, capfd):
    """Older versions kept all children in the experiment of their parent, and made no runs of groups."""
    assert fa_sweep(*FOUR) == 0
    (parent,) = parents()
    as_older_versions_left_it()
    assert fa_sweep(*FOUR) == 0
    assert f"already holds this sweep, complete: run {parent}" in capfd.readouterr().out
    assert len(from_mlflow(STORE, "fa_sweep").runs) == 4
    assert sql("SELECT count(*) FROM runs") == [(5,)]
    lost, gone = children()[:2]
    purge(lost)
    delete(gone)
    assert fa_sweep(*FOUR) == 0
    assert "1 of its 4 runs is deleted there" in capfd.readouterr().out
    assert len(children(parent)) == 3
    assert sql("SELECT count(*) FROM runs WHERE run_uuid = ?", lost) == [(1,)]
    assert children(parent, "group") == []
    # An import that an older version did not finish goes on, too.
    sql("UPDATE runs SET lifecycle_stage = 'active'")
    sql("DELETE FROM tags WHERE key = 'fa_sweep.complete'")
    sql("UPDATE runs SET status = 'RUNNING', end_time = NULL WHERE run_uuid = ?", parent)
    for sweep in all_sweeps():
        (sweep.folder / "tracked.json").unlink()
    assert fa_sweep(*FOUR) == 0
    assert len(children(parents()[0])) == 4
    assert len(parents()) == 1
    assert fa_sweep(*short("feedback=symmetric,random", "seed=0,1,2")) == 0
    assert len(from_mlflow(STORE, "fa_sweep").runs) == 6


def as_older_versions_left_it():
    """Change the store and the notes to what a version wrote that knew one experiment alone."""
    for run_id in children(kind="group"):
        purge(run_id)
    sql("DELETE FROM tags WHERE key IN ('fa_sweep.groups', ?)", NOTE)
    sql("DELETE FROM experiment_tags")
    sql("UPDATE runs SET experiment_id = 1")
    sql("DELETE FROM experiments WHERE experiment_id > 1")
    for sweep in all_sweeps():
        path = sweep.folder / "tracked.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"children": len(sweep.jobs)}))


def test_an_experiment_of_copies_that_somebody_deleted_is_in_the_way_of_copies_alone(fa_sweep, capfd):
    assert fa_sweep(*short("seed=0,1")) == 0
    assert fa_sweep(*short("seed=0,1,2")) == 0
    sql("UPDATE experiments SET lifecycle_stage = 'deleted' WHERE name = 'fa_sweep copies'")
    capfd.readouterr()
    assert fa_sweep(*short("seed=7,8")) == 0
    assert capfd.readouterr().err == ""
    assert fa_sweep(*short("seed=7,8,9")) == 0
    assert "'fa_sweep copies' is deleted; restore it or name another" in capfd.readouterr().err


def test_no_report_of_an_experiment_without_sweeps(fa_sweep):
    assert fa_sweep(*short("seed=1")[1:]) == 0
    with pytest.raises(ConfigError, match="has no experiment of that name"):
        from_mlflow(STORE, "fa_sweep")


def test_long_names_of_experiments_stay_apart(fa_sweep):
    from mlflow import MlflowClient

    long = "e" * limits.EXPERIMENT_NAME
    assert fa_sweep(*short("seed=0,1", f"tracking.experiment={long}")) == 0
    found = experiments(MlflowClient(f"sqlite:///{Path('outputs/mlflow.db').absolute()}"), long)
    assert len(found) == 2
