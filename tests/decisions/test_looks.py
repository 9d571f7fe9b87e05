"""Looks: what they decide, how they build on each other, what they refuse, and that they keep their level."""

import math

import numpy as np
import pytest

from fa_sweep.decisions.looks import DIFFERS, EQUIVALENT, NARROW, OPEN, look, looks
from fa_sweep.decisions.rules import DECIDED, DIFFERENCE, EQUIVALENCE, FINAL, FRACTION, TIME, WIDTH, Rule
from fa_sweep.decisions.sequences import difference_interval, fraction_interval, log_e_of_pairs, mean_interval, win_interval
from fa_sweep.errors import ConfigError

PAIR = [("a", "b")]


def drawn(n, seed=0, **fractions):
    """Return independent values that are 0 or 1, with the given probability of 1 per group."""
    generator = np.random.default_rng(seed)
    return {group: (generator.random(n) < fraction).astype(float) for group, fraction in fractions.items()}


def test_a_look_at_fractions():
    data = drawn(80, a=0.9, b=0.6, c=0.7)
    now = look(Rule(DIFFERENCE, FRACTION), data, [("a", "b"), ("c", "b")])
    assert [one.group for one in now.groups] == ["a", "b", "c"]
    for one in now.groups:
        assert one.estimate == data[one.group].mean()
        assert (one.low, one.high) == pytest.approx(fraction_interval(int(data[one.group].sum()), 80, 1 - 0.05 / 3), abs=1e-9)
        assert one.verdict == ""
    for one in now.comparisons:
        differences = data[one.group] - data["b"]
        assert one.estimate == pytest.approx(differences.mean())
        assert (one.low, one.high) == pytest.approx(difference_interval(differences, 0.975), abs=1e-9)
        assert (one.wins, one.losses) == (int((differences > 0).sum()), int((differences < 0).sum()))
        log_e = log_e_of_pairs(one.wins, one.losses)
        assert one.log_e == pytest.approx(max(log_e, 0), abs=1e-9)
        assert one.p == pytest.approx(min(1, 2 * math.exp(-one.log_e)))
        assert (one.verdict == DIFFERS) == (one.p <= 0.05)
    assert [one.verdict for one in now.comparisons] == [DIFFERS, OPEN]
    assert not now.stop
    assert now.undecided == ["c against b"]


def test_a_look_at_times():
    generator = np.random.default_rng(2)
    data = {"a": np.minimum(generator.integers(1, 47, 60), 46) / 46, "b": np.ones(60)}
    now = look(Rule(DIFFERENCE, TIME), data, PAIR)
    assert (now.groups[0].low, now.groups[0].high) == pytest.approx(mean_interval(data["a"], 0.975), abs=1e-9)
    (one,) = now.comparisons
    assert (one.low, one.high) == pytest.approx(difference_interval(data["a"] - 1, 0.95), abs=1e-9)
    assert one.verdict == DIFFERS
    assert now.stop


def test_a_look_at_final_values():
    data = {"a": np.array([1.0, 2.0, 3.0, np.inf, np.inf, 5.0]), "b": np.array([2.0, 2.0, 4.0, np.inf, 1.0, 6.0])}
    (one,) = look(Rule(DIFFERENCE, FINAL), data, PAIR).comparisons
    assert (one.n, one.wins, one.losses, one.estimate) == (6, 1, 3, 0.25)  # equal infinite values are a tie
    assert (one.low, one.high) == pytest.approx(win_interval(1, 3), abs=1e-9)
    assert look(Rule(DIFFERENCE, FINAL), data, PAIR).groups[0].estimate == 4.0


def test_each_kind_decides():
    data = {"a": np.tile([1.0, 1, 1, 0], 100), "b": np.tile([1.0, 1, 1, 0], 100), "c": np.tile([1.0, 0, 0, 0], 100)}
    pairs = [("a", "b"), ("c", "b")]

    def verdicts(kind, **fields):
        now = look(Rule(kind, FRACTION, **fields), data, pairs)
        return [one.verdict for one in (now.groups if kind == WIDTH else now.comparisons)], now.stop

    assert verdicts(DIFFERENCE) == ([OPEN, DIFFERS], False)
    assert verdicts(EQUIVALENCE, margin=0.1) == ([EQUIVALENT, OPEN], False)
    assert verdicts(DECIDED, margin=0.1) == ([EQUIVALENT, DIFFERS], True)
    assert verdicts(WIDTH, width=0.2) == ([NARROW] * 3, True)
    assert verdicts(WIDTH, width=0.1) == ([OPEN] * 3, False)


def test_no_runs_and_one_run():
    empty = {"a": np.array([]), "b": np.array([])}
    now = look(Rule(DECIDED, FRACTION, margin=0.2), empty, PAIR)
    assert not now.stop
    assert (now.comparisons[0].low, now.comparisons[0].high, now.comparisons[0].p) == (-1, 1, 1)
    assert math.isnan(now.comparisons[0].estimate)
    assert math.isnan(now.groups[0].estimate)
    assert look(Rule(DIFFERENCE, FINAL), empty, PAIR).comparisons[0].p == 1
    one = {"a": np.array([1.0]), "b": np.array([0.0])}
    assert look(Rule(DIFFERENCE, FRACTION), one, PAIR).comparisons[0].p == 1
    assert look(Rule(DIFFERENCE, FINAL), {"a": np.zeros(50), "b": np.zeros(50)}, PAIR).comparisons[0].p == 1  # all are ties


def test_later_looks_build_on_earlier_ones():
    rule, data = Rule(DIFFERENCE, FRACTION), {"a": np.r_[np.ones(30), np.zeros(40)], "b": np.zeros(70)}
    data["b"][30:] = 1.0
    first = look(rule, {group: values[:30] for group, values in data.items()}, PAIR)
    alone, second = look(rule, data, PAIR), look(rule, data, PAIR, first)
    assert first.stop
    assert alone.comparisons[0].p == 1
    assert second.comparisons[0].p == first.comparisons[0].p
    assert second.comparisons[0].low >= first.comparisons[0].low
    assert [one.n for one in looks(rule, data, PAIR, [5, 10, 30, 70])] == [5, 10]  # the first ten pairs decide


def test_an_earlier_look_has_to_be_of_the_same_sweep():
    rule, data = Rule(DIFFERENCE, FRACTION), drawn(20, a=0.5, b=0.5)
    first = look(rule, data, PAIR)
    with pytest.raises(ValueError, match="earlier look"):
        look(Rule(DIFFERENCE, FRACTION, alpha=0.01), data, PAIR, first)
    with pytest.raises(ValueError, match="earlier look"):
        look(rule, {group: values[:10] for group, values in data.items()}, PAIR, first)
    with pytest.raises(ValueError, match="earlier look"):
        look(rule, data, [("b", "a")], first)


def test_data_that_are_refused():
    good = drawn(4, a=0.5, b=0.5)
    with pytest.raises(ConfigError, match=r"of group 'a' is 0.5 in 1 of its runs; it must be 0 or 1"):
        look(Rule(DIFFERENCE, FRACTION), good | {"a": np.array([0, 1, 0.5, 1])}, PAIR)
    with pytest.raises(ConfigError, match=r"is 1\.2 in 1 of its runs; it must lie between 0 and 1"):
        look(Rule(DIFFERENCE, TIME), good | {"a": np.array([0, 1.2, 0.5, 1])}, PAIR)
    with pytest.raises(ConfigError, match="is nan in 2 of its runs; it must be defined"):
        look(Rule(DIFFERENCE, FINAL), good | {"a": np.array([0, np.nan, np.nan, 1])}, PAIR)
    with pytest.raises(ConfigError, match="0 comparisons"):
        look(Rule(DIFFERENCE, FRACTION), good)
    with pytest.raises(ConfigError, match="0 groups"):
        look(Rule(WIDTH, FRACTION, width=0.1), {})
    with pytest.raises(ValueError, match="same seeds"):
        look(Rule(DIFFERENCE, FRACTION), good | {"a": np.zeros(3)}, PAIR)
    with pytest.raises(ValueError, match="two groups"):
        look(Rule(DIFFERENCE, FRACTION), good, [("a", "d")])


@pytest.mark.parametrize("draws", [20, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("rule", "wrong"),
    [
        (Rule(DIFFERENCE, FRACTION), DIFFERS),
        (Rule(DIFFERENCE, FINAL), DIFFERS),
        (Rule(DECIDED, FRACTION, margin=0.2), DIFFERS),
    ],
    ids=["difference", "final", "decided"],
)
def test_a_rule_finds_no_difference_where_there_is_none(rule, wrong, draws):
    pairs, errors = [("b", "a"), ("c", "a")], 0
    for draw in range(draws):
        found = looks(rule, drawn(160, seed=draw, a=0.7, b=0.7, c=0.7), pairs, range(20, 161, 20))
        errors += any(one.verdict == wrong for one in found[-1].comparisons)
    assert errors / draws <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / draws)
