"""Stopping rules: what they decide, how looks build on each other, what they refuse, and that they keep their level."""

import math

import numpy as np
import pytest

from fa_sweep.decisions.rules import (
    DECIDED,
    DIFFERENCE,
    DIFFERS,
    EQUIVALENCE,
    EQUIVALENT,
    FINAL,
    FRACTION,
    NARROW,
    OPEN,
    TIME,
    WIDTH,
    Rule,
    look,
    looks,
    seeds_left,
)
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
    assert seeds_left(Rule(DIFFERENCE, FRACTION), empty, PAIR) is None
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


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "differense"}, "the rule's kind is 'differense'; did you mean difference?"),
        ({"outcome": "loss"}, "the rule's outcome is 'loss'; choose one of fraction, time, final"),
        ({"kind": WIDTH, "outcome": FINAL, "width": 0.1}, "the rule's kind is 'width'; a final metric has no bounds"),
        ({"kind": EQUIVALENCE}, "the rule's margin is not set; the kind 'equivalence' needs it"),
        ({"kind": DECIDED, "margin": -0.1}, "the rule's margin is -0.1; it must be positive"),
        ({"kind": WIDTH, "width": 1.0}, "the rule's width is 1.0; it must be below 1"),
        ({"margin": 0.1}, "the rule's margin is 0.1, but the kind 'difference' does not use it; leave it out"),
        ({"alpha": 0.0}, "the rule's alpha is 0.0; it must lie between 0 and 1"),
        ({"alpha": math.nan}, "the rule's alpha is nan; it must lie between 0 and 1"),
    ],
)
def test_rules_that_are_refused(fields, message):
    with pytest.raises(ConfigError) as caught:
        Rule(**{"kind": DIFFERENCE, "outcome": FRACTION} | fields)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


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


def test_the_words_of_a_rule():
    assert Rule(DIFFERENCE, FINAL).words() == "the interval of every comparison excludes 1/2"
    assert Rule(DECIDED, TIME, margin=0.1).words() == "the interval of every comparison excludes 0 or lies between -0.1 and 0.1"
    assert Rule(WIDTH, FRACTION, width=0.2).words() == "every group's interval of its fraction is narrower than 0.2"
    assert "is at 98.33 %" in Rule(DIFFERENCE, FRACTION).family(4, 3)
    assert "is at 98.75 %" in Rule(WIDTH, FRACTION, width=0.2).family(4, 3)
    assert "Bonferroni" not in Rule(DIFFERENCE, FRACTION).family(2, 1)


@pytest.mark.parametrize(
    "rule",
    [
        Rule(DIFFERENCE, FRACTION),
        Rule(WIDTH, FRACTION, width=0.2),
        Rule(DECIDED, FRACTION, margin=0.3),
        Rule(DIFFERENCE, FINAL),
    ],
    ids=lambda rule: f"{rule.kind}-{rule.outcome}",
)
def test_seeds_left_is_right_if_the_runs_go_on_as_before(rule):
    block = {"a": np.array([1.0, 1, 1, 1, 0]), "b": np.array([1.0, 0, 1, 0, 1])}
    seen = {group: np.tile(values, 4) for group, values in block.items()}
    left = seeds_left(rule, seen, PAIR)
    assert left > 0
    whole = {group: np.tile(values, 400) for group, values in block.items()}
    assert look(rule, {group: values[: 20 + left + 10] for group, values in whole.items()}, PAIR).stop
    assert not look(rule, {group: values[: 20 + left - 10] for group, values in whole.items()}, PAIR).stop


def test_seeds_left_at_the_ends():
    same = drawn(50, a=0.5) | drawn(50, b=0.5)
    assert seeds_left(Rule(DIFFERENCE, FRACTION), same, PAIR) is None  # no difference so far
    assert seeds_left(Rule(EQUIVALENCE, FRACTION, margin=0.3), same, PAIR) == 0
    assert seeds_left(Rule(EQUIVALENCE, FRACTION, margin=0.001), same, PAIR, most=200) is None


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
