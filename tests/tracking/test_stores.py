"""Writing the tables directly leaves the same in MLflow as writing with its client.

The client, the REST interface, searches and the UI show no difference.
"""

import json
import sys
import urllib.request
from pathlib import Path

import pytest
from support.browser import browser
from support.commands import short
from support.processes import finished, line, started
from support.services import mlflow_server, postgres
from support.store import experiments
from support.waiting import PATIENCE, until

from fa_sweep.sweeping.folder import all_sweeps
from fa_sweep.tracking import content, stores
from fa_sweep.tracking.stores import schema
from fa_sweep.tracking.stores.client import ClientStore

SWEEP = ("feedback=symmetric,random,shallow", "seed=range(2)", "init.scale=0.5,1")
FILTERS = (
    "metrics.accuracy > 0.5", "metrics.`angle_deg/gradient` < 45", "metrics.loss >= 0.25", "metrics.convergence_step > 0",
    "params.seed = '1'", "params.`feedback.mode` LIKE 'r%'", "params.`init.scale` != '1.0'",
    "params.`feedback.mode` ILIKE 'SH%'",
    "tags.outcome = 'converged'", "tags.outcome != 'diverged' and params.`feedback.mode` = 'random'",
    "tags.`fa_sweep.group` LIKE '%scale=0.5'", "tags.`mlflow.user` = 'nobody'",
    "tags.`mlflow.runName` = 'random-init.scale=0.5-s001'",
    "attributes.status = 'FINISHED'", "attributes.status != 'FINISHED'", "attributes.run_name LIKE 'symm%'",
    "attributes.start_time > 0", "attributes.end_time < 99999999999999", "attributes.artifact_uri LIKE '%artifacts'",
    "datasets.name = 'xor'", "datasets.digest != 'x'",
)  # fmt: skip
ORDERS = ("metrics.loss DESC", "params.seed ASC", "attributes.end_time ASC", "tags.outcome DESC")


def two_imports(fa_sweep, monkeypatch, *more):
    """Import the same sweep into two experiments: directly into the tables, then through MLflow's client."""
    assert fa_sweep(*short(*SWEEP, "tracking.metrics=all", "tracking.experiment=by tables", *more)) == 0
    with monkeypatch.context() as patch:
        patch.setattr(stores, "open_tables", lambda *_, **__: None)
        assert fa_sweep(*short(*SWEEP, "tracking.metrics=all", "tracking.experiment=by client", *more)) == 0


def neutral(text: str, run_ids) -> str:
    """Replace run ids and the names of experiments and sweeps in a text, so that two imports can be compared."""
    for run_id, name in run_ids.items():
        text = text.replace(run_id, f"<{name}>")
    for own, shared in (("by_tables", "X"), ("by_client", "X"), ("by tables", "X"), ("by client", "X")):
        text = text.replace(own, shared)
    for sweep in all_sweeps():
        text = text.replace(sweep.id, "<sweep>")
    return text


def assert_same(client, ours, theirs, post):
    """Assert that MLflow shows the same for two experiments; `post` calls its REST interface."""
    seen = {}
    for name in (ours, theirs):
        numbers = experiments(client, name)
        runs = client.search_runs(numbers, max_results=1000)
        names = {r.info.run_id: "parent" if r.data.tags.get("fa_sweep.kind") == "sweep" else r.info.run_name for r in runs}
        volatile = {"fa_sweep.reused", "git_dirty"}
        views = {}
        for run in runs:
            one = post("runs/get", "GET", f"run_id={run.info.run_id}")["run"]
            shown = {
                "info": {k: v for k, v in one["info"].items() if k != "experiment_id"},
                "params": sorted((p["key"], p["value"]) for p in one["data"].get("params", [])),
                "tags": sorted((t["key"], t["value"]) for t in one["data"]["tags"] if t["key"] not in volatile),
                "metrics": sorted((m["key"], m["value"], m["timestamp"], m["step"]) for m in one["data"].get("metrics", [])),
                "inputs": [(i["dataset"]["name"], i["dataset"]["digest"], i["dataset"]["profile"], i.get("tags"))
                           for i in one["inputs"].get("dataset_inputs", [])],
            }  # fmt: skip
            if "fa_sweep.kind" in run.data.tags:
                shown["info"] = {k: v for k, v in shown["info"].items() if k not in ("start_time", "end_time")}
                differing = ("command", "fa_sweep.planned", "fa_sweep.sweep_hash", "mlflow.note.content")
                shown["tags"] = [t for t in shown["tags"] if t[0] not in differing]
            assert {m["key"]: m["value"] for m in one["data"].get("metrics", [])} == run.data.metrics
            for metric in run.data.metrics:
                points = client.get_metric_history(run.info.run_id, metric)
                shown[metric] = sorted((p.step, p.timestamp, p.value) for p in points)
                rest = post("metrics/get-history", "GET", f"run_id={run.info.run_id}&metric_key={metric}")["metrics"]
                assert sorted((p["step"], p["timestamp"], p["value"]) for p in rest) == shown[metric]
            views[names[run.info.run_id]] = shown
        found = [post("runs/search", "POST", experiment_ids=numbers, filter=f).get("runs", []) for f in FILTERS]
        searched = [sorted(names[r["info"]["run_id"]] for r in some) for some in found]
        children = {"experiment_ids": numbers, "filter": "params.seed LIKE '%'"}
        sorted_by = [post("runs/search", "POST", order_by=[o, "attributes.run_name"], **children)["runs"] for o in ORDERS]
        ordered = [[names[r["info"]["run_id"]] for r in some] for some in sorted_by]
        files = {names[r.info.run_id]: [a.path for a in client.list_artifacts(r.info.run_id)] for r in runs}
        seen[name] = json.loads(neutral(json.dumps([views, searched, ordered, files]), names))
    assert len(seen[ours][0]) == 1 + 6 + 12
    assert sum(map(len, seen[ours][1])) > 100
    assert seen[ours][0].keys() == seen[theirs][0].keys()
    for run, view in seen[ours][0].items():
        assert view == seen[theirs][0][run], run
    assert seen[ours][1:] == seen[theirs][1:]


def rest(url):
    """Return a function that calls the REST interface of the MLflow server at `url`."""

    def post(path, method, query="", **body):
        request = urllib.request.Request(
            f"{url}/api/2.0/mlflow/{path}?{query}", method=method, data=json.dumps(body).encode() if body else None
        )
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)

    return post


ROWS = "[...document.querySelectorAll('[role=row]')].map(row => [...row.querySelectorAll('[role=cell]')].map(c => c.innerText))"
CHARTS = "[...document.body.innerText.matchAll(/\\(([a-z_]+\\/[a-z_0-9]+)\\)/g)].map(found => found[1])"


def shown_by_the_ui(client, page, url, experiment):
    """Return what MLflow's pages show of one run: the rows of metrics and parameters, and the names of the charts."""
    _, number = experiments(client, experiment)
    (run,) = client.search_runs([number], "attributes.run_name = 'random-init.scale=1.0-s001'")
    at = f"{url}/#/experiments/{number}/runs/{run.info.run_id}"
    page.open(at)
    rows = until(lambda: all_there(page, ROWS, {*run.data.metrics, *run.data.params}), "a row of each metric and parameter")
    page.open(f"{at}/model-metrics")
    histories = {name for name in run.data.metrics if "/" in name and len(client.get_metric_history(run.info.run_id, name)) > 1}
    charts = until(lambda: all_there(page, CHARTS, histories), "a chart of each history")
    return rows, sorted(set(charts))


def all_there(page, script, names):
    """Return what a script finds on a page, or None while any of `names` is missing, because MLflow fills a page gradually."""
    found = page.run(script) or []
    there = {one if isinstance(one, str) else next(iter(one), None) for one in found}
    return found if names <= there else None


@pytest.fixture(scope="module")
def imported_twice(tmp_path_factory, empty_database):
    """The folder of two imports into SQLite, and the address of an MLflow server over its database."""
    from fa_sweep.cli.entry import main

    folder = tmp_path_factory.mktemp("imported")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["fa_sweep"])
        two_imports(lambda *arguments: main(arguments), patch)
    with mlflow_server(f"sqlite:///{folder}/outputs/mlflow.db", folder) as url:
        yield folder, url


@pytest.mark.service("chromium", "mlflow")
def test_the_same_on_the_ui_s_pages(imported_twice):
    from mlflow import MlflowClient

    folder, url = imported_twice
    client = MlflowClient(f"sqlite:///{folder}/outputs/mlflow.db")
    with browser() as page:
        page.grow(8000)  # MLflow's tables only hold the rows in view
        ours, theirs = (shown_by_the_ui(client, page, url, name) for name in ("by tables", "by client"))
    assert ours == theirs
    assert len(ours[0]) > 60
    assert "angle_deg/signal_layer_2" in ours[1]
    assert len(ours[1]) >= 9


@pytest.mark.service("mlflow")
def test_the_same_in_sqlite(imported_twice, monkeypatch):
    from mlflow import MlflowClient

    folder, url = imported_twice
    monkeypatch.chdir(folder)
    assert_same(MlflowClient(f"sqlite:///{folder}/outputs/mlflow.db"), "by tables", "by client", rest(url))


@pytest.fixture(scope="module")
def database():
    """The URI of a PostgreSQL database that only these tests use."""
    with postgres() as uri:
        yield uri


@pytest.fixture(scope="module")
def server_over_postgresql(tmp_path_factory, database):
    """The address of an MLflow server over the PostgreSQL database."""
    with mlflow_server(database, tmp_path_factory.mktemp("served")) as url:
        yield url


@pytest.mark.service("postgresql", "mlflow")
def test_the_same_in_postgresql(fa_sweep, monkeypatch, database, server_over_postgresql):
    from mlflow import MlflowClient

    two_imports(fa_sweep, monkeypatch, f"tracking.uri='{database}'")
    assert_same(MlflowClient(database), "by tables", "by client", rest(server_over_postgresql))


@pytest.mark.service("postgresql", "mlflow")
def test_two_sweeps_at_once_on_a_server_over_postgresql(tmp_path, server_over_postgresql):
    from mlflow import MlflowClient

    url = server_over_postgresql
    there = ("tracking=server", f"tracking.uri={url}", "tracking.experiment=shared", "feedback=symmetric,random")
    arguments = [line(*short(*there, f"seed=range({first},{first + 4})")) for first in (0, 2)]
    with started(arguments[0], tmp_path) as one, started(arguments[1], tmp_path) as other:
        said = [sweep.communicate(timeout=PATIENCE)[0] for sweep in (one, other)]
    assert [one.returncode, other.returncode] == [0, 0], said
    client = MlflowClient(url)
    runs = client.search_runs(experiments(client, "shared"), max_results=1000)
    parents = [run for run in runs if run.data.tags.get("fa_sweep.kind") == "sweep"]
    assert len(parents) == 2, said
    assert not any("View run" in text for text in said)
    for parent in parents:
        below = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
        children = [run for run in below if "fa_sweep.kind" not in run.data.tags]
        assert len(below) == 10
        assert sorted(run.info.status for run in children) == ["FINISHED"] * 8
        assert parent.info.status == "FINISHED"
        assert all("accuracy" in run.data.metrics for run in children)
        assert [a.path for a in client.list_artifacts(parent.info.run_id)] == ["configs.csv"]


@pytest.mark.slow
def test_mlflow_is_not_imported_where_the_database_is_there(tmp_path):
    sweep = [sys.executable, "-X", "importtime", "-m", "fa_sweep", *short("seed=0,1")]
    loaded = []
    # The second command also has to create its experiment, but it finds the database there.
    for experiment in ("one", "two"):
        done = finished([*sweep, f"tracking.experiment={experiment}"], tmp_path)
        assert done.returncode == 0, done.stderr
        lines = done.stderr.splitlines()
        loaded.append({line.rsplit("|", 1)[-1].strip() for line in lines if line.startswith("import time:")})
    assert "mlflow" in loaded[0]
    assert not {"mlflow", "pandas", "seaborn", "scipy.stats"} & loaded[1]
    assert "sqlalchemy" in loaded[1]


def test_an_unknown_schema_goes_through_the_client(fa_sweep, monkeypatch):
    assert fa_sweep(*short("seed=0,1")) == 0
    uri = f"sqlite:///{Path('outputs/mlflow.db').absolute()}"
    assert schema.open_tables(uri, 30) is not None
    monkeypatch.setitem(schema.PROVED_COLUMNS, "runs", (*schema.PROVED_COLUMNS["runs"], "colour"))
    assert schema.open_tables(uri, 30) is None
    assert isinstance(stores.open_store(uri, "other", Path("outputs")), ClientStore)


def test_runs_that_a_client_left_half_made_are_made_whole(fa_sweep, monkeypatch):
    from mlflow import MlflowClient

    with monkeypatch.context() as patch:
        patch.setattr(stores, "open_tables", lambda *_, **__: None)
        patch.setattr(ClientStore, "_log_values", lambda *a: (_ for _ in ()).throw(ConnectionError("gone")))
        assert fa_sweep(*short("seed=range(3)")) == 0
    (sweep,) = all_sweeps()
    assert not sweep.tracked
    monkeypatch.setattr(type(sweep), "is_running", False)
    assert fa_sweep(*short("seed=9")) == 0
    client = MlflowClient(f"sqlite:///{Path('outputs/mlflow.db').absolute()}")
    children = client.search_runs(experiments(client)[1:], f"tags.`fa_sweep.sweep` = '{sweep.id}' and params.seed LIKE '%'")
    assert sorted(run.info.run_name for run in children) == ["random-s000", "random-s001", "random-s002"]
    assert {run.info.status for run in children} == {"FINISHED"}
    assert all(len(client.get_metric_history(run.info.run_id, "loss")) == 5 for run in children)


POINTS = {"full": 5, "thin": 3, "none": 1}


@pytest.mark.parametrize("history", POINTS)
def test_histories_as_full_as_asked_for(fa_sweep, monkeypatch, history, capfd):
    from mlflow import MlflowClient

    monkeypatch.setattr(content, "THIN_POINTS", 3)
    assert fa_sweep(*short("seed=0,1", f"tracking.history={history}")) == 0
    client = MlflowClient(f"sqlite:///{Path('outputs/mlflow.db').absolute()}")
    (run,) = client.search_runs(experiments(client)[1:], "params.seed = '1'")
    points = sorted((p.step, p.value) for p in client.get_metric_history(run.info.run_id, "loss"))
    (sweep,) = all_sweeps()
    record = sweep.records()[run.data.tags["fa_sweep.run_id"]]
    whole = list(zip(record.steps.tolist(), record.metrics["loss"].tolist(), strict=True))
    assert points == {"full": whole, "thin": whole[::2], "none": whole[-1:]}[history]
    assert run.data.metrics["loss"] == whole[-1][1]
    # If a command asks for a fuller history, the sweep is imported again. Otherwise the import has nothing to do.
    capfd.readouterr()
    assert fa_sweep(*short("seed=0,1", "tracking.history=thin")) == 0
    assert ("already holds this sweep" in capfd.readouterr().out) == (history in ("full", "thin"))


def test_history_by_size_is_said(fa_sweep, monkeypatch, capfd):
    monkeypatch.setattr(content, "AUTO_BYTES", 70_000)
    monkeypatch.setattr(content, "THIN_POINTS", 3)
    assert fa_sweep(*short("seed=0,1")) == 0
    assert "MLflow gets" not in capfd.readouterr().out
    assert fa_sweep(*short("seed=range(4)")) == 0
    assert "MLflow gets 3 points of each history" in capfd.readouterr().out
    assert fa_sweep(*short("seed=range(30)")) == 0
    out = " ".join(capfd.readouterr().out.split())
    assert "MLflow gets last values alone: whole ones would take 0.0 GB; tracking.history=full sends them" in out


def test_thin_histories_are_no_ground_for_statistics(fa_sweep, capfd):
    from fa_sweep.errors import ConfigError
    from fa_sweep.report.mlflow_frames import from_mlflow

    assert fa_sweep(*short("seed=0,1", "tracking.history=thin")) == 0
    with pytest.raises(ConfigError, match="thin histories"):
        from_mlflow("sqlite:///outputs/mlflow.db", "fa_sweep")
