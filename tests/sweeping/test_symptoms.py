"""Why a run did not learn is told from its histories. Nothing is said of runs that learned, diverged or cannot be judged."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fa_sweep.engine.training import train
from fa_sweep.sweeping.folder import all_sweeps
from fa_sweep.sweeping.jobs import make_jobs
from fa_sweep.sweeping.shards import Record
from fa_sweep.sweeping.symptoms import Symptom, advice, symptoms

STEPS = np.array([0, 50, 100])


@pytest.fixture
def job(settings):
    (made,) = make_jobs([(settings("train.steps=101", "train.eval_every=50", "train.hold=1"), {}, ())])
    return made


def record(job, loss, *, accuracy=(0.5, 0.5, 0.5), dead=(0.0, 0.0), diverged=-1, steps=STEPS, output_range=math.nan):
    metrics = {"loss": np.array(loss), "accuracy": np.array(accuracy)}
    metrics |= {f"dead_fraction/layer_{n + 1}": np.array([0.0, 0.0, value]) for n, value in enumerate(dead)}
    return Record(job.run_id, steps, metrics, diverged, 0, 0.0, {}, output_range)


STILL, MOVING = (1.0, 1.001, 0.999), (1.0, 0.8, 0.7)
KNOWN = {
    "a run that learns": ({"loss": MOVING}, []),
    "a loss that stays": ({"loss": STILL}, [Symptom.UNMOVED]),
    "a loss that comes back": ({"loss": (1.0, 3.0, 1.0)}, []),
    "a dead layer": ({"loss": MOVING, "dead": (0.3, 1.0)}, [Symptom.DEAD]),
    "dead from the start": ({"loss": STILL, "dead": (1.0, 1.0)}, [Symptom.DEAD, Symptom.UNMOVED]),
    "some dead units": ({"loss": MOVING, "dead": (0.9, 0.9)}, []),
    "outputs alike": ({"loss": MOVING, "output_range": 1e-6}, [Symptom.CONSTANT]),
    "outputs that differ": ({"loss": MOVING, "output_range": 0.5}, []),
    "success in spite of it": ({"loss": STILL, "dead": (1.0, 1.0), "accuracy": (1.0, 1.0, 1.0)}, []),
    "divergence": ({"loss": (1.0, math.nan, math.nan), "dead": (0.0, math.nan), "diverged": 20}, []),
    "a first evaluation that is late": ({"loss": STILL, "steps": np.array([60, 80, 100])}, []),
}


@pytest.mark.parametrize(("histories", "expected"), KNOWN.values(), ids=KNOWN)
def test_symptoms_of_known_histories(job, histories, expected):
    assert symptoms(job, record(job, **histories)) == expected


def test_one_evaluation_tells_nothing_about_movement(job):
    single = replace(record(job, (1.0,)), steps=np.array([0]), metrics={"loss": np.ones(1), "accuracy": np.zeros(1)})
    assert symptoms(job, single) == []


def test_the_range_of_the_outputs_is_that_of_the_trained_network(settings):
    learned, dead = (settings("task=digits", "train=batch", "train.epochs=2", *more)
                     for more in (("feedback=symmetric", "init=xavier"), ("train.lr=1e-300", "init.scale=1e-9")))  # fmt: skip
    assert 1e-3 < train([learned]).output_range[0] < np.inf
    assert train([dead]).output_range[0] < 1e-3
    diverging = settings("train.lr=10", "train.steps=200", "train.loss=squared", "model.activation=linear")
    assert np.isnan(train([diverging]).output_range[0])


def test_a_single_run_and_a_sweep_say_what_to_try(fa_sweep, capfd):
    still = ("train.lr=1e-12", "train.steps=301", "train.eval_every=50")
    assert fa_sweep(*still) == 0
    said = "Not learned: random: the loss has moved by less than 1 %"
    assert said in capfd.readouterr().out
    assert fa_sweep(*still) == 0  # the same from the ledger
    assert said in capfd.readouterr().out
    assert fa_sweep("-m", *still, "feedback=random,symmetric", "seed=0,1") == 0
    out = " ".join(capfd.readouterr().out.split())
    assert "Not learned: random, 2 of 2 runs: the loss has moved" in out
    assert "another learning rate (train.lr=1e-12)" in out
    page = next(Path("outputs/reports").glob("*/report.md")).read_text()
    assert "Not learned: symmetric, 2 of 2 runs: the loss has moved" in page.replace("\\_", "_")


def test_shards_without_the_range_of_outputs_are_read(fa_sweep, capfd, monkeypatch):
    """Shards of earlier versions lack it. Their runs are reused, and nothing is said about their outputs."""
    from fa_sweep.sweeping import shards

    original = shards.table_bytes
    monkeypatch.setattr(
        shards, "table_bytes", lambda columns, *more: original({k: v for k, v in columns.items() if k != "output_range"}, *more)
    )
    assert fa_sweep("train.steps=51") == 0
    (single,) = [sweep for sweep in all_sweeps() if sweep.record.single]
    (found,) = single.records().values()
    assert math.isnan(found.output_range)
    assert not advice([], {})
    assert fa_sweep("train.steps=51") == 0
    assert "(from the ledger)" in capfd.readouterr().out
