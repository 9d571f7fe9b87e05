"""`make audit`: measure how often a report's intervals cover the truth, and how often its tests reject without a difference.

The runs are drawn from known populations, five per quantity, with n = 5, 10, 20 and 50 runs per group. The simulation is
seeded, so the table can be reproduced. Samples for which a report would show no interval are left out.
"""

import argparse
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
from scipy import stats

from fa_sweep.report import estimates, hypotheses, intervals
from fa_sweep.sweeping.outcomes import wilson_interval
from torture import page

Array = np.ndarray
Quantile = Callable[[Array], Array]
SIZES = (5, 10, 20, 50)
HORIZON = 4600.0
RESAMPLES = 999  # a report uses 9,999; the difference changes no rate by more than the simulation's own error
CORRELATION = 0.5  # between the normal scores of two runs with the same seed


def times_of(never: float, quantile: Quantile) -> Quantile:
    """Return the quantile function of restricted times.

    Args:
        never: the fraction of runs that have no event. The time of these runs is the horizon.
        quantile: the quantile function of the other runs' times, as fractions of the horizon. The times are rounded up to
            multiples of 100 steps, since a run is evaluated every 100 steps.
    """

    def whole(u: Array) -> Array:
        steps = np.ceil(quantile(np.clip(u / (1 - never), 0, 1 - 1e-9)) * HORIZON / 100) * 100
        return np.where(u >= 1 - never, HORIZON, np.minimum(steps, HORIZON - 100))

    return whole


TIMES: dict[str, Quantile] = {
    "all converge, skewed": times_of(0.0, lambda u: stats.lognorm.ppf(u, 0.6, scale=0.13)),
    "one in ten never": times_of(0.1, lambda u: stats.expon.ppf(u, scale=0.1)),
    "half never": times_of(0.5, lambda u: stats.expon.ppf(u, scale=0.15)),
    "nine in ten never": times_of(0.9, lambda u: stats.expon.ppf(u, scale=0.15)),
    "spread evenly": times_of(0.25, lambda u: u),
}
FINALS: dict[str, Quantile] = {
    "normal": lambda u: stats.norm.ppf(u, 0.9, 0.02),
    "skewed": lambda u: np.exp(stats.norm.ppf(u)),
    "two clusters": lambda u: np.where(
        u < 0.4, stats.norm.ppf(u / 0.4, 0.5, 0.03), stats.norm.ppf((u - 0.4) / 0.6, 0.95, 0.01)
    ),
    "ties at the top": lambda u: np.minimum(1.0, 1.06 - stats.expon.ppf(1 - u, scale=0.1)),
    "heavy tails": lambda u: stats.t.ppf(u, 3),
}
RATES = {"5 %": 0.05, "20 %": 0.2, "50 %": 0.5, "80 %": 0.8, "95 %": 0.95}


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        what: the interval or the test.
        rates: for each n and each population, the coverage of the interval or the rate of rejections of the test.
        nominal: what the rate should be, 0.95 for an interval and 0.05 for a test.
    """

    what: str
    rates: Mapping[int, Mapping[str, float]]
    nominal: float

    def cells(self) -> list[str]:
        """Return the lowest and the highest rate over the populations at each n, in percent; "-" if no rate is known."""
        return [_range(list(self.rates.get(n, {}).values())) for n in SIZES]


def _range(rates: Sequence[float]) -> str:
    known = [rate for rate in rates if not math.isnan(rate)]
    return f"{100 * min(known):.1f}-{100 * max(known):.1f}" if known else "-"


@cache
def middle(quantile: Quantile, function: Callable[[Array], float] = np.mean) -> float:
    """Return the mean of a population, or another functional of it, from two million evenly spaced quantiles."""
    return float(function(quantile((np.arange(2_000_000) + 0.5) / 2_000_000)))


def _median_of(quantile: Quantile) -> float:
    return float(quantile(np.array([0.5]))[0])


def _pairs(generator: np.random.Generator, n: int) -> tuple[Array, Array]:
    """Return two arrays (n,) of uniform scores, one per mode. Scores at the same index share a seed and are correlated."""
    first, second = generator.normal(size=(2, n))
    other = CORRELATION * first + math.sqrt(1 - CORRELATION**2) * second
    return stats.norm.cdf(first), stats.norm.cdf(other)


def _coverage(draws: int, interval: Callable[[int], intervals.Interval], truth: float) -> float:
    """Return the fraction of intervals that cover the truth. Samples without an interval are left out.

    Args:
        draws: the number of samples to draw.
        interval: draws a sample, given its index, and returns its interval; NaN if a report would show none.
        truth: the true value.

    Returns:
        The coverage; NaN if fewer than 5 % of the samples have an interval.
    """
    bounds = np.array([interval(draw) for draw in range(draws)])
    shown = ~np.isnan(bounds[:, 0])
    if shown.mean() < 0.05:
        return math.nan
    tolerance = 1e-9 * max(1.0, abs(truth))
    return float(((bounds[shown, 0] <= truth + tolerance) & (truth - tolerance <= bounds[shown, 1])).mean())


class Audit:
    """Simulates the coverage of all intervals and the rates of rejections of all tests.

    Args:
        draws: the number of samples per population and size. The bootstrap is slow, so it gets half as many,
            but at least 200.
        sizes: the numbers of runs per group.
    """

    def __init__(self, draws: int, sizes: Sequence[int] = SIZES) -> None:
        self.draws, self.sizes = draws, sizes

    def rows(self) -> Iterator[Row]:
        """Yield one row per interval, and then one row per test."""
        yield from self._fractions()
        yield from self._of_times()
        from benchmarks import audit_outcomes

        yield from self._of_finals()
        yield from audit_outcomes.coverage(self)
        yield from self.tests()
        yield from audit_outcomes.tests(self)

    def _each(self, what: str, populations: Sequence[str], one: Callable[[str, int], float], nominal: float = 0.95) -> Row:
        return Row(what, {n: {name: one(name, n) for name in populations} for n in self.sizes}, nominal)

    def _seeded(self, *key: object) -> np.random.Generator:
        return intervals.generator("audit", *map(str, key))

    def _fractions(self) -> Iterator[Row]:
        def wilson(name: str, n: int) -> float:
            counts = np.arange(n + 1)
            bounds = np.array([wilson_interval(k, n) for k in range(n + 1)])
            covers = (bounds[:, 0] <= RATES[name]) & (RATES[name] <= bounds[:, 1])
            return float((stats.binom.pmf(counts, n, RATES[name]) * covers).sum())

        yield self._each("fraction of runs: Wilson (by enumeration)", list(RATES), wilson)
        for title, share in (("paired", 1.0), ("half of the seeds shared", 0.5), ("unpaired", 0.0)):

            def difference(name: str, n: int, share: float = share) -> float:
                generator, (p, q) = self._seeded("fractions", share, name, n), (RATES[name], 0.5)
                paired = round(share * n)

                def interval(_: int) -> intervals.Interval:
                    (u, v), alone = _pairs(generator, paired), generator.random((2, n - paired))
                    a, b = np.r_[u, alone[0]] < p, np.r_[v, alone[1]] < q
                    return intervals.difference_of_fractions(a, b, (a[:paired], b[:paired]))

                return _coverage(self.draws, interval, p - q)

            yield self._each(f"difference of fractions, {title}: Newcombe", list(RATES), difference)

    def _of_times(self) -> Iterator[Row]:
        means = {name: middle(quantile) for name, quantile in TIMES.items()}

        def restricted_mean(name: str, n: int) -> float:
            generator = self._seeded("rmst", name, n)
            return _coverage(
                self.draws,
                lambda _: intervals.restricted_mean_interval(TIMES[name](generator.random(n)), HORIZON),
                means[name],
            )

        yield self._each("restricted mean time: MOVER of Wilson and score", list(TIMES), restricted_mean)
        names = list(TIMES)
        follower = dict(zip(names, [*names[1:], names[0]], strict=True))

        for title, share in (("paired", 1.0), ("half of the seeds shared", 0.5), ("unpaired", 0.0)):

            def difference(name: str, n: int, share: float = share) -> float:
                generator, paired = self._seeded("rmst difference", share, name, n), round(share * n)

                def interval(_: int) -> intervals.Interval:
                    (u, v), alone = _pairs(generator, paired), generator.random((2, n - paired))
                    a, b = TIMES[name](np.r_[u, alone[0]]), TIMES[follower[name]](np.r_[v, alone[1]])
                    own = [intervals.restricted_mean_interval(times, HORIZON) for times in (a, b)]
                    together = intervals.correlation(a, b, (a[:paired], b[:paired]))
                    return intervals.difference_of_means(a, own[0], b, own[1], together)

                return _coverage(self.draws, interval, means[name] - means[follower[name]])

            yield self._each(f"difference of restricted means, {title}: MOVER", names, difference)
        yield from self._of_curves()

    def _of_curves(self) -> Iterator[Row]:
        def runs(times: Array) -> pd.DataFrame:
            return pd.DataFrame({"convergence_step": np.where(times < HORIZON, times, np.nan), "horizon_step": HORIZON})

        def median(name: str, n: int) -> float:
            generator, truth = self._seeded("median time", name, n), _median_of(TIMES[name])
            truth = truth if truth < HORIZON else math.inf

            def interval(_: int) -> intervals.Interval:
                row = estimates.times(runs(TIMES[name](generator.random(n))))
                return row["median_steps_low"], row["median_steps_high"]

            if math.isinf(truth):  # an interval covers an infinite median if it has no upper end
                bounds = np.array([interval(draw) for draw in range(self.draws)])
                return float(np.isinf(bounds[~np.isnan(bounds[:, 0]), 1]).mean()) if n >= 6 else math.nan
            return _coverage(self.draws, interval, truth)

        yield self._each("median time: Brookmeyer and Crowley", list(TIMES), median)

        def band(name: str, n: int) -> float:
            generator = self._seeded("band", name, n)
            at = 700.0
            truth = 1 - np.mean(TIMES[name]((np.arange(200_000) + 0.5) / 200_000) <= at)

            def interval(_: int) -> intervals.Interval:
                rows = estimates.curve_of(runs(TIMES[name](generator.random(n))), "convergence", HORIZON)
                last = [row for row in rows if row["step"] <= at][-1]
                return last["low"], last["high"]

            return _coverage(self.draws, interval, float(truth))

        yield self._each("survival at one step: log-log, Wilson at the ends", list(TIMES), band)

    def _of_finals(self) -> Iterator[Row]:
        def median(name: str, n: int) -> float:
            generator = self._seeded("median", name, n)
            return _coverage(
                self.draws,
                lambda _: intervals.median_interval(FINALS[name](generator.random(n))),
                _median_of(FINALS[name]),
            )

        yield self._each("median of final values, angles: order statistics", list(FINALS), median)

        def interquartile(name: str, n: int) -> float:
            generator = self._seeded("iqm", name, n)
            truth = middle(FINALS[name], lambda values: float(intervals.interquartile_mean(values)))

            def interval(draw: int) -> intervals.Interval:
                values = FINALS[name](generator.random(n))
                return intervals.bootstrap_interval([values], intervals.interquartile_mean, (name, str(n), str(draw)))

            return _coverage(max(200, self.draws // 2), interval, truth)

        yield self._each("interquartile mean: percentile bootstrap", list(FINALS), interquartile)
        means = {name: middle(quantile) for name, quantile in FINALS.items()}
        names = list(FINALS)
        follower = dict(zip(names, [*names[1:], names[0]], strict=True))
        for title, shared in (("paired: Student", True), ("unpaired: Welch", False)):

            def difference(name: str, n: int, shared: bool = shared) -> float:
                generator = self._seeded("final", shared, name, n)

                def interval(_: int) -> intervals.Interval:
                    u, v = _pairs(generator, n) if shared else generator.random((2, n))
                    a, b = FINALS[name](u), FINALS[follower[name]](v)
                    return intervals.mean_interval(a - b) if shared else intervals.unpaired_mean_interval(a, b)

                return _coverage(self.draws, interval, means[name] - means[follower[name]])

            yield self._each(f"difference of final means, {title}", names, difference)

    def tests(self) -> Iterator[Row]:
        """Yield one row per test: how often it gives p <= 0.05 although both groups come from the same population."""

        def fractions(test: str) -> Callable[[str, int], float]:
            def rate(name: str, n: int) -> float:
                generator, paired = self._seeded(test, name, n), {"mcnemar": n, "exchange": n // 2, "fisher": 0}[test]
                rejected = 0
                for _ in range(self.draws):
                    (u, v), alone = _pairs(generator, paired), generator.random((2, n - paired))
                    a, b, pairs = alone[0] < RATES[name], alone[1] < RATES[name], (u < RATES[name], v < RATES[name])
                    tested = {
                        "mcnemar": partial(hypotheses.mcnemar, *pairs),
                        "exchange": partial(hypotheses.exchange, a, b, pairs),
                        "fisher": partial(hypotheses.fisher, a, b),
                    }[test]()
                    rejected += tested.p <= 0.05
                return rejected / self.draws

            return rate

        yield self._each("McNemar exact", list(RATES), fractions("mcnemar"), 0.05)
        yield self._each("permutation of pairs and runs, fractions", list(RATES), fractions("exchange"), 0.05)
        yield self._each("Fisher exact", list(RATES), fractions("fisher"), 0.05)

        def of_values(test: str, populations: Mapping[str, Quantile]) -> Callable[[str, int], float]:
            def rate(name: str, n: int) -> float:
                generator, quantile = self._seeded(test, name, n), populations[name]
                rejected = 0
                for draw in range(self.draws):
                    (u, v), alone = _pairs(generator, n), generator.random((2, n))
                    a, b, key = quantile(alone[0]), quantile(alone[1]), (test, name, str(n), str(draw))
                    first, second = quantile(u), quantile(v)
                    if test == "wilcoxon":
                        tested = hypotheses.wilcoxon(first - second, key)
                    elif test == "log-rank":
                        tested = hypotheses.logrank((a, a < HORIZON), (b, b < HORIZON), key)
                    else:
                        half = n // 2 if test == "partly" else 0
                        pairs = (first[:half], second[:half])
                        tested = hypotheses.means(a[half:], b[half:], pairs, key)
                    rejected += tested.p <= 0.05
                return rejected / self.draws

            return rate

        yield self._each("Wilcoxon signed-rank, times", list(TIMES), of_values("wilcoxon", TIMES), 0.05)
        yield self._each("log-rank by permutation", list(TIMES), of_values("log-rank", TIMES), 0.05)
        yield self._each("permutation of pairs and runs, times", list(TIMES), of_values("partly", TIMES), 0.05)
        yield self._each("Wilcoxon signed-rank, final values", list(FINALS), of_values("wilcoxon", FINALS), 0.05)
        yield self._each("permutation of runs, final values", list(FINALS), of_values("alone", FINALS), 0.05)


def table(rows: Sequence[Row], draws: int) -> str:
    """Return two Markdown tables: the coverage of the intervals, and the rate of rejections of the tests."""
    error = 100 * 2 * math.sqrt(0.05 * 0.95 / draws)
    lines = [f"{draws:,} samples of each population: two standard errors of a rate of 5 or 95 % are {error:.1f} points."]
    for title, nominal in (("95 % interval", 0.95), ("test, rejections at 5 %", 0.05)):
        lines += ["", f"| {title} | {' | '.join(f'n = {n}' for n in SIZES)} |", f"| --- |{' ---: |' * len(SIZES)}"]
        lines += [f"| {row.what} | {' | '.join(row.cells())} |" for row in rows if row.nominal == nominal]
    return "\n".join(lines)


def main() -> None:
    """Run the audit, print each row, and put the tables into a page if the command line names one."""
    parser = argparse.ArgumentParser("python -m benchmarks.audit", description=__doc__)
    parser.add_argument("--draws", type=int, default=4000, help="samples of each population (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="a Markdown page to put the tables into")
    options = parser.parse_args()
    rows = []
    # Each module holds its own reference to RESAMPLES, so it must be replaced in both.
    with patch.object(intervals, "RESAMPLES", RESAMPLES), patch.object(hypotheses, "RESAMPLES", RESAMPLES):
        for row in Audit(options.draws).rows():
            rows.append(row)
            print(f"{row.what}: {' | '.join(row.cells())}", flush=True)
    if options.out:
        page.write(table(rows, options.draws), options.out, "audit")


if __name__ == "__main__":
    main()
