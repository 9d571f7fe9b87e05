"""The report's first lines: three to six sentences with numbers, true for whatever was swept, never more than the data say."""

import math

import pandas as pd

from analysis.frames import Frames

MOST_GROUPS = 4  # in one sentence; beyond, the extremes
LEVEL = 0.05


def percent(fraction: float) -> str:
    """Return a fraction as whole percent."""
    return f"{100 * fraction:.0f} %"


def p_value(p: float) -> str:
    """Return a p value as "= 0.012" or "< 0.001"."""
    return "< 0.001" if p < 0.001 else f"= {p:.2g}" if p < 0.1 else f"= {p:.2f}"


def points(difference: float) -> str:
    """Return a difference of fractions in percentage points, signed; no sign where it rounds to nothing."""
    rounded = round(100 * difference)
    return f"{rounded:+d}" if rounded else "0"


def share(row: pd.Series, name: str = "converged") -> str:
    """Return "12 of 50 (24 %, 95 % CI 14-37 %)"; one run gives no interval, and says so."""
    n, count = int(row["n"]), int(row[name])
    if n == 1:
        return f"{count} of 1 (one run gives no interval)"
    low, high = 100 * row[f"{name}_low"], 100 * row[f"{name}_high"]
    return f"{count} of {n} ({percent(count / n)}, 95 % CI {low:.0f}-{high:.0f} %)"


def findings(frames: Frames, groups: pd.DataFrame, comparisons: pd.DataFrame) -> list[str]:
    """Return the sentences, from the tables that the report shows."""
    present = groups[groups["n"] > 0]
    if present.empty:
        return [f"None of the {frames.about.planned} planned runs has finished: there is nothing to report yet."]
    if frames.runs["horizon_step"].isna().all():
        # Fewer evaluations than train.hold: a fraction of 0 would be a statement about the settings, not about the runs.
        held = "No run could count as converged: there are fewer evaluations than train.hold asks for."
        sentences = [held, _reached(present), _angles(present), _exceptions(frames, present)]
    else:
        sentences = [_converged(present), _three_events(frames, present), _compared(comparisons), _median(present)]
        sentences += [_angles(present), _exceptions(frames, present)]
    return [sentence for sentence in sentences if sentence]


def _some(groups: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return all groups where they fit a sentence, else the ones highest and lowest in a column (one if they are equal)."""
    known = groups[groups[column].notna()]
    if len(known) <= MOST_GROUPS:
        return known
    extremes = [known[column].idxmax(), known[column].idxmin()]
    return known.loc[extremes[:1] if known[column].nunique() == 1 else extremes]


def _lead(some: pd.DataFrame, groups: pd.DataFrame) -> str:
    """Return what to say of a selection of groups: nothing if it is all of them."""
    if len(some) == len(groups):
        return ""
    return (
        f"highest and lowest of {len(groups)} groups: " if len(some) == 2 else f"the same in all {len(groups)} groups, as in "
    )


def _converged(groups: pd.DataFrame) -> str:
    some = _some(groups, "converged_fraction")
    parts = [f"{row['group']} {share(row)}" for _, row in some.iterrows()]
    return f"Converged: {_lead(some, groups)}{'; '.join(parts)}."


def _reached(groups: pd.DataFrame) -> str:
    some = _some(groups, "reached_fraction")
    parts = [f"{row['group']} {share(row, 'reached')}" for _, row in some.iterrows()]
    return f"Succeeded at some evaluation: {_lead(some, groups)}{'; '.join(parts)}."


def _three_events(frames: Frames, groups: pd.DataFrame) -> str:
    """Tell reaching, being there and holding apart, for the group where they differ most."""
    gap = (groups["reached"] - groups["converged"]) / groups["n"]
    if gap.max() <= 0:
        return ""
    row = groups.loc[gap.idxmax()]
    holds = sorted({int(h) for h in frames.runs["hold"]})
    held = f"{holds[0]} evaluations" if len(holds) == 1 else "the evaluations required"
    return (
        f"{row['group']} succeeded at some evaluation in {row['reached']} of {row['n']} runs, "
        f"at the last evaluation in {row['at_end']}, and had held it to the end for {held} or more in {row['converged']}."
    )


def _compared(comparisons: pd.DataFrame) -> str:
    parts = []
    for _, row in comparisons.head(MOST_GROUPS).iterrows():
        pairs = f"{row['pairs']} pairs of seeds" if row["design"] == "paired" else "no seed shared"
        interval = f"95 % CI {points(row['difference_low'])} to {points(row['difference_high'])}"
        verdict = "" if row["p_converged_holm"] < LEVEL else ": not told apart by these runs"
        parts.append(
            f"{row['group']} against {row['reference']}: {points(row['difference'])} points ({interval}; "
            f"{row['test_converged']} p {p_value(row['p_converged_holm'])} after Holm, {pairs}){verdict}"
        )
    rest = len(comparisons) - len(parts)
    more = f"; {rest} more in the table" if rest > 0 else ""
    return f"Difference in the fraction converged: {'; '.join(parts)}{more}." if parts else ""


def _median(groups: pd.DataFrame) -> str:
    some = _some(groups, "median_steps")
    medians = zip(some["group"], some["median_steps"], strict=True)
    parts = [f"{group} {'not reached' if math.isinf(median) else f'{median:.0f} steps'}" for group, median in medians]
    return f"Median time to convergence, runs that never converged included: {_lead(some, groups)}{'; '.join(parts)}."


def _angles(groups: pd.DataFrame) -> str:
    if "angle_deg_median" not in groups or groups["angle_deg_median"].isna().all():
        return ""
    known = groups[groups["angle_deg_median"].notna()]
    some = _some(known, "angle_deg_median")
    parts = []
    for _, row in some.iterrows():
        low, high = row["angle_deg_median_low"], row["angle_deg_median_high"]
        interval = "" if math.isnan(low) else f" (95 % CI {low:.1f}-{high:.1f})"
        out = f", undefined in {row['angle_deg_undefined']} runs" if row["angle_deg_undefined"] else ""
        parts.append(f"{row['group']} {row['angle_deg_median']:.1f}{interval}{out}")
    lead = "Median angle between the update and the true gradient of the hidden layers at the end, in degrees"
    nowhere = f"; undefined in {len(groups) - len(known)} groups" if len(known) < len(groups) else ""
    return f"{lead}: {_lead(some, known)}{'; '.join(parts)}{nowhere}."


def _exceptions(frames: Frames, groups: pd.DataFrame) -> str:
    about = frames.about
    diverged = int(groups["diverged"].sum())
    parts = [f"{diverged} of {int(groups['n'].sum())} finished runs diverged" if diverged else "No run diverged"]
    if about.missing:
        parts.append(f"{about.missing} of {about.planned} planned runs are missing, and nothing here speaks for them")
    if about.failed:
        parts.append(f"{len(about.failed)} ended in an error")
    return "; ".join(parts) + "."
