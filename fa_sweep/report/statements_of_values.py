"""Write the findings about outcomes that are one number of each run, such as the final accuracy."""

import math
from collections.abc import Iterator

import pandas as pd

from fa_sweep.report.analysis import ValueOutcome
from fa_sweep.report.formatting import counted, number, percent, percent_range
from fa_sweep.report.intervals import APPROXIMATE_BELOW
from fa_sweep.report.names import Names
from fa_sweep.report.pairs import PAIRED
from fa_sweep.report.sentences import MOST_GROUPS, compared, each, interval, joined, middle, named, with_interval
from fa_sweep.report.values import worst
from fa_sweep.report.verdicts import equivalence, number_of_tests, test_sentence, verdict
from fa_sweep.settings.measures import Measure, direction


def value_sentences(outcome: ValueOutcome, names: Names) -> list[str]:
    """Write an outcome's comparisons or, if none was tested, its median in each group. Tests are on a second line."""
    comparisons = named(outcome.comparisons, names)
    tests = number_of_tests(comparisons)
    tested = comparisons[comparisons["p"].notna()]
    parts = [_comparison(outcome, row, tests) for _, row in tested.head(MOST_GROUPS).iterrows()]
    if parts:
        return joined(parts, len(tested) - len(parts), outcome.title)
    return list(_medians(outcome))


def _comparison(outcome: ValueOutcome, row: pd.Series, tests: int) -> str:
    measure = Measure(row["metric"], outcome.measure.reading)
    of_means = math.isfinite(row["difference"])
    kind, of = ("mean", "") if of_means else ("median", "median_")  # there is no mean if a run counts as infinite
    ours, theirs = row[kind], row[f"{kind}_reference"]
    value, low, high = (row[f"{of}difference{end}"] for end in ("", "_low", "_high"))
    few = of_means and min(row["n"], row["n_reference"]) < APPROXIMATE_BELOW
    quantity = _quantity(measure, kind)
    verb = "ended with" if measure.reading == "end" else "had"
    how = compared(0.0 if ours == theirs else ours - theirs, "a higher", "a lower", "")
    fact = (
        f"{row['subject']} {verb} {how} {quantity} than {row['other']}"
        if how
        else f"{row['subject']} and {row['other']} {verb} equal {quantity}"
    )
    by = f", {middle(value, low, high)} ({interval(value, low, high, approximate=few)})" if not math.isnan(value) else ""
    said = [verdict(row, "", f"the {measure.words}", tests), *equivalence(row), _improvement(row)]
    more = [_diverged(outcome.groups, row["metric"], row["group"], row["reference"]), _undefined(row), _role(outcome)]
    test = test_sentence(row, "", tests, *filter(None, more))
    return f"{fact}: {number(ours, 4)} against {number(theirs, 4)}{by}.\n{'. '.join([*said, test])}"


def _quantity(measure: Measure, kind: str) -> str:
    """Name the mean or the median over the runs, such as "mean accuracy" at the end, "mean best loss"."""
    if measure.reading == "area":  # the mean over runs of a mean over training is called by its own name
        return measure.words if kind == "mean" else f"median of the {measure.words}"
    return f"{kind} {measure.words.removeprefix('final ')}"


def _improvement(row: pd.Series) -> str:
    what = "is better" if direction(row["metric"]) else "has the higher value"
    chance = f"{percent(row['improvement'])} (95 % CI {percent_range(row['improvement_low'], row['improvement_high'])} %)"
    where = "seed by seed" if row["design"] == PAIRED else "over all pairs of runs"
    subject = row["subject"].rpartition(", ")[2] if row["subject"].startswith("At ") else row["subject"]
    return f"Probability that {subject} {what}, {where}: {chance}"


def _role(outcome: ValueOutcome) -> str:
    return "" if outcome.is_primary else "secondary outcome"


def _undefined(row: pd.Series) -> str:
    return f"{counted(row['undefined'], 'run')} with an undefined value left out" if row["undefined"] else ""


def _diverged(groups: pd.DataFrame, metric: str, *names: str) -> str:
    """Say how many runs of the named groups diverged and which value they count as; empty if none diverged."""
    diverged = int(groups.loc[groups["group"].isin(names), "diverged"].sum())
    return f"{counted(diverged, 'diverged run')} counted as {worst(metric)}" if diverged and worst(metric) else ""


def _medians(outcome: ValueOutcome) -> Iterator[str]:
    """Write the median of each group."""
    for metric in sorted(set(outcome.groups["metric"])):
        words = Measure(metric, outcome.measure.reading).words

        def sentence(row: pd.Series, words: str = words) -> str:
            value = with_interval(row["median"], row["median_low"], row["median_high"])
            diverged = _diverged(outcome.groups, row["metric"], row["group"])
            undefined = f"{counted(row['undefined'], 'run')} undefined" if row["undefined"] else ""
            return f"{row['group']}: median {words} {'; '.join(filter(None, [value, diverged, undefined]))}"

        yield from each(outcome.groups[outcome.groups["metric"] == metric], "median", f"median {words}", sentence)
