"""What MLflow holds of a sweep after an import, read back through MLflow's client."""

import json
import math
import shlex
from pathlib import Path

import numpy as np
import pytest
from support.commands import short
from support.processes import line, started
from support.services import closed_port
from support.store import experiments
from support.waiting import PATIENCE

from fa_sweep.sweeping.folder import Sweep, all_sweeps
from fa_sweep.tracking import content, stores
from fa_sweep.tracking.stores import patience
from fa_sweep.tracking.stores.client import ClientStore


def client():
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{Path('outputs/mlflow.db').absolute()}")


def read(experiment="fa_sweep"):
    """Return the parent runs and the single runs without a parent, and the child runs by name."""
    c = client()
    found = c.search_runs(experiments(c, experiment), max_results=1000)
    runs = [run for run in found if run.data.tags.get("fa_sweep.kind") != "group"]
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    return parents, {run.info.run_name: run for run in runs if "mlflow.parentRunId" in run.data.tags}


def test_one_parent_and_a_child_a_run(fa_sweep):
    assert fa_sweep(*short("feedback=symmetric,random", "seed=range(3)")) == 0
    (parent,), children = read()
    (sweep,) = all_sweeps()
    assert parent.info.run_name == sweep.id
    assert parent.info.status == "FINISHED"
    assert len(children) == 6
    child = children["random-s002"]
    assert child.info.status == "FINISHED"
    assert child.data.params["train.lr"] == "0.01"
    assert child.data.params["model.hidden"] == "[10, 10]"
    assert child.data.params["seed"] == "2"
    assert not any(key.startswith("tracking") for key in child.data.params)
    tags = child.data.tags
    assert tags["fa_sweep.sweep"] == sweep.id
    assert tags["outcome"] in ("converged", "not_converged", "diverged")
    assert shlex.split(tags["reproduce"])[:3] == ["python", "-m", "fa_sweep"]
    assert {"fa_sweep.run_id", "overrides", "git_commit", "git_dirty", "versions"} <= set(tags)
    record = sweep.records()[tags["fa_sweep.run_id"]]
    c = client()
    main = {"accuracy", "accuracy_sampled", "loss", "angle_deg/gradient"}
    main |= {f"angle_deg/signal_layer_{n}" for n in (1, 2)} | {f"angle_deg/weight_layer_{n}" for n in (2, 3)}
    for name, values in record.metrics.items():
        points = [(m.step, m.value) for m in c.get_metric_history(child.info.run_id, name)]
        expected = [(int(s), v) for s, v in zip(record.steps, values, strict=True) if not math.isnan(v)]
        assert sorted(points) == (expected if name in main or name.startswith("chance_deg/") else expected[-1:]), name
        if expected:
            assert child.data.metrics[name] == expected[-1][1]
    inputs = c.get_run(parent.info.run_id).inputs.dataset_inputs
    assert [i.dataset.name for i in inputs] == ["xor"]
    assert [a.path for a in c.list_artifacts(parent.info.run_id)] == ["configs.csv"]
    assert Path("outputs/artifacts/fa_sweep").is_dir()
    assert not Path("mlruns").exists()


def test_reproduce_reproduces(fa_sweep):
    assert fa_sweep(*short("feedback=random", "seed=0,1", "init.scale=0.5,1")) == 0
    _, children = read()
    child = children["random-init.scale=0.5-s001"]
    arguments = shlex.split(child.data.tags["reproduce"])[3:]
    assert fa_sweep(*arguments, "resume=false") == 0
    *_, single = all_sweeps()
    assert [job.run_id for job in single.jobs] == [child.data.tags["fa_sweep.run_id"]]


def test_a_configuration_folder_of_ones_own_is_part_of_the_command(fa_sweep, tmp_path):
    group = tmp_path / "my conf" / "feedback"
    group.mkdir(parents=True)
    own = "mode: random\ndistribution: uniform\nscale: 3.0\nmatch_norm: false\nsparsity: 0.0\nseed: null\n"
    (group / "wide.yaml").write_text(own)
    assert fa_sweep("--config-dir", "my conf", *short("feedback=wide,symmetric", "seed=0,1")) == 0
    (parent,), children = read()
    reproduce = shlex.split(children["random-feedback=wide-s001"].data.tags["reproduce"])
    assert f"--config-dir={tmp_path / 'my conf'}" in reproduce
    assert fa_sweep(*reproduce[3:]) == 0
    assert shlex.split(parent.data.tags["command"])[:6] == [
        "python",
        "-m",
        "fa_sweep",
        "--config-dir",
        str(tmp_path / "my conf"),
        "-m",
    ]


def test_a_preset_reproduces_one_run(fa_sweep, capfd):
    arguments = ("+experiment=seed_post", "feedback=random", "seed=0,1", "train.steps=101", "report=false")
    assert fa_sweep(*arguments) == 0
    _, children = read()
    reproduce = shlex.split(children["random-s001"].data.tags["reproduce"])
    assert reproduce[-1] == "hydra.mode=RUN"
    capfd.readouterr()
    assert fa_sweep(*reproduce[3:]) == 0
    assert "(from the ledger)" in capfd.readouterr().out


def test_complete_sweep_is_found_again_and_reused_runs_are_children_of_the_new_parent(fa_sweep, capfd):
    assert fa_sweep(*short("feedback=random", "seed=0,1")) == 0
    assert fa_sweep(*short("feedback=random", "seed=0,1")) == 0
    parents, _ = read()
    assert len(parents) == 1
    assert f"already holds this sweep, complete: run {parents[0].info.run_id}" in capfd.readouterr().out
    assert fa_sweep(*short("feedback=random", "seed=0,1,2")) == 0
    parents, _ = read()
    assert len(parents) == 2
    c = client()
    of_new = c.search_runs(experiments(c)[1:], f"tags.`mlflow.parentRunId` = '{parents[0].info.run_id}'")
    assert sorted(run.data.tags.get("fa_sweep.reused", "false") for run in of_new) == ["false", "true", "true"]
    assert fa_sweep(*short("feedback=random", "seed=0,1", "tracking.experiment=second")) == 0
    _, children = read("second")  # reused runs are added to an experiment that lacks them
    assert len(children) == 2


def test_an_import_that_was_cut_off_goes_on(fa_sweep, monkeypatch, capfd):
    """If MLflow fails after two runs, nothing is lost, and the next command imports the rest."""
    monkeypatch.setattr(stores, "open_tables", lambda *_, **__: None)
    original = ClientStore._add_one
    calls = []

    def dying(self, content, parent, child):
        calls.append(content)
        if len(calls) == 3:
            raise ConnectionError("server went away")
        return original(self, content, parent, child)

    monkeypatch.setattr(ClientStore, "_add_one", dying)
    assert fa_sweep(*short("feedback=random", "seed=range(4)")) == 0
    out, err = capfd.readouterr()
    assert "server went away" in err
    assert "random" in out  # the summary is still printed
    (sweep,) = all_sweeps()
    assert not sweep.tracked
    (parent,), children = read()
    assert parent.info.status == "RUNNING"
    assert len(children) == 2
    monkeypatch.setattr(type(sweep), "is_running", False)  # as if the sweep's process had ended
    assert fa_sweep(*short("feedback=random", "seed=9")) == 0
    assert f"{sweep.id}, left over by an earlier command, is now in MLflow" in capfd.readouterr().out
    parents, children = read()
    assert {p.info.status for p in parents} == {"FINISHED"}
    assert len(children) == 5


@pytest.fixture
def left_over(fa_sweep, monkeypatch):
    """A sweep of 150 runs whose command could not import it and has ended."""

    def broken(*_, **__):
        raise ConnectionError("server went away")

    with monkeypatch.context() as patch:
        patch.setattr(stores, "open_tables", broken)
        assert fa_sweep(*short("feedback=symmetric,random,rerandom", "seed=range(50)")) == 0
    (sweep,) = all_sweeps()
    return Sweep(sweep.folder)


@pytest.mark.slow
def test_two_commands_import_a_left_over_once(left_over, with_database):
    """Of two commands at once, exactly one imports a left-over sweep; the folder already has a database."""
    arguments = [line(*short("feedback=random", f"seed={seed},{seed + 1}")) for seed in (70, 80)]
    with started(arguments[0], with_database) as one, started(arguments[1], with_database) as other:
        said = [command.communicate(timeout=PATIENCE)[0] for command in (one, other)]
    assert [one.returncode, other.returncode] == [0, 0], said
    assert sum(f"{left_over.id}, left over by an earlier command, is now in MLflow" in text for text in said) == 1, said
    assert not any("Error" in text for text in said), said
    parents, children = read()
    assert len(parents) == 3
    assert len(children) == 154


def test_a_left_over_that_another_command_imports_is_left_to_it(left_over, fa_sweep, capfd):
    with left_over.claimed() as free:
        assert free
        assert fa_sweep(*short("seed=70,71")) == 0
    assert left_over.id not in capfd.readouterr().out
    assert not left_over.tracked
    assert fa_sweep(*short("seed=72,73")) == 0
    assert f"{left_over.id}, left over by an earlier command, is now in MLflow" in capfd.readouterr().out


@pytest.fixture
def nobody():
    """An address at which no server listens."""
    with closed_port() as port:
        yield f"http://127.0.0.1:{port}"


@pytest.mark.slow
def test_a_server_that_does_not_answer_is_asked_once_for_all_left_over(fa_sweep, capfd, monkeypatch, nobody):
    monkeypatch.setattr(patience, "PAUSE_S", 0.001)
    away = ("tracking=server", f"tracking.uri={nobody}")
    for seed in range(5):
        assert fa_sweep(*short(f"seed={seed},9", *away)) == 0
    ids = [sweep.id for sweep in all_sweeps()]
    monkeypatch.setattr(Sweep, "is_running", False)
    asked = []
    original = stores.connect
    monkeypatch.setattr(stores, "connect", lambda uri, *more: asked.append(uri) or original(uri, *more))
    capfd.readouterr()
    assert fa_sweep(*short("seed=7,8", *away)) == 0
    assert asked.count(nobody) == 2  # once for all left-over sweeps, once for the command's own sweep
    assert f"fa_sweep: {ids[0]}, {ids[1]}, {ids[2]} and 2 more are still not in MLflow: " in capfd.readouterr().err


def test_mlflow_out_of_reach_costs_no_training(fa_sweep, capfd, nobody):
    assert fa_sweep(*short("seed=0,1", "tracking=server", f"tracking.uri={nobody}")) == 0
    assert "MLflow did not take the runs" in capfd.readouterr().err
    (sweep,) = all_sweeps()
    assert len(sweep.records()) == 2


def test_nothing_is_cut_silently(fa_sweep, monkeypatch):
    """A parameter longer than MLflow's limit (here 100 characters) is flagged and kept whole in an artifact."""
    monkeypatch.setattr(content, "LONGEST_VALUE", 100)
    hidden = "[" + ",".join(["1"] * 60) + "]"
    assert fa_sweep("train.steps=2", "train.eval_every=1", "train.hold=1", f"model.hidden={hidden}") == 0
    (run,), _ = read()
    assert "whole in artifact" in run.data.params["model.hidden"]
    assert "model.hidden" in run.data.tags["fa_sweep.overlong"]
    text = client().download_artifacts(run.info.run_id, "overlong.json")
    whole = json.loads(Path(text).read_text())
    assert json.loads(whole["model.hidden"]) == [1] * 60


def test_a_long_command_is_kept_whole_on_the_parent(fa_sweep, monkeypatch):
    """A command that is too long for the parent's tag is kept whole in the parent's artifact."""
    monkeypatch.setattr(content, "LONGEST_VALUE", 100)
    assert fa_sweep(*short("seed=0,1", "train.lr=0.01,0.02,0.03")) == 0
    (parent,), _ = read()
    assert "command" in parent.data.tags["fa_sweep.overlong"]
    assert "whole in artifact" in parent.data.tags["command"]
    whole = json.loads(Path(client().download_artifacts(parent.info.run_id, "overlong.json")).read_text())
    assert whole["command"] == all_sweeps()[-1].record.command


def test_a_password_in_the_uri_stays_out(fa_sweep):
    assert fa_sweep(*short("seed=0,1", "tracking.uri='sqlite:///outputs/mlflow.db?timeout=31337'")) == 0
    (parent,), children = read()
    for run in [parent, *children.values()]:
        assert "31337" not in str(run.to_dictionary())
    for path in Path("outputs/artifacts").rglob("*.*"):
        assert b"31337" not in path.read_bytes()


def test_a_diverged_run_is_finished_and_logs_nothing_after(fa_sweep):
    wild = ("train.loss=squared", "model.activation=leaky_relu", "train.lr=0.5", "seed=1,2")
    assert fa_sweep(*short(*wild)) == 0
    _, children = read()
    run = children["random-s001"]
    assert run.data.tags["outcome"] == "diverged"
    assert run.info.status == "FINISHED"
    step = run.data.metrics["diverged_at_step"]
    points = client().get_metric_history(run.info.run_id, "loss")
    assert points
    assert max(p.step for p in points) < step
    assert np.isfinite([p.value for p in points]).all()
