"""The forecast of how many more seeds a rule needs."""

import numpy as np
import pytest

from fa_sweep.decisions.forecast import seeds_left
from fa_sweep.decisions.looks import look
from fa_sweep.decisions.rules import DECIDED, DIFFERENCE, EQUIVALENCE, FINAL, FRACTION, WIDTH, Rule

PAIR = [("a", "b")]


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
    same = dict.fromkeys("ab", np.tile([1.0, 0.0], 25))
    assert seeds_left(Rule(DIFFERENCE, FRACTION), same, PAIR) is None  # no difference so far
    assert seeds_left(Rule(DIFFERENCE, FRACTION), dict.fromkeys("ab", np.array([])), PAIR) is None
    assert seeds_left(Rule(EQUIVALENCE, FRACTION, margin=0.3), same, PAIR) == 0
    assert seeds_left(Rule(EQUIVALENCE, FRACTION, margin=0.001), same, PAIR, most=200) is None
