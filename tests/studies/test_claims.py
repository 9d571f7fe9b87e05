"""The rule that turns an interval into a verdict, the kinds of prior knowledge, and the intervals of medians."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fa_sweep.report.intervals import FEWEST_FOR_A_MEDIAN as FEWEST
from fa_sweep.report.intervals import median_interval
from fa_sweep.studies.base import first_below, fraction_estimate, median_estimate, stays_below
from fa_sweep.studies.claims import (
    CONFIRMED,
    NOT_DECIDED,
    NOTHING,
    REFUTED,
    Check,
    Claim,
    Estimate,
    Kind,
    Known,
    Region,
    above,
    below,
    claim,
    decide,
    expected,
    independent,
    published,
    shown,
)


@pytest.mark.parametrize(
    ("low", "high", "region", "verdict"),
    [
        (0.1, 0.4, above(0), CONFIRMED),
        (-0.1, 0.4, above(0), NOT_DECIDED),
        (0.0, 0.4, above(0), NOT_DECIDED),  # an interval that starts at the bound does not lie above it
        (-0.4, 0.0, above(0), REFUTED),
        (0.0, 0.0, above(0), REFUTED),
        (1.0, 2.0, below(3), CONFIRMED),
        (3.0, 4.0, below(3), REFUTED),
        (2.0, math.inf, below(3), NOT_DECIDED),
        (math.inf, math.inf, below(3), REFUTED),  # the runs never converged
        (26.0, 29.0, Region(25, 30), CONFIRMED),
        (24.0, 29.0, Region(25, 30), NOT_DECIDED),
        (20.0, 24.0, Region(25, 30), REFUTED),
        (31.0, 34.0, Region(25, 30), REFUTED),
        (20.0, 40.0, Region(25, 30), NOT_DECIDED),
        (math.nan, math.nan, above(0), NOT_DECIDED),
    ],
)
def test_the_rule(low, high, region, verdict):
    assert decide(low, high, region) == verdict


def test_five_against_two_of_eight_decide_nothing():
    wins = fraction_estimate("runs", [True] * 5 + [False] * 3)
    assert claim("most", NOTHING, wins, above(0.5, "percent")).verdict == NOT_DECIDED


def test_a_claim_of_several_parts():
    def check(low, high):
        return Check(Estimate("x", (low + high) / 2, low, high, "n = 9"), above(0))

    assert Claim("all", NOTHING, (check(1, 2), check(3, 4))).verdict == CONFIRMED
    assert Claim("all", NOTHING, (check(1, 2), check(-1, 4))).verdict == NOT_DECIDED
    assert Claim("all", NOTHING, (check(-1, 2), check(-2, -1))).verdict == REFUTED
    with pytest.raises(ValueError, match="no check"):
        Claim("none", NOTHING, ())


def test_known_says_where_it_comes_from():
    assert str(published("2.1 %", "Lillicrap et al., 2016, fig. 2")).startswith("published: 2.1 % (")
    assert "an independent implementation: 0.085" in str(independent("0.085", "a script"))
    assert str(expected("a theorem says so")) == "expected: a theorem says so"
    assert str(NOTHING) == "-"
    for bad in (
        lambda: published("2.1 %", "Lillicrap et al., 2016"),  # names no figure or table
        lambda: independent("0.085", ""),
        lambda: Known(Kind.EXPECTED),
        lambda: Known(Kind.NONE, "0.1"),
    ):
        with pytest.raises(ValueError, match=r"source|value"):
            bad()


@pytest.mark.parametrize("n", [6, 7, 10, 20, 29, 30, 100, 200])
def test_the_interval_of_a_median_covers_exactly(n):
    low, high = median_interval(np.arange(n))
    k = int(low) + 1
    assert high == n - k  # the interval is symmetric
    assert 1 - 2 * stats.binom.cdf(k - 1, n, 0.5) >= 0.95
    assert 1 - 2 * stats.binom.cdf(k, n, 0.5) < 0.95  # no shorter interval has this coverage


def test_too_few_runs_have_a_range_and_no_interval():
    few = median_estimate("x", [3.0, 1.0, 2.0])
    assert math.isnan(few.low)
    assert "no interval; n = 3, range 1 to 3" in str(few)
    assert math.isnan(median_interval(np.arange(FEWEST - 1))[0])


def test_a_run_that_never_converges_counts_in_the_median():
    times = [100.0, 200.0, 300.0, *[math.inf] * 7]
    found = median_estimate("steps", times, "steps")
    assert math.isinf(found.value)
    assert str(found).startswith("not reached (95 % CI 200 to not reached")
    assert claim("soon", NOTHING, found, below(500, "steps")).verdict == NOT_DECIDED


def test_courses_are_judged_run_by_run():
    class Frames:
        runs = pd.DataFrame({"run_id": ["a", "b", "c"]})
        histories = pd.DataFrame(
            {"run_id": ["a"] * 3 + ["b"] * 3 + ["c"] * 3, "step": [0, 10, 20] * 3, "x": [9, 4, 3, 9, 4, 8, 9, 9, math.nan]}
        )

    assert list(first_below(Frames, "x", 5)) == [10, 10, math.inf]
    assert list(stays_below(Frames, "x", 5, 10)) == [True, False, False]


def test_numbers_as_text():
    assert shown(0.975, "percent") == "97.5 %"
    assert shown(0.98, "percent") == "98 %"
    assert shown(0.034, "points") == "+3.4"
    assert shown(math.nan, "plain") == "undefined"
    assert str(Region(25, 30)) == "between 25 and 30"
    with pytest.raises(ValueError, match="low end"):
        Region(2, 1)
