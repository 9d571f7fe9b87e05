"""The rows of `make audit` about outcomes other than convergence, and about tests of equivalence."""

from collections.abc import Iterator
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.audit import FINALS, HORIZON, RATES, TIMES, Quantile, _coverage, _pairs, middle
from fa_sweep.report import equivalence, improvement, intervals

if TYPE_CHECKING:
    from benchmarks.audit import Audit, Row

Array = np.ndarray
MARGIN = 100.0  # so large that only one end of the margin matters, where the true difference lies
STEPS = 5000.0
EVEN = (np.arange(100_000) + 0.5) / 100_000


def _area(quantile: Quantile) -> Quantile:
    """Return the quantile function of mean accuracies over training, if the accuracy rises from 75 to 100 % at one step."""

    def area(u: Array) -> Array:
        times = quantile(u)
        return np.where(times < HORIZON, 1 - 0.25 * (times - 50) / STEPS, 0.75)

    return area


AREAS = {name: _area(quantile) for name, quantile in TIMES.items()}


def _next(populations: dict[str, Quantile], name: str) -> Quantile:
    """Return the population that a population is compared with: the next one of the table, and the first after the last."""
    names = list(populations)
    return populations[names[(names.index(name) + 1) % len(names)]]


@cache
def _of_pairs(name: str) -> tuple[float, float]:
    """Return the median difference and the probability of improvement of runs with the same seed, from 400,000 pairs."""
    u, v = _pairs(np.random.default_rng(0), 400_000)
    a, b = FINALS[name](u), _next(FINALS, name)(v)
    return float(np.median(a - b)), float(((a > b) + 0.5 * (a == b)).mean())


@cache
def _improved_without_shared_seeds(name: str) -> float:
    even = (np.arange(20_000) + 0.5) / 20_000
    a, b = FINALS[name](even), np.sort(_next(FINALS, name)(even))
    return float((np.searchsorted(b, a, "left") + np.searchsorted(b, a, "right")).mean() / (2 * len(b)))


def coverage(audit: "Audit") -> Iterator["Row"]:
    """Yield one row per interval."""

    def median(name: str, n: int) -> float:
        generator = audit._seeded("median difference", name, n)

        def interval(_: int) -> intervals.Interval:
            u, v = _pairs(generator, n)
            return intervals.median_interval(FINALS[name](u) - _next(FINALS, name)(v))

        return _coverage(audit.draws, interval, _of_pairs(name)[0])

    yield audit._each("median of paired differences: order statistics", list(FINALS), median)

    def probability(name: str, n: int, share: float) -> float:
        generator, paired = audit._seeded("improvement", share, name, n), round(share * n)
        truth = _of_pairs(name)[1] if share == 1 else _improved_without_shared_seeds(name)
        estimate = improvement.of_pairs if share == 1 else improvement.of_groups

        def interval(_: int) -> intervals.Interval:
            (u, v), alone = _pairs(generator, paired), generator.random((2, n - paired))
            return estimate(FINALS[name](np.r_[u, alone[0]]), _next(FINALS, name)(np.r_[v, alone[1]]))[1:]

        return _coverage(audit.draws, interval, truth)

    for title, share in (("paired: Tango", 1.0), ("half of the seeds shared: Newcombe", 0.5), ("unpaired: Newcombe", 0.0)):
        yield audit._each(f"probability of improvement, {title}", list(FINALS), partial(probability, share=share))

    def area(name: str, n: int, *, shared: bool) -> float:
        generator = audit._seeded("area", shared, name, n)
        ours, theirs = AREAS[name], _next(AREAS, name)

        def interval(_: int) -> intervals.Interval:
            u, v = _pairs(generator, n) if shared else generator.random((2, n))
            return (
                intervals.mean_interval(ours(u) - theirs(v)) if shared else intervals.unpaired_mean_interval(ours(u), theirs(v))
            )

        return _coverage(audit.draws, interval, float(ours(EVEN).mean() - theirs(EVEN).mean()))

    for title, shared in (("paired: Student", True), ("unpaired: Welch", False)):
        yield audit._each(f"difference of mean areas, {title}", list(AREAS), partial(area, shared=shared))


def tests(audit: "Audit") -> Iterator["Row"]:
    """Yield one row per test of equivalence: how often it gives p <= 0.05 although the difference lies at the margin."""

    def fractions(name: str, n: int) -> float:
        generator, p = audit._seeded("equivalence", name, n), RATES[name]
        q, rejected = p + 0.15 if p <= 0.5 else p - 0.15, 0
        for _ in range(audit.draws):
            u, v = _pairs(generator, n)
            a, b = u < p, v < q
            rejected += equivalence.by_interval(partial(intervals.difference_of_fractions, a, b, (a, b)), 0.15) <= 0.05
        return rejected / audit.draws

    yield audit._each("equivalence of fractions, paired: TOST by Newcombe", list(RATES), fractions, 0.05)

    def values(name: str, n: int, of: str) -> float:
        generator, rejected = audit._seeded("equivalence", of, name, n), 0
        ours, theirs = FINALS[name], _next(FINALS, name)
        centre = _of_pairs(name)[0] if of == "median" else middle(ours) - middle(theirs)
        for _ in range(audit.draws):
            u, v = generator.random((2, n)) if of == "means" else _pairs(generator, n)
            a, b = ours(u) - centre + MARGIN, theirs(v)
            if of == "means":
                p = equivalence.of_means(a, b, MARGIN)
            else:
                p = (equivalence.of_mean if of == "mean" else equivalence.of_median)(a - b, MARGIN)
            rejected += p <= 0.05
        return rejected / audit.draws

    for title, of in (("means, paired: TOST by Student", "mean"), ("means, unpaired: TOST by Welch", "means")):
        yield audit._each(f"equivalence of {title}", list(FINALS), partial(values, of=of), 0.05)
    yield audit._each(
        "equivalence of the median of paired differences: TOST by signs", list(FINALS), partial(values, of="median"), 0.05
    )
