"""Random streams are keyed by purpose, and distributions have the shape that their names promise."""

import itertools

import numpy as np
import pytest

from fa_sweep.numerics.distributions import DISTRIBUTIONS, draw
from fa_sweep.numerics.streams import PURPOSES, stream, streams


def test_every_key_has_a_stream_of_its_own():
    keys = itertools.product((0, 1, 2**32, 2**32 + 1, 2**62), PURPOSES, (0, 1, 2), (0, 1))
    firsts = [tuple(stream(*key).integers(2**63, size=2).tolist()) for key in keys]
    assert len(set(firsts)) == len(firsts)


def test_a_stream_is_the_same_again():
    assert np.array_equal(stream(3, "init", 2).standard_normal(5), stream(3, "init", 2).standard_normal(5))


def test_streams_of_many_seeds_are_those_of_each():
    edges = [0, 1, 2**31, 2**32 - 1, 2**32, 2**32 + 1, 2**62, 2**63 - 1, 2**64 - 1]
    for seeds in ([*edges, *range(2, 1000, 7)], edges, []):
        for key in itertools.product(PURPOSES, (0, 1, 300), (0, 2**31)):
            drawn = [g.integers(2**63, size=2).tolist() for g in streams(seeds, *key)]
            assert drawn == [stream(seed, *key).integers(2**63, size=2).tolist() for seed in seeds]


def test_purposes_keep_their_numbers():
    first = {"init": 0, "order": 1, "task": 2, "feedback": 3, "mirror": 4, "evaluation": 5}
    assert {**first, "chance_at_first": 6, "chance_at_last": 7} == PURPOSES


@pytest.mark.parametrize(
    ("name", "deviation", "limit"),
    [
        ("normal", 1.0, np.inf),
        ("uniform", 1 / np.sqrt(3), 1.0),
        ("he", np.sqrt(2 / 50), np.inf),
        ("xavier", np.sqrt(2 / 250), np.sqrt(6 / 250)),
        ("orthogonal", 1 / np.sqrt(200), 1.0),
    ],
)
def test_moments(name, deviation, limit):
    unit = draw(name, stream(0, "init"), 40, 200, 50)
    assert abs(unit.mean()) < 4 * deviation / np.sqrt(unit.size)
    assert abs(unit.std() / deviation - 1) < 0.01
    assert np.abs(unit).max() <= limit


@pytest.mark.parametrize("shape", [(7, 4), (4, 7), (5, 5), (1, 6)])
def test_orthogonal(shape):
    unit = draw("orthogonal", stream(1, "init"), 3, *shape)
    for matrix in unit:
        gram = matrix @ matrix.T if shape[0] <= shape[1] else matrix.T @ matrix
        np.testing.assert_allclose(gram, np.eye(min(shape)), atol=1e-12)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_draws_do_not_depend_on_how_they_are_cut(name):
    whole = draw(name, stream(5, "feedback"), 6, 4, 3)
    generator = stream(5, "feedback")
    pieces = np.concatenate([draw(name, generator, n, 4, 3) for n in (1, 3, 2)])
    assert np.array_equal(whole, pieces)
