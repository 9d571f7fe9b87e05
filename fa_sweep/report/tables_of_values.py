"""Turn the tables of outcomes that are one number of each run into readable text."""

import math

import pandas as pd

from fa_sweep.report.analysis import ValueOutcome
from fa_sweep.report.cells import Table, besides, design, estimate, family_note, p_text, without, without_empty
from fa_sweep.report.estimates import FINAL
from fa_sweep.report.formatting import number, percent, percent_range
from fa_sweep.report.intervals import APPROXIMATE_BELOW
from fa_sweep.report.value_comparisons import OF_MEDIANS
from fa_sweep.report.values import worst
from fa_sweep.report.verdicts import number_of_tests
from fa_sweep.settings.measures import direction, in_words


def same_data(outcome: ValueOutcome) -> str:
    """Say that the best evaluations were chosen on the data that they are measured on; empty if they were not."""
    if not outcome.chosen_on_the_same_data:
        return ""
    metrics = set(outcome.groups["metric"])
    better = " or ".join(sorted({"higher" if direction(metric) > 0 else "lower" for metric in metrics}))
    return (
        " The best evaluation of each run was chosen on the same data that its value is measured on, so the value is likely "
        f"to be {better} than on fresh data."
    )


def tables_of(outcome: ValueOutcome) -> list[Table]:
    """Return the tables of an outcome: the comparisons, and the groups unless the table of final values has them."""
    pairs = readable_value_comparisons(outcome)
    note = family_note(outcome.comparisons, is_primary=outcome.is_primary)
    note += same_data(outcome)
    hidden = ["design", "medians", "test", "p", "TOST p", "TOST p of medians"]
    tables = [Table(f"{outcome.title} compared", pairs, without(pairs, hidden), ["group", "reference"], note)]
    if not is_among_final_values(outcome):
        tables.append(_groups(outcome))
    return tables


def is_among_final_values(outcome: ValueOutcome) -> bool:
    """Whether the table of the groups' final values has the medians of this outcome."""
    return outcome.measure.reading == "end" and set(outcome.groups["metric"]) <= {
        c.removeprefix("final.") for c in FINAL.values()
    }


def _groups(outcome: ValueOutcome) -> Table:
    groups = readable_value_groups(outcome.groups)
    role = "Primary outcome." if outcome.is_primary else "Secondary outcome."
    return Table(outcome.title, groups, list(groups), ["group"], role + same_data(outcome))


def readable_value_groups(groups: pd.DataFrame) -> pd.DataFrame:
    """Return the table of `value_groups` as text, one row per group. Diverged runs and their values are named in the cells."""
    rows = []
    for _, row in groups.iterrows():
        as_worst = row["diverged"] > 0 and worst(row["metric"])
        counted = f"; {row['diverged']} diverged, counted as {worst(row['metric'])}" if as_worst else ""
        approximate = ", approximate" if row["n"] < APPROXIMATE_BELOW and not math.isnan(row["iqm_low"]) else ""
        rows.append(
            {
                "group": row["group"],
                "n": str(row["n"]),
                "metric": in_words(row["metric"]) if groups["metric"].nunique() > 1 else "",
                "median": estimate(row, "median") + counted,
                "IQM": estimate(row, "iqm") + approximate + counted,
                "runs with undefined value": str(row["undefined"]) if groups["undefined"].any() else "",
            }
        )
    return without_empty(pd.DataFrame(rows))


def readable_value_comparisons(outcome: ValueOutcome) -> pd.DataFrame:
    """Return the table of `compare_values` as text, one row per comparison."""
    comparisons = outcome.comparisons
    tests = number_of_tests(comparisons)
    metric = "final metric" if outcome.measure.reading == "end" else "metric"
    is_better = all(direction(name) for name in comparisons["metric"])
    probability = "probability of being better" if is_better else "probability of a higher value"
    rows = []
    for _, row in comparisons.iterrows():
        few = min(row["n"], row["n_reference"]) < APPROXIMATE_BELOW and not math.isnan(row["difference_low"])
        range_ = percent_range(row["improvement_low"], row["improvement_high"])
        rows.append(
            {
                "group": row["group"],
                "reference": row["reference"],
                "design": design(row),
                metric: in_words(row["metric"]) if outcome.is_default or comparisons["metric"].nunique() > 1 else "",
                "means": f"{number(row['mean'], 4)} against {number(row['mean_reference'], 4)}",
                "difference": estimate(row, "difference", 4, signed=True) + (", approximate" if few else ""),
                "medians": f"{number(row['median'], 4)} against {number(row['median_reference'], 4)}",
                "median of paired differences": estimate(row, "median_difference", 4, signed=True),
                probability: f"{percent(row['improvement'])} ({range_})",
                "test": row["test"],
                "p": p_text(row["p"]),
                f"p (Holm, {tests})": p_text(row["p_holm"]),
                **besides(row),
                "TOST p of medians": p_text(row[OF_MEDIANS]) if OF_MEDIANS in row else "",
                "runs left out (undefined)": str(row["undefined"]) if comparisons["undefined"].any() else "",
            }
        )
    return without_empty(pd.DataFrame(rows))
