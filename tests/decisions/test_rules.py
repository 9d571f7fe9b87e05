"""Stopping rules: which are refused, and their words."""

import math

import pytest

from fa_sweep.decisions.rules import DECIDED, DIFFERENCE, EQUIVALENCE, FINAL, FRACTION, TIME, WIDTH, Rule
from fa_sweep.errors import ConfigError


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


def test_the_words_of_a_rule():
    assert Rule(DIFFERENCE, FINAL).words() == "the interval of every comparison excludes 1/2"
    assert Rule(DECIDED, TIME, margin=0.1).words() == "the interval of every comparison excludes 0 or lies between -0.1 and 0.1"
    assert Rule(WIDTH, FRACTION, width=0.2).words() == "every group's interval of its fraction is narrower than 0.2"
    assert "is at 98.33 %" in Rule(DIFFERENCE, FRACTION).family(4, 3)
    assert "is at 98.75 %" in Rule(WIDTH, FRACTION, width=0.2).family(4, 3)
    assert "Bonferroni" not in Rule(DIFFERENCE, FRACTION).family(2, 1)
