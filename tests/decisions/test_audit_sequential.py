"""In a short run of `make audit-sequential`, sequences cover and rules keep their level. It notices if they do not."""

import math

import numpy as np
import pytest

from benchmarks import audit_sequential
from benchmarks.audit_sequential import Sequences, Table, counted, in_parts, of_differences, of_order, of_shares, wrong_claims
from fa_sweep.decisions.looks import DIFFERS, looks
from fa_sweep.decisions.rules import Rule
from fa_sweep.decisions.sequences import log_e_of_differences
from fa_sweep.report import intervals


@pytest.fixture(autouse=True)
def short_sweeps(monkeypatch):
    monkeypatch.setattr(audit_sequential, "MOST", 100)
    monkeypatch.setattr(audit_sequential, "LOOKS", np.arange(5, 101, 5))


def error(sweeps):
    return 4 * math.sqrt(0.05 * 0.95 / sweeps)


@pytest.mark.parametrize("sweeps", [40, pytest.param(400, marks=pytest.mark.slow)])
def test_a_sample_of_the_sequences(sweeps):
    found = dict(Sequences(sweeps).capitals())
    assert len(found) == 5
    for name, capitals in found.items():
        assert len(capitals) == 5
        for capital in capitals:
            assert capital.shape == (sweeps, 20)
            assert (capital.max(axis=1) >= math.log(20)).mean() <= 0.05 + error(sweeps), name


@pytest.mark.parametrize(("groups", "sweeps"), [(3, 30), *(pytest.param(g, 300, marks=pytest.mark.slow) for g in (2, 3, 12))])
def test_a_sample_of_the_rules(groups, sweeps):
    for name, simulation in wrong_claims(groups).items():
        wrong = in_parts(sweeps, intervals.generator("test", name), simulation)
        assert wrong.shape == (sweeps,)
        if not name.startswith("for comparison"):
            assert wrong.mean() <= 0.05 + error(sweeps), name


def test_the_audit_sees_a_sequence_that_does_not_cover(monkeypatch):
    honest = audit_sequential.log_capital
    monkeypatch.setattr(audit_sequential, "log_capital", lambda *arguments: honest(*arguments) + 3)
    missed = [(capital.max(axis=1) >= math.log(20)).mean() for capital in dict(Sequences(200).capitals())["fraction of runs"]]
    assert max(missed) > 0.05 + error(200)


def test_the_audit_looks_at_what_the_rules_look_at():
    """The simulated capitals are those of `looks` at the same runs."""
    generator = np.random.default_rng(4)
    ours, theirs = (generator.random((6, 100)) < 0.8).astype(float), (generator.random((6, 100)) < 0.5).astype(float)
    capital = of_differences(ours, theirs, 0.0)
    order = of_order(ours, theirs)
    for sweep in range(6):
        data = {"a": ours[sweep], "b": theirs[sweep]}
        found = looks(Rule("difference", "fraction"), data, [("a", "b")], audit_sequential.LOOKS)
        (one,) = found[-1].comparisons
        ever = capital[sweep] >= math.log(20)
        assert (one.verdict == DIFFERS) == ever.any()
        assert found[-1].n == (audit_sequential.LOOKS[ever.argmax()] if ever.any() else 100)
        assert capital[sweep, 9] == pytest.approx(log_e_of_differences(ours[sweep, :50] - theirs[sweep, :50]))
    assert order == pytest.approx(capital)
    assert of_shares(ours, 0.5).shape == (6, 20)
    assert counted(np.array([[1] * 100]), 2)[0, :, 1].tolist() == audit_sequential.LOOKS.tolist()


def test_a_table():
    assert Table(["a", "n"], {"x": ["1"]}).text() == "| a | n |\n| --- | ---: |\n| x | 1 |"
