"""Plans by resampling a pilot's paired differences."""

import numpy as np
import pytest
from scipy import stats

from fa_sweep.decisions import signed_ranks
from fa_sweep.decisions.signed_ranks import seeds_by_resampling, signed_rank_p
from fa_sweep.errors import ConfigError
from fa_sweep.report.hypotheses import wilcoxon


def test_with_few_differences_the_p_value_is_exactly_that_of_the_report():
    generator = np.random.default_rng(1)
    samples = np.round(generator.normal(0.4, 1, (30, 9)), 1) * (generator.random((30, 9)) < 0.8)
    expected = [wilcoxon(sample, ("p",)).p for sample in samples]
    assert signed_rank_p(samples) == pytest.approx(expected, abs=1e-12)


def test_with_many_differences_the_p_value_is_close_to_that_of_the_report():
    generator = np.random.default_rng(2)
    samples = np.round(generator.normal(0.25, 1, (15, 40)) * (generator.random((15, 40)) < 0.7), 1)
    expected = [wilcoxon(sample, ("p",)).p for sample in samples]
    assert signed_rank_p(samples) == pytest.approx(expected, rel=0.1, abs=0.01)


def test_degenerate_samples():
    assert signed_rank_p(np.zeros((2, 7))) == pytest.approx([1, 1])
    assert signed_rank_p(np.array([[0.0, 0.0, 3.0]])) == pytest.approx([1])
    assert signed_rank_p(np.full((1, 6), 100.0)) == pytest.approx([2 / 64])
    assert signed_rank_p(np.array([[np.inf, np.inf, 1, 2, 3, 4]])) == pytest.approx([2 / 64])


def test_seeds_for_normal_differences():
    """Wilcoxon's test needs pi / 3 times the pairs of a t test, about."""
    pilot = stats.norm.ppf((np.arange(200) + 0.5) / 200) + 0.5
    expected = np.pi / 3 * ((stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) / 0.5) ** 2
    found = seeds_by_resampling(pilot)
    assert found.seeds == pytest.approx(expected, rel=0.12)
    assert (found.n[0], found.curve[0]) == (0, 0)


def test_a_pilot_without_a_difference_has_no_plan(monkeypatch):
    monkeypatch.setattr(signed_ranks, "MOST_PAIRS", 200)
    assert seeds_by_resampling(np.zeros(20)).seeds is None
    assert seeds_by_resampling(np.ones(20)).seeds == 6  # six equal differences are the fewest that can give p <= 0.05


def test_a_small_pilot_is_refused():
    with pytest.raises(ConfigError, match="the pilot has 4 pairs of runs; a plan needs at least 5"):
        seeds_by_resampling(np.ones(4))


@pytest.mark.slow
def test_the_power_is_that_of_the_reports_test():
    pilot = np.r_[np.zeros(10), np.linspace(-1.0, 2.0, 20)]
    seeds, generator = seeds_by_resampling(pilot).seeds, np.random.default_rng(3)
    rejected = [wilcoxon(generator.choice(pilot, seeds), (str(draw),)).p <= 0.05 for draw in range(1000)]
    assert np.mean(rejected) == pytest.approx(0.8, abs=0.05)
