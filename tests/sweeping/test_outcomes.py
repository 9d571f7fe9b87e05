"""Outcomes of runs and the console's estimates agree with plain definitions and with SciPy."""

import math

import numpy as np
import pytest
from scipy import stats

from fa_sweep.sweeping.outcomes import Outcome, events, median_time, wilson_interval

STEPS = np.arange(8) * 100


@pytest.mark.parametrize(
    ("history", "reach", "convergence", "at_end", "outcome"),
    [
        ([0, 0, 1, 1, 1, 1, 1, 1], 200, 200, True, Outcome.CONVERGED),
        ([0, 1, 0, 1, 1, 1, 1, 1], 100, 300, True, Outcome.CONVERGED),
        # The threshold is held for four evaluations, not for the required five.
        ([0, 1, 0, 0, 1, 1, 1, 1], 100, math.nan, True, Outcome.NOT_CONVERGED),
        ([1, 1, 1, 1, 1, 1, 1, 1], 0, 0, True, Outcome.CONVERGED),
        ([1, 1, 1, 1, 1, 1, 1, 0], 0, math.nan, False, Outcome.NOT_CONVERGED),
        ([0, 0, 0, 0, 0, 0, 0, 0], math.nan, math.nan, False, Outcome.NOT_CONVERGED),
    ],
)
def test_events(settings, history, reach, convergence, at_end, outcome):
    found = events(settings(), STEPS, np.array(history, dtype=float), -1)
    assert found.outcome == outcome
    assert found.at_end is at_end
    np.testing.assert_equal([found.first_reach_step, found.convergence_step], [reach, convergence])
    assert math.isnan(found.diverged_at_step)
    assert found.horizon_step == 300  # the last step from which the threshold can be held for five evaluations


def test_a_diverged_run_never_converged_whatever_came_before(settings):
    history = np.array([1.0, 1, 1, 1, 1, 1, np.nan, np.nan])
    found = events(settings(), STEPS, history, 555)
    assert (found.outcome, found.first_reach_step, found.diverged_at_step, found.at_end) == (Outcome.DIVERGED, 0, 555, False)
    assert math.isnan(found.convergence_step)


def test_a_criterion_from_above(settings):
    run = settings("task.success.metric=loss", "task.success.direction=at_most", "task.success.value=0.1")
    found = events(run, STEPS, np.array([1, 0.5, 0.2, 0.1, 0.09, 0.01, 0.001, 0.0]), -1)
    assert (found.outcome, found.convergence_step) == (Outcome.CONVERGED, 300)


def test_fewer_evaluations_than_hold(settings):
    found = events(settings("train.hold=9"), STEPS, np.ones(8), -1)
    assert found.outcome == Outcome.NOT_CONVERGED
    assert math.isnan(found.horizon_step)


@pytest.mark.parametrize("n", [1, 2, 10, 50, 1000])
def test_wilson_against_scipy(n):
    for k in {0, 1, n // 3, n - 1, n}:
        expected = stats.binomtest(k, n).proportion_ci(method="wilson")
        np.testing.assert_allclose(wilson_interval(k, n), (expected.low, expected.high), atol=1e-12)
    assert all(math.isnan(bound) for bound in wilson_interval(0, 0))


def test_median_time_against_kaplan_meier():
    generator = np.random.default_rng(0)
    for _ in range(200):
        n = int(generator.integers(1, 12))
        times = generator.integers(0, 6, n) * 100.0
        times[generator.random(n) < 0.4] = np.nan
        event = np.isfinite(times)
        curve = stats.ecdf(stats.CensoredData(uncensored=times[event], right=np.full((~event).sum(), 500.0))).sf
        reached = curve.quantiles[curve.probabilities <= 0.5 + 1e-12]
        expected = reached[0] if len(reached) else np.inf
        if not event.any():
            expected = np.inf
        # If the curve is flat at one half, R's survfit takes the middle of that stretch, and SciPy's quantile takes its start.
        after = np.unique(times[event & (times > expected)])
        if np.isclose(curve.evaluate(expected), 0.5) and len(after):
            expected = (expected + after[0]) / 2
        assert median_time(times) == expected
