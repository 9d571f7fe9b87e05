"""In a short run of `make audit`, intervals cover and tests keep their level, within the error of a small simulation."""

import math

import pytest

from benchmarks.audit import Audit, Row, table
from fa_sweep.report import hypotheses, intervals

# In small samples, no interval or test of the mean of strongly skewed values is as good as it claims (see docs/statistics.md).
SKEWED = ("difference of final means", "difference of mean areas", "equivalence of means")


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr(intervals, "RESAMPLES", 199)
    monkeypatch.setattr(hypotheses, "RESAMPLES", 199)


def assert_kept(row: Row, draws: int) -> None:
    for n, rates in row.rates.items():
        for population, rate in rates.items():
            if math.isnan(rate):
                continue
            error = 4 * math.sqrt(0.05 * 0.95 / draws)
            if row.what.startswith(SKEWED):
                continue
            if row.nominal == 0.05:
                assert rate <= 0.05 + error, (row.what, n, population)
            else:
                assert rate >= 0.92 - error, (row.what, n, population)


# The larger samples are spread over several tests, so that several workers share them.
SAMPLES = [(40, 10), *(pytest.param(200, n, marks=pytest.mark.slow) for n in (6, 20, 50))]


@pytest.mark.parametrize(("draws", "n"), SAMPLES)
def test_a_sample_of_the_audit(draws, n):
    rows = list(Audit(draws, (n,)).rows())
    assert len(rows) == 32
    for row in rows:
        assert_kept(row, draws)
    text = table(rows, draws)
    assert text.count("| n = 5 | n = 10 | n = 20 | n = 50 |") == 2
    assert all(f"| {row.what} |" in text for row in rows)


def test_the_audit_sees_an_interval_that_does_not_cover(monkeypatch):
    """The audit detects that a t interval, as for a plain mean, covers the restricted mean time too rarely."""
    monkeypatch.setattr(intervals, "restricted_mean_interval", lambda times, horizon: intervals.mean_interval(times))
    row = next(row for row in Audit(200, (10,)).rows() if row.what.startswith("restricted mean time"))
    assert min(row.rates[10].values()) < 0.85


@pytest.mark.slow
def test_the_audit_sees_a_test_that_rejects_too_often(monkeypatch):
    original = hypotheses.fisher

    def eager(a, b):
        tested = original(a, b)
        return hypotheses.Tested(tested.name, tested.p / 3, tested.least_p / 3)

    monkeypatch.setattr(hypotheses, "fisher", eager)
    row = next(row for row in Audit(200, (50,)).tests() if row.what == "Fisher exact")
    assert max(row.rates[50].values()) > 0.05 + 4 * math.sqrt(0.05 * 0.95 / 200)
