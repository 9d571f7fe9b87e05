"""Plans: power and widths agree with enumeration, and seeds are the smallest number from which on a plan holds."""

import math

import numpy as np
import pytest
from scipy import stats

from fa_sweep.decisions import planning
from fa_sweep.decisions.planning import (
    discordance_of,
    mcnemar_power,
    refined,
    seeds_for_width,
    seeds_to_tell,
    sequential_seeds,
    wilson_half_widths,
)
from fa_sweep.decisions.sequences import log_e_of_pairs
from fa_sweep.errors import ConfigError
from fa_sweep.report.hypotheses import mcnemar
from fa_sweep.sweeping.outcomes import wilson_interval


def power_by_enumeration(n, p1, p2, discordance, alpha):
    """Sum the probabilities of all pairs of discordant counts at which the report's test rejects."""
    first, total = (discordance + p1 - p2) / 2, 0.0
    for wins in range(n + 1):
        for losses in range(n + 1 - wins):
            a, b = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
            a[:wins], b[wins : wins + losses] = True, True
            if mcnemar(a, b).p <= alpha:
                cells = [first, discordance - first, 1 - discordance]
                total += stats.multinomial.pmf([wins, losses, n - wins - losses], n, cells)
    return total


@pytest.mark.parametrize(
    ("p1", "p2", "discordance", "alpha"),
    [(0.9, 0.5, None, 0.05), (0.3, 0.8, 0.5, 0.05), (0.2, 0.6, 0.7, 0.2), (1.0, 0.0, None, 0.05), (0.5, 0.5, 1.0, 0.05)],
)
def test_the_power_of_mcnemars_test_is_that_of_an_enumeration(p1, p2, discordance, alpha):
    power = mcnemar_power(p1, p2, 12, discordance, alpha)
    assert len(power) == 13
    assert power[0] == 0
    for n in (1, 5, 6, 9, 12):
        assert power[n] == pytest.approx(power_by_enumeration(n, p1, p2, discordance_of(p1, p2, discordance), alpha), abs=1e-12)


def test_fractions_without_discordant_pairs_are_never_told_apart():
    assert (mcnemar_power(0.0, 0.0, 50) == 0).all()
    assert (mcnemar_power(0.4, 0.4, 50, 0.0) == 0).all()


@pytest.mark.parametrize(("p1", "p2", "discordance"), [(0.9, 0.7, None), (0.6, 0.9, 0.35), (1.0, 0.2, 0.8)])
def test_seeds_needed_are_the_smallest_number_from_which_on_the_power_is_enough(p1, p2, discordance):
    found = seeds_to_tell(p1, p2, 0.8, discordance)
    power = mcnemar_power(p1, p2, 4 * found.seeds, discordance)
    assert (power[found.seeds :] >= 0.8).all()
    assert power[found.seeds - 1] < 0.8
    assert found.n[-1] >= 2 * found.seeds


def test_the_saw_teeth_count():
    """If all pairs are discordant, the power falls at some n; the plan is not the first n at which it is enough."""
    power = mcnemar_power(0.7, 0.3, 200, 1.0)
    assert (np.diff(power) < 0).any()
    assert seeds_to_tell(0.7, 0.3, 0.8, 1.0).seeds > np.flatnonzero(power >= 0.8)[0]


def test_a_plan_may_need_more_seeds_than_it_looks_at(monkeypatch):
    monkeypatch.setattr(planning, "MOST_SEEDS", 300)
    assert seeds_to_tell(0.5, 0.52).seeds is None
    assert sequential_seeds(0.5, 0.52) is None
    assert seeds_for_width(0.01).seeds is None
    assert seeds_to_tell(0.5, 0.6, 0.8, 0.15).seeds < 300


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5, 0.8])
def test_the_expected_half_width_is_that_of_an_enumeration(fraction):
    widths = wilson_half_widths(40, fraction)
    for n in (1, 7, 40):
        bounds = np.array([wilson_interval(k, n) for k in range(n + 1)])
        halves = (bounds[:, 1] - bounds[:, 0]) / 2
        assert widths[n] == pytest.approx(stats.binom.pmf(np.arange(n + 1), n, fraction) @ halves)
    assert widths[0] == 0.5


def test_the_largest_half_width():
    for level in (0.95, 0.99):
        worst = wilson_half_widths(20, level=level)
        for n in (2, 10, 20):  # with an even n, half of the runs can have the event
            low, high = wilson_interval(n // 2, n, level)
            assert worst[n] == pytest.approx((high - low) / 2)
    assert seeds_for_width(0.05).seeds == math.ceil(stats.norm.ppf(0.975) ** 2 * (1 / 0.01 - 1))
    assert seeds_for_width(0.1, 0.9).seeds < seeds_for_width(0.1).seeds


def stopping(p1, p2, most, alpha=0.05):
    """Return the exact probability that the sequential sweep has stopped after each number of pairs, by dynamic programming."""
    discordant = p1 * (1 - p2) + p2 * (1 - p1)
    won, lost = p1 * (1 - p2), p2 * (1 - p1)
    counts = np.arange(most + 1)
    goes_on = log_e_of_pairs(counts[:, None], counts) < -math.log(alpha)
    chances, stopped = np.zeros((most + 1, most + 1)), [0.0]  # of each (wins, losses) without having stopped
    chances[0, 0] = 1.0
    for _ in range(most):
        after = chances * (1 - discordant)
        after[1:] += chances[:-1] * won
        after[:, 1:] += chances[:, :-1] * lost
        chances = after * goes_on
        stopped.append(1 - chances.sum())
    return np.array(stopped)


def test_the_sequential_sweep_against_dynamic_programming():
    found = sequential_seeds(0.9, 0.7)
    stopped = stopping(0.9, 0.7, found.most)
    assert stopped[-1] == pytest.approx(0.8, abs=0.02)
    assert found.mean == pytest.approx((1 - stopped[:-1]).sum(), rel=0.03)
    assert found.median == pytest.approx(np.searchsorted(stopped, 0.5), rel=0.05)


def test_a_simulated_power_is_refined_to_single_seeds():
    found = refined(lambda n: 1 - math.exp(-n / 50), 0.8)
    assert found.seeds == math.ceil(50 * math.log(5))
    assert (np.diff(found.n) > 0).all()
    assert found.n[-1] == 2 * found.seeds
    assert refined(lambda n: 0.5, 0.8, 1000).seeds is None
    uneven = refined(lambda n: 0.9 if n >= 40 and n not in (42, 44) else 0.1, 0.8)
    assert uneven.seeds == 45


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: seeds_to_tell(1.2, 0.5), "the first fraction is 1.2; it must lie between 0 and 1"),
        (lambda: seeds_to_tell(0.2, math.nan), "the second fraction is nan; it must lie between 0 and 1"),
        (lambda: seeds_to_tell(0.7, 0.7), "the fractions are 0.7 and 0.7; no number of seeds tells equal fractions apart"),
        (lambda: seeds_to_tell(0.9, 0.7, 1.0), "the power is 1.0; it must lie between 0 and 1, and be neither"),
        (lambda: seeds_to_tell(0.9, 0.7, alpha=0.0), "alpha is 0.0; it must lie between 0 and 1, and be neither"),
        (
            lambda: seeds_to_tell(0.9, 0.7, discordance=0.1),
            "the discordance is 0.1; with the fractions 0.9 and 0.7, it must lie ",
        ),
        (lambda: seeds_for_width(0.6), "the half-width is 0.6; it must lie between 0 and 0.5"),
        (lambda: seeds_for_width(0.1, -0.1), "the fraction is -0.1; it must lie between 0 and 1"),
    ],
)
def test_plans_that_are_refused(call, message):
    with pytest.raises(ConfigError) as caught:
        call()
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_the_power_of_mcnemars_test_in_a_simulation():
    n, generator, rejected = 71, np.random.default_rng(5), 0
    for _ in range(4000):
        rejected += mcnemar(generator.random(n) < 0.9, generator.random(n) < 0.7).p <= 0.05
    assert rejected / 4000 == pytest.approx(mcnemar_power(0.9, 0.7, n)[n], abs=0.02)
