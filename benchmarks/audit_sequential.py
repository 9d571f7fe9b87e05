"""`make audit-sequential`: measure what is promised for sequential sweeps and for plans, by simulated sweeps.

Each simulated sweep has up to 1,000 seeds, and a look after each of the first ten seeds and after every tenth one. It stops at
the worst moment: at the first look at which an interval misses the true value, or at which a rule makes a wrong claim.
"""

import argparse
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
from scipy import stats

from benchmarks.audit import CORRELATION, FINALS, HORIZON, RATES, TIMES, middle, times_of
from fa_sweep.decisions import ALPHA
from fa_sweep.decisions.equivalence import equivalence_power, seeds_for_equivalence
from fa_sweep.decisions.planning import seeds_for_width, seeds_to_tell, sequential_seeds, wilson_half_widths
from fa_sweep.decisions.sequences import log_capital, log_e_of_pairs
from fa_sweep.decisions.signed_ranks import seeds_by_resampling, signed_rank_p
from fa_sweep.report import hypotheses, intervals
from fa_sweep.sweeping.outcomes import wilson_interval
from torture import page

Array = np.ndarray
MOST = 1000
LOOKS = np.r_[1:10, 10 : MOST + 1 : 10]
UP_TO = (50, 200, MOST)  # numbers of seeds for which the coverage is shown
LEVELS = (0.5, 0.2, 0.1, 0.05, 0.01)
FAMILIES = (2, 3, 12)  # numbers of groups
MARGIN = 0.1
PART = 100  # sweeps at a time, so that the counts fit into memory
GRID = np.arange(47) / 46  # restricted times as fractions of the horizon
EFFECTS = ((0.95, 0.6), (0.9, 0.7), (0.7, 0.6))


@dataclass(frozen=True)
class Table:
    """A table of the page: its heading, and for each row the name and the cells."""

    heading: Sequence[str]
    rows: Mapping[str, Sequence[str]]

    def text(self) -> str:
        """Return the table in Markdown."""
        lines = [f"| {' | '.join(self.heading)} |", f"| --- |{' ---: |' * (len(self.heading) - 1)}"]
        return "\n".join([*lines, *(f"| {name} | {' | '.join(cells)} |" for name, cells in self.rows.items())])


def scores(generator: np.random.Generator, sweeps: int, groups: int = 1) -> Array:
    """Return uniform scores (sweeps, groups, MOST). Scores of the groups at the same seed are correlated as in `make audit`."""
    common = generator.normal(size=(sweeps, 1, MOST))
    own = generator.normal(size=(sweeps, groups, MOST))
    return np.asarray(stats.norm.cdf(math.sqrt(CORRELATION) * common + math.sqrt(1 - CORRELATION) * own))


def counted(codes: Array, size: int) -> Array:
    """Count codes up to each look.

    Args:
        codes: (sweeps, MOST) numbers from 0 to `size` - 1.
        size: The number of different codes.

    Returns:
        (sweeps, looks, size) counts.
    """
    sweeps, place = len(codes), np.searchsorted(LOOKS, np.arange(1, MOST + 1))
    flat = (np.arange(sweeps)[:, None] * len(LOOKS) + place) * size + codes
    counts = np.bincount(flat.ravel(), minlength=sweeps * len(LOOKS) * size)
    return counts.reshape(sweeps, len(LOOKS), size).cumsum(axis=1).astype(float)


def in_parts(sweeps: int, generator: np.random.Generator, part: Callable[[np.random.Generator, int], Array]) -> Array:
    """Join what `part` returns for `PART` sweeps at a time."""
    sizes = [PART] * (sweeps // PART) + [sweeps % PART] * (sweeps % PART > 0)
    return np.concatenate([part(generator, size) for size in sizes])


def of_differences(ours: Array, theirs: Array, mean: float, steps: int = 1) -> Array:
    """Return the log capital against a mean of paired differences: of values that are multiples of 1 / `steps`.

    Args:
        ours: (sweeps, MOST) values between 0 and 1.
        theirs: (sweeps, MOST) values of the reference.
        mean: The mean difference to be tested.
        steps: 1 for values that are 0 or 1.

    Returns:
        (sweeps, looks) logarithms.
    """
    codes = np.rint((ours - theirs) * steps).astype(int) + steps
    return log_capital((mean + 1) / 2, np.arange(2 * steps + 1) / (2 * steps), counted(codes, 2 * steps + 1))


def of_shares(values: Array, mean: float, steps: int = 1) -> Array:
    """Return the log capital (sweeps, looks) against a mean of values (sweeps, MOST) that are multiples of 1 / `steps`."""
    codes = np.rint(values * steps).astype(int)
    return log_capital(mean, np.arange(steps + 1) / steps, counted(codes, steps + 1))


def of_order(ours: Array, theirs: Array) -> Array:
    """Return the log e-value (sweeps, looks) of the sign test of pairs: of values (sweeps, MOST) of any size."""
    counts = counted(np.sign(ours - theirs).astype(int) + 1, 3)
    return np.asarray(log_e_of_pairs(counts[..., 2], counts[..., 0]))


def time_shares(name: str, u: Array) -> Array:
    """Return the times of a population of `make audit`, as fractions of the horizon."""
    return TIMES[name](u) / HORIZON


# Of these times, one run in nine more never converges than of "half never", so their mean is larger by a tenth of the horizon.
LATER = times_of(11 / 18, lambda u: stats.expon.ppf(u, scale=0.15))


class Sequences:
    """Simulates the log capital against the truth, for each sequence and population.

    Args:
        sweeps: How many sweeps to simulate per population.
    """

    def __init__(self, sweeps: int) -> None:
        self.sweeps = sweeps

    def capitals(self) -> Iterator[tuple[str, list[Array]]]:
        """Yield the name of each sequence, and for each population the log capital against the truth, (sweeps, looks)."""
        yield "fraction of runs", [self._simulated(name, partial(self._fraction, p)) for name, p in RATES.items()]
        yield "difference of fractions", [self._simulated(name, partial(self._two_fractions, p)) for name, p in RATES.items()]
        yield "restricted mean time", [self._simulated(name, partial(self._time, name)) for name in TIMES]
        follower = dict(zip(TIMES, [*list(TIMES)[1:], next(iter(TIMES))], strict=True))
        pairs = [self._simulated(name, partial(self._two_times, name, other)) for name, other in follower.items()]
        yield "difference of restricted mean times", pairs
        yield (
            "probability of winning a pair, final values",
            [self._simulated(name, partial(self._finals, name)) for name in FINALS],
        )

    def _simulated(self, name: str, part: "partial[Array]") -> Array:
        return in_parts(self.sweeps, intervals.generator("audit sequential", part.func.__name__, name), part)

    @staticmethod
    def _fraction(p: float, generator: np.random.Generator, size: int) -> Array:
        return of_shares(generator.random((size, MOST)) < p, p)

    @staticmethod
    def _two_fractions(p: float, generator: np.random.Generator, size: int) -> Array:
        u = scores(generator, size, 2)
        return of_differences((u[:, 0] < p).astype(float), (u[:, 1] < 0.5).astype(float), p - 0.5)

    @staticmethod
    def _time(name: str, generator: np.random.Generator, size: int) -> Array:
        mean = middle(TIMES[name]) / HORIZON
        return of_shares(time_shares(name, generator.random((size, MOST))), mean, len(GRID) - 1)

    @staticmethod
    def _two_times(name: str, other: str, generator: np.random.Generator, size: int) -> Array:
        u, means = scores(generator, size, 2), [middle(TIMES[each]) / HORIZON for each in (name, other)]
        ours, theirs = time_shares(name, u[:, 0]), time_shares(other, u[:, 1])
        return of_differences(ours, theirs, means[0] - means[1], len(GRID) - 1)

    @staticmethod
    def _finals(name: str, generator: np.random.Generator, size: int) -> Array:
        u = scores(generator, size, 2)
        return of_order(FINALS[name](u[:, 0]), FINALS[name](u[:, 1]))


def coverage_and_ville(sweeps: int) -> tuple[Table, Table]:
    """Return the coverage of the 95 % sequences, and how often the capital against the truth reaches 1 / alpha."""
    covered, reached = {}, {}
    for name, found in Sequences(sweeps).capitals():
        limit = -math.log(ALPHA)
        covered[name] = [
            _range([float((c[:, : np.searchsorted(LOOKS, n, side="right")].max(axis=1) < limit).mean()) for c in found])
            for n in UP_TO
        ]
        largest = [c.max(axis=1) for c in found]
        reached[name] = [_range([(one >= -math.log(alpha)).mean() for one in largest]) for alpha in LEVELS]
        print(f"{name}: {' | '.join(covered[name])}; {' | '.join(reached[name])}", flush=True)
    name = "for comparison: Wilson's interval of a fraction, which holds at one look only"
    covered[name] = [
        _range([float(wilson_covers(p, sweeps)[n >= LOOKS].all(axis=0).mean()) for p in RATES.values()]) for n in UP_TO
    ]
    print(f"{name}: {' | '.join(covered[name])}", flush=True)
    return (
        Table(["95 % confidence sequence, stopped at its worst look", *(f"up to {n:,} seeds" for n in UP_TO)], covered),
        Table(["capital reaches 1 / alpha, up to 1,000 seeds", *(f"alpha = {100 * level:g} %" for level in LEVELS)], reached),
    )


def wilson_covers(p: float, sweeps: int) -> Array:
    """Return whether Wilson's interval covers a fraction after each of the seeds at which there is a look, (looks, sweeps)."""
    runs = intervals.generator("audit wilson", str(p)).random((sweeps, MOST)) < p
    deviations = np.abs(runs.cumsum(axis=1)[:, LOOKS - 1] - LOOKS * p) / np.sqrt(LOOKS * p * (1 - p))
    return np.asarray((deviations <= stats.norm.ppf(1 - ALPHA / 2)).T)


def _range(rates: Sequence[float]) -> str:
    low, high = f"{100 * min(rates):.1f}", f"{100 * max(rates):.1f}"
    return low if low == high else f"{low}-{high}"


def ever(capital: Array, limit: float) -> Array:
    """Return whether each look (sweeps, looks), or one before it, has a log capital of at least `limit`."""
    return np.asarray(np.maximum.accumulate(capital, axis=1) >= limit)


def wrong_claims(groups: int) -> dict[str, Callable[[np.random.Generator, int], Array]]:
    """Return for each rule a simulation of the wrong claims that it makes in a sweep of so many groups.

    The first group is the reference of all others. A simulation takes a generator and a number of sweeps, and returns whether
    each sweep makes a wrong claim about any comparison, or about any group, at any look.
    """
    comparisons = groups - 1
    limit = math.log(comparisons / ALPHA)

    def any_of(claim: Callable[[Array, Array], Array], generator: np.random.Generator, size: int) -> Array:
        u = scores(generator, size, groups)
        return np.asarray(np.any([claim(u[:, place], u[:, 0]) for place in range(1, groups)], axis=0))

    def zeros_and_ones(u: Array, p: float) -> Array:
        return (u < p).astype(float)

    def differ(ours: Array, theirs: Array) -> Array:
        return ever(of_differences(zeros_and_ones(ours, 0.7), zeros_and_ones(theirs, 0.7), 0.0), limit)[:, -1]

    def mcnemar_rejects(ours: Array, theirs: Array) -> Array:
        counts = counted((zeros_and_ones(ours, 0.7) - zeros_and_ones(theirs, 0.7)).astype(int) + 1, 3)
        p = 2 * stats.binom.cdf(counts[..., ::2].min(axis=-1), counts[..., ::2].sum(axis=-1), 0.5)
        return np.asarray((p <= ALPHA / comparisons).any(axis=1))

    def times_differ(ours: Array, theirs: Array) -> Array:
        a, b = (time_shares("half never", u) for u in (ours, theirs))
        return ever(of_differences(a, b, 0.0, len(GRID) - 1), limit)[:, -1]

    def finals_differ(ours: Array, theirs: Array) -> Array:
        a, b = (FINALS["ties at the top"](u) for u in (ours, theirs))
        return ever(of_order(a, b), limit)[:, -1]

    def within(ours: Array, theirs: Array, margin: float = MARGIN, steps: int = 1) -> Array:
        above, below = (ever(of_differences(ours, theirs, mean, steps), limit) for mean in (margin, -margin))
        return np.asarray(above & below)

    def equivalent(ours: Array, theirs: Array) -> Array:
        return np.asarray(within(zeros_and_ones(ours, 0.7 + MARGIN), zeros_and_ones(theirs, 0.7))[:, -1])

    def times_equivalent(ours: Array, theirs: Array) -> Array:
        margin = (middle(LATER) - middle(TIMES["half never"])) / HORIZON
        return np.asarray(within(LATER(ours) / HORIZON, time_shares("half never", theirs), margin, len(GRID) - 1)[:, -1])

    def decided_differ(ours: Array, theirs: Array) -> Array:
        a, b = zeros_and_ones(ours, 0.95), zeros_and_ones(theirs, 0.95)
        differs, same = ever(of_differences(a, b, 0.0), limit), within(a, b)
        return np.asarray((differs & ~same).any(axis=1))  # once it is decided, a comparison is no longer looked at

    def decided_equivalent(ours: Array, theirs: Array) -> Array:
        a, b = zeros_and_ones(ours, 0.8 + MARGIN), zeros_and_ones(theirs, 0.8)
        differs, same = ever(of_differences(a, b, 0.0), limit), within(a, b)
        return np.asarray((same & ~differs).any(axis=1))

    def missed(generator: np.random.Generator, size: int) -> Array:
        u = scores(generator, size, groups)
        each = [of_shares(zeros_and_ones(u[:, place], 0.7), 0.7) for place in range(groups)]
        return np.asarray(np.any([ever(capital, math.log(groups / ALPHA))[:, -1] for capital in each], axis=0))

    return {
        "difference, fractions: differs, though equal": partial(any_of, differ),
        "difference, times: differs, though equal": partial(any_of, times_differ),
        "difference, final values: differs, though equal": partial(any_of, finals_differ),
        "equivalence, fractions: equivalent, though different by the margin": partial(any_of, equivalent),
        "equivalence, times: equivalent, though different by the margin": partial(any_of, times_equivalent),
        "decided, fractions: differs, though equal": partial(any_of, decided_differ),
        "decided, fractions: equivalent, though different by the margin": partial(any_of, decided_equivalent),
        "width, fractions: an interval misses its fraction": missed,
        "for comparison: McNemar exact at every look, rejects though equal": partial(any_of, mcnemar_rejects),
    }


def errors(sweeps: int) -> Table:
    """Return how often each rule makes a wrong claim, with 2, 3 and 12 groups."""
    rows: dict[str, list[str]] = {}
    for groups in FAMILIES:
        for name, simulation in wrong_claims(groups).items():
            wrong = in_parts(sweeps, intervals.generator("audit rules", name, str(groups)), simulation)
            rows.setdefault(name, []).append(f"{100 * wrong.mean():.1f}")
            print(f"{name}, {groups} groups: {rows[name][-1]}", flush=True)
    return Table(["rule: wrong claim, rate at 5 %", *(f"{groups} groups" for groups in FAMILIES)], rows)


def stopping(p1: float, p2: float, most: int, sweeps: int) -> tuple[float, float]:
    """Simulate sequential sweeps of two groups with independent runs, which stop at a difference or at `most` seeds.

    Returns:
        The mean number of seeds, and the fraction of the sweeps that find the difference. There is a look after each seed.
    """
    generator = intervals.generator("audit stopping", str((p1, p2, most)))
    differences = (generator.random((sweeps, most)) < p1).astype(int) - (generator.random((sweeps, most)) < p2).astype(int)
    log_e = log_e_of_pairs((differences > 0).cumsum(axis=1), (differences < 0).cumsum(axis=1))
    found = log_e >= -math.log(ALPHA)
    seeds = np.where(found.any(axis=1), found.argmax(axis=1) + 1, most)
    return float(seeds.mean()), float(found.any(axis=1).mean())


def savings(sweeps: int) -> Table:
    """Return the seeds of a fixed design, and of a sequential one of the same power, for planned and for larger effects."""
    rows = {}
    for p1, p2 in EFFECTS:
        fixed, sequential = seeds_to_tell(p1, p2).seeds, sequential_seeds(p1, p2)
        if fixed is None or sequential is None:
            raise ValueError("an effect of this table cannot be planned for")
        cells = [f"{fixed:,}", f"{sequential.most:,}"]
        for first, second in ((p1, p2), (p1, 2 * p2 - p1), (p2, p2)):
            mean, power = stopping(first, second, sequential.most, sweeps)
            cells.append(f"{mean:,.0f} ({100 * power:.0f} %)")
        rows[f"{p1:g} and {p2:g}"] = cells
        print(f"{p1:g} and {p2:g}: {' | '.join(cells)}", flush=True)
    heading = ["planned for the fractions", "fixed design", "sequential, at most", "mean if the plan is right"]
    return Table([*heading, "mean if the difference is twice as large", "mean if there is none"], rows)


def plans(sweeps: int) -> Table:
    """Return the power, or the half-width, that plans predict, beside what simulated sweeps have."""
    rows: dict[str, list[str]] = {}
    generator = intervals.generator("audit plans")

    def row(name: str, seeds: int | None, predicted: float, found: float, percent: bool = True) -> None:
        scale, places, unit = (100, 1, " %") if percent else (1, 4, "")
        rows[name] = [f"{seeds:,}", f"{scale * predicted:.{places}f}{unit}", f"{scale * found:.{places}f}{unit}"]
        print(f"{name}: {' | '.join(rows[name])}", flush=True)

    for p1, p2 in EFFECTS:
        planned = seeds_to_tell(p1, p2)
        n = planned.seeds or 0
        tested = [hypotheses.mcnemar(generator.random(n) < p1, generator.random(n) < p2).p for _ in range(sweeps)]
        row(
            f"McNemar exact, fractions {p1:g} and {p2:g}", n, float(planned.curve[n]), float(np.mean(np.array(tested) <= ALPHA))
        )
    for p1, p2, margin in ((0.8, 0.8, 0.2), (0.95, 0.95, 0.1), (0.9, 0.85, 0.2)):
        n = seeds_for_equivalence(p1, p2, margin).seeds or 0
        shown = 0
        for _ in range(sweeps):
            a, b = generator.random(n) < p1, generator.random(n) < p2
            low, high = intervals.difference_of_fractions(a, b, (a, b), 1 - 2 * ALPHA)
            shown += -margin < low and high < margin
        name = f"equivalence, fractions {p1:g} and {p2:g}, margin {margin:g}"
        row(name, n, equivalence_power(n, p1, p2, margin), shown / sweeps)
    for name, pilot in (("normal", stats.norm.ppf((np.arange(99) + 0.5) / 99) + 0.4), ("half of them 0", _half_zeros())):
        n = seeds_by_resampling(pilot).seeds or 0
        found = [hypotheses.wilcoxon(generator.choice(pilot, n), (name, str(draw))).p for draw in range(sweeps)]
        predicted = (signed_rank_p(generator.choice(pilot, (20_000, n))) <= ALPHA).mean()
        row(f"Wilcoxon signed-rank, differences {name}", n, float(predicted), float(np.mean(np.array(found) <= ALPHA)))
    for fraction in (0.5, 0.9):
        n = seeds_for_width(0.1, fraction).seeds or 0
        bounds = np.array([wilson_interval(int(k), n) for k in generator.binomial(n, fraction, sweeps)])
        half = float((bounds[:, 1] - bounds[:, 0]).mean() / 2)
        row(
            f"half-width of Wilson's interval, fraction {fraction:g}",
            n,
            wilson_half_widths(n, fraction)[n],
            half,
            percent=False,
        )
    return Table(["plan", "seeds", "predicted", "simulated"], rows)


def _half_zeros() -> Array:
    return np.concatenate([np.zeros(40), np.linspace(-1.0, 2.0, 40)])


def tables(sweeps: int) -> str:
    """Return all tables as the text of the page."""
    error = 100 * 2 * math.sqrt(ALPHA * (1 - ALPHA) / sweeps)
    coverage, ville = coverage_and_ville(sweeps)
    first = f"{sweeps:,} simulated sweeps in each cell: two standard errors of a rate of 5 or 95 % are {error:.1f} points."
    return "\n\n".join([first, *(table.text() for table in (coverage, ville, errors(sweeps), savings(sweeps), plans(sweeps)))])


def main() -> None:
    """Run the audit, print each row, and put the tables into a page if the command line names one."""
    parser = argparse.ArgumentParser("python -m benchmarks.audit_sequential", description=__doc__)
    parser.add_argument("--sweeps", type=int, default=2000, help="simulated sweeps in each cell (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="a Markdown page to put the tables into")
    options = parser.parse_args()
    with patch.object(intervals, "RESAMPLES", 999), patch.object(hypotheses, "RESAMPLES", 999):
        text = tables(options.sweeps)
    if options.out:
        page.write(text, options.out, "audit-sequential")


if __name__ == "__main__":
    main()
