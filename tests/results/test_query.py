"""The query language: what it selects, what it refuses, and that it never runs anything."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fa_sweep.errors import ConfigError
from fa_sweep.results.query import parse

ROW = {
    "task.name": "xor", "outcome": "converged", "train.lr": 0.1, "seed": 3, "model.hidden": [10, 10], "at_end": True,
    "diverged_at_step": math.nan, "final.angle_deg/gradient": 12.5, "name": "a 'b' \\ c", "reused": False,
    "feedback.scale": None,
}  # fmt: skip
TRUE = [
    "task.name == 'xor'",
    'task.name == "xor" and outcome == "converged"',
    "train.lr < 0.2 and train.lr <= 0.1 and train.lr > 1e-3 and train.lr >= .1",
    "0.01 <= train.lr < 1",
    "outcome in ['converged', 'diverged']",
    "outcome not in ['diverged']",
    "not outcome == 'diverged'",
    "not not at_end",
    "seed == 3 or nothing == 1",
    "seed == 3.0",
    "at_end and not reused",
    "at_end == true and reused == false",
    "model.hidden == [10, 10]",
    "diverged_at_step == null",
    "diverged_at_step == nan",
    "feedback.scale == null",
    "final.angle_deg/gradient > 12",
    "'gradient' in 'angle/gradient'",
    "name == 'a \\'b\\' \\\\ c'",
    "(seed == 1 or seed == 3) and (at_end)",
    "seed == 1 or seed == 2 or not (seed == 1 and at_end)",
    "seed != 'xor'",
    "nothing != 3",
    "seed > -1",
    "seed in [1, 2, 3]",
    "10 in model.hidden",
    "train.lr < inf",
    "train.lr > -inf",
]
FALSE = [
    "task.name == 'XOR'", "seed > 'a'", "seed < null", "train.lr == '0.1'", "nothing", "nothing == 3", "nothing < 3",
    "diverged_at_step > 0", "at_end > 0", "at_end == 1", "outcome", "name in []", "seed == 1 and at_end or reused",
    "1 < seed < 3", "not seed != 4", "task.name in 'orx'", "3 in seed",
]  # fmt: skip
WRONG = {
    "": "it is empty",
    "   ": "it is empty",
    "seed = 3": "write == for equal",
    "seed ==": "ends where a value should stand",
    "== 3": "stands where a value should stand",
    "seed == 3 4": "one too many",
    "(seed == 3": "a closing ) is missing",
    "seed in [1, 2": "a closing ] is missing",
    "outcome == 'x": "the quote is not closed",
    "seed & 3": "cannot be read",
    "__import__('os')": "one too many",
    "seed == 3; import os": "cannot be read",
    "(" * 1000 + "1" + ")" * 1000: "levels deep",
    "[" * 1000: "levels deep",
    "not " * 3000: "characters",
    "seed == 1 or " * 9000: "characters",
    "seed == 3 AND at_end": "the words are and, or, not, in",
    "seed == 3 && at_end": "the words are and, or, not, in",
    "and": "stands where a value should stand",
    "seed not 3": "one too many",
}


@pytest.mark.parametrize("query", TRUE)
def test_it_selects(query):
    assert parse(query).selects(ROW) is True


@pytest.mark.parametrize("query", FALSE)
def test_it_does_not_select(query):
    assert parse(query).selects(ROW) is False


@pytest.mark.parametrize(("query", "said"), WRONG.items(), ids=[str(n) for n in range(len(WRONG))])
def test_a_malformed_query_gets_one_line(query, said):
    with pytest.raises(ConfigError) as refused:
        parse(query)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 300


def test_an_unknown_name_gets_a_suggestion_or_quotes():
    parse("task.name == 'xor'").check_names(ROW)
    with pytest.raises(ConfigError, match=r"anything called task.nam; did you mean task.name\?"):
        parse("task.nam == 'xor'").check_names(ROW)
    with pytest.raises(ConfigError, match=r"anything called converged; if it is a text, quote it: 'converged'"):
        parse("outcome == converged").check_names(ROW)


@given(st.text(max_size=60))
def test_any_text_is_a_query_or_refused(text):
    try:
        query = parse(text)
    except ConfigError:
        return
    assert query.selects(ROW) in (True, False)


TOKENS = ["seed", "and", "or", "not", "in", "==", "<", "(", ")", "[", "]", ",", "3", "'a'", "null", "train.lr"]


@given(st.lists(st.sampled_from(TOKENS), max_size=14))
def test_any_row_of_tokens_is_a_query_or_refused(tokens):
    try:
        query = parse(" ".join(tokens))
    except ConfigError:
        return
    assert query.selects(ROW) in (True, False)
