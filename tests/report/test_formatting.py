"""How numbers are formatted for readers."""

import math

import pytest

from fa_sweep.report.formatting import estimate, median_steps, number, p_value, percent, percent_range, points, rounded, steps


@pytest.mark.parametrize(
    ("fraction", "text"),
    [
        (0, "0 %"),
        (1, "100 %"),
        (199 / 200, "99.5 %"),
        (1 / 200, "1 %"),
        (1 / 250, "0.4 %"),
        (0.145, "15 %"),
        (0.125, "13 %"),
        (0.9999, "99.99 %"),
    ],
)
def test_only_all_is_100_percent_and_only_none_0(fraction, text):
    assert percent(fraction) == text


def test_halves_go_away_from_zero():
    assert [rounded(v) for v in (0.5, 1.5, 2.5, -0.5, -2.5)] == ["1", "2", "3", "-1", "-3"]
    assert [points(v) for v in (0.005, 0.125, -0.125, 0.0, 0.999, -1)] == ["+0.5", "+13", "-13", "0", "+99.9", "-100"]
    assert [number(v) for v in (2.345, 0.0, 1e-9, 123456, math.inf, math.nan)] == ["2.35", "0", "1.00e-9", "123456", "inf", "-"]


def test_estimates_are_as_exact_as_their_intervals():
    assert estimate(0.1534, 0.0917, 0.2081) == "0.15 (0.09 to 0.21)"
    assert estimate(3141.6, 2624.2, 3660.4) == "3142 (2624 to 3660)"
    assert estimate(-0.15, -0.21, -0.09, signed=True) == "-0.15 (-0.21 to -0.09)"
    assert estimate(0.15, 0.09, 0.21, signed=True) == "+0.15 (+0.09 to +0.21)"
    assert estimate(1.0, math.nan, math.nan) == "1"
    assert percent_range(0.9, 1.0) == "90-100"


def test_steps_and_p_values():
    assert [steps(v) for v in (100.0, 250.5, math.inf, math.nan)] == ["100", "250.5", "never", "-"]
    assert median_steps(200.0, 100.0, math.inf) == "200 (100 or more)"
    assert median_steps(math.inf, math.inf, math.inf) == "not reached"
    assert [p_value(p) for p in (0.0004, 0.012, 0.05, 1.0)] == ["< 0.001", "= 0.012", "= 0.05", "= 1"]
