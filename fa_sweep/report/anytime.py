"""Tables of a sweep whose results decided how many seeds it has.

Ordinary intervals and p values assume that the number of seeds was fixed beforehand. For such a sweep, they are replaced by
confidence sequences where there are any (see `decisions.sequences`), and left out otherwise.
"""

import math

import numpy as np
import pandas as pd

from fa_sweep.decisions.sequences import difference_interval, fraction_interval, mean_interval
from fa_sweep.report.estimates import restricted
from fa_sweep.report.frames import Frames
from fa_sweep.report.methods import ALWAYS
from fa_sweep.report.pairs import PAIRED
from fa_sweep.sweeping.outcomes import Outcome

EVENTS = ("reached", "at_end", "converged", "diverged")
METHODS = (
    *ALWAYS,
    "The results decided how many seeds this sweep has. Its intervals of fractions, of restricted mean times and of their "
    "paired differences are therefore confidence sequences: a mixture of bets against each possible value, weighted by the "
    "arcsine law (Robbins, 1970; Waudby-Smith and Ramdas, 2024). They hold at all numbers of seeds simultaneously. A p value "
    "is one divided by the largest capital of the bets against no difference (an e-value), and holds at all numbers of seeds, "
    "too.",
    "All other numbers are descriptions, without intervals and tests, because those would be wrong here: survival curves "
    "(Kaplan-Meier, with runs that never converge censored at the horizon), median times, and medians and interquartile means "
    "of values. A diverged run counts with the worst value: 0 for accuracies, infinite for losses and errors.",
    "docs/statistics.md shows in simulations how often these intervals cover the truth and how often the rules err.",
)


def groups(table: pd.DataFrame, frames: Frames) -> pd.DataFrame:
    """Return a table of `estimates.group_table` whose intervals hold at every number of seeds; those that do not are NaN."""
    found = without_intervals(table)
    runs = {str(group): part for group, part in frames.runs.groupby("group", observed=False)}
    for place, row in found.iterrows():
        for name in EVENTS:
            found.loc[place, [f"{name}_low", f"{name}_high"]] = fraction_interval(int(row[name]), int(row["n"]))
        horizon = float(row["horizon_steps"])
        if row["n"] and horizon > 0:
            low, high = mean_interval(restricted(runs[row["group"]]) / horizon)
            found.loc[place, ["rmst_steps_low", "rmst_steps_high"]] = low * horizon, high * horizon
    return found


def comparisons(table: pd.DataFrame, frames: Frames) -> pd.DataFrame:
    """Return a table of `comparisons.compare` without tests, and with intervals that hold at every number of seeds."""
    found = without_intervals(table)
    runs = {str(group): part.sort_values("seed") for group, part in frames.runs.groupby("group", observed=True)}
    for place, row in table.iterrows():
        if row["design"] != PAIRED:
            continue
        ours, theirs = runs[row["group"]], runs[row["reference"]]
        converged = [(part["outcome"] == Outcome.CONVERGED).to_numpy(float) for part in (ours, theirs)]
        found.loc[place, ["difference_low", "difference_high"]] = difference_interval(converged[0] - converged[1])
        horizon = float(ours["horizon_step"].max())
        if not math.isnan(row["rmst_difference"]) and horizon > 0:
            ends = difference_interval((restricted(ours) - restricted(theirs)) / horizon)
            found.loc[place, ["rmst_difference_low", "rmst_difference_high"]] = np.array(ends) * horizon
    return found


def without_intervals(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with NaN in place of all intervals and p values."""
    fixed = [name for name in table if name.endswith(("_low", "_high")) or name == "p" or name.startswith("p_")]
    return table.assign(**dict.fromkeys(fixed, math.nan))
