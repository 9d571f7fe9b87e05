"""Write the sentences at the top of a report: the main results with their numbers, for any sweep.

Each sentence names its quantity. A difference is called significant if its corrected p value is below 5 %.
"Not significant" does not claim that the groups are equal.
"""

import math
from collections.abc import Iterator

import pandas as pd

from fa_sweep.report.comparisons import ITSELF, PAIRED, PARTLY, without_reference
from fa_sweep.report.formatting import counted, estimate, median_steps, number, p_value, percent, percent_range, points, steps
from fa_sweep.report.frames import Frames
from fa_sweep.report.intervals import APPROXIMATE_BELOW
from fa_sweep.report.trainings import distinct, sets_of_trainings

MOST_GROUPS = 4  # most groups that one sentence names (of more, the highest and the lowest), and most comparisons in sentences
LEVEL = 0.05


def share(row: pd.Series, name: str = "converged") -> str:
    """Write a count of runs with its interval, such as "12 of 50 (24 %, 95 % CI 14-37 %)".

    A single run is written without an interval.

    Args:
        row: A row of `group_table`.
        name: Which runs are counted, such as "converged" or "reached".
    """
    n, count = int(row["n"]), int(row[name])
    if n == 1:
        return f"{count} of 1 (one run gives no interval)"
    return f"{count} of {n} ({percent(count / n)}, 95 % CI {percent_range(row[f'{name}_low'], row[f'{name}_high'])} %)"


def findings(frames: Frames, groups: pd.DataFrame, comparisons: pd.DataFrame, final: pd.DataFrame) -> list[str]:
    """Write the main results of a sweep, one sentence per string, the most informative first.

    If all runs converged or none did, the fraction converged says nothing about differences between groups. In that case the
    final values come first, or the times to convergence if the final values do not differ either.

    Args:
        frames: The sweep.
        groups: The table of `group_table`.
        comparisons: The table of `compare`.
        final: The table of `compare_final`.
    """
    present = groups[groups["n"] > 0]
    if present.empty:
        return [f"None of the {frames.about.planned} planned runs has finished, so there is nothing to report yet."]
    if frames.runs["horizon_step"].isna().all():
        # With fewer evaluations than train.hold no run can converge. A fraction of 0 would describe the settings, not the runs.
        held = "No run could count as converged, because there are fewer evaluations than train.hold requires."
        sentences = [held, _reached(present), *_final(frames, present, final)]
    elif lead := undecided_by_convergence(present):
        times, finals = [*_times(comparisons, frames), _median(present)], _final(frames, present, final)
        events = [_converged(present), _three_events(frames, present)]
        if not _nothing_differs(final):
            sentences = [f"{lead}. The final values are therefore listed first.", *finals, *events, *times]
        else:  # the final values do not differ either
            sentences = [
                f"{lead}, and neither can the final values. The times are therefore listed first.",
                *times,
                *events,
                *finals,
            ]
    else:
        sentences = [
            _converged(present),
            _three_events(frames, present),
            *_fractions(comparisons),
            *_times(comparisons, frames),
        ]
        sentences += [_median(present), *_final(frames, present, final)]
    sentences += [_angles(present), *_one_set(frames, present), _no_reference(frames, comparisons)]
    sentences += [f"Not learned: {text}." for text in frames.advice]
    return [sentence for sentence in [*sentences, _exceptions(frames, present), _earlier(frames)] if sentence]


def undecided_by_convergence(groups: pd.DataFrame) -> str:
    """Return the beginning of a sentence that says that all runs converged or none did; empty if only some did."""
    if len(groups) < 2:
        return ""
    if (groups["converged"] == groups["n"]).all():
        return "Every run converged, so the fraction converged cannot distinguish the groups"
    if (groups["converged"] == 0).all():
        return "No run converged, so the fraction converged cannot distinguish the groups"
    return ""


def _nothing_differs(final: pd.DataFrame) -> bool:
    """Whether final values were compared and no comparison found any difference."""
    return not final.empty and bool((final["difference"] == 0).all() and (final["p"] == 1).all())


def _some(groups: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return all groups if they fit into a sentence, otherwise the ones with the highest and lowest value (one if equal)."""
    known = groups[groups[column].notna()]
    if len(known) <= MOST_GROUPS:
        return known
    extremes = [known[column].idxmax(), known[column].idxmin()]
    return known.loc[extremes[:1] if known[column].nunique() == 1 else extremes]


def _lead(some: pd.DataFrame, groups: pd.DataFrame) -> str:
    """Return the words that introduce the groups selected by `_some`; empty if it selected all groups."""
    if len(some) == len(groups):
        return ""
    if len(some) == 2:
        return f", highest and lowest of {len(groups)} groups"
    return f", with equal estimates in all {len(groups)} groups, of which one is shown"


def _converged(groups: pd.DataFrame) -> str:
    some = _some(groups, "converged_fraction")
    parts = [f"{row['group']} {share(row)}" for _, row in some.iterrows()]
    return f"Converged{_lead(some, groups)}: {'; '.join(parts)}."


def _reached(groups: pd.DataFrame) -> str:
    some = _some(groups, "reached_fraction")
    parts = [f"{row['group']} {share(row, 'reached')}" for _, row in some.iterrows()]
    return f"Succeeded at some evaluation{_lead(some, groups)}: {'; '.join(parts)}."


def _three_events(frames: Frames, groups: pd.DataFrame) -> str:
    """Contrast three events, for the group in which they differ most: success at some evaluation, at the last, convergence."""
    gap = (groups["reached"] - groups["converged"]) / groups["n"]
    if gap.max() <= 0:
        return ""
    row = groups.loc[gap.idxmax()]
    holds = sorted({int(h) for h in frames.runs.loc[frames.runs["group"] == row["group"], "hold"]})
    held = holds[0] if len(holds) == 1 else "train.hold"
    last = "the last evaluation" if held == 1 else f"each of the last {held} evaluations"
    return (
        f"{row['group']}: {row['reached']} of {row['n']} runs succeeded at some evaluation, {row['at_end']} at the last one, "
        f"and {row['converged']} converged (success at {last})."
    )


def _design(row: pd.Series) -> str:
    shared = counted(row["pairs"], "shared seed")
    if row["design"] == PAIRED:
        return shared
    runs = f"{row['n']} and {row['n_reference']} runs"
    return f"{runs} with {shared}" if row["design"] == PARTLY else f"{runs} without shared seeds"


def _verdict(row: pd.Series, test: str, quantity: str, tests: int) -> str:
    """Say whether two groups differ significantly in a quantity, and if not, whether so few runs could have shown it."""
    suffix = f"_{test}" if test else ""
    p, holm, least = row[f"p{suffix}"], row[f"p{suffix}_holm"], row[f"p{suffix}_least"]
    low, high = (row[f"{'rmst_' if test == 'time' else ''}difference_{end}"] for end in ("low", "high"))
    verdict = f"The difference in {quantity} is {'' if holm < LEVEL else 'not '}significant"
    if holm >= LEVEL and least > LEVEL / tests:
        verdict += f". {_too_few(row, test, tests)}"
    if not math.isnan(low) and (low > 0 or high < 0) != (p < LEVEL):
        verdict += ". Interval and test disagree here, and the verdict follows the test"
    return verdict


def _too_few(row: pd.Series, test: str, tests: int) -> str:
    """Compare the least possible p value with the strictest level of Holm's correction.

    With m discordant pairs, McNemar's least p value is 2^(1-m). The correction may allow a larger p value if other tests of the
    table reject.
    """
    strictest = f"the strictest level of Holm's correction over {tests} tests" if tests > 1 else "its level"
    level = f"{number(LEVEL / tests, 2)}, {strictest}"
    least = row[f"p_{test}_least" if test else "p_least"]
    if test == "converged" and row["design"] == PAIRED:
        discordant = int(row["discordant"])
        needed = next(m for m in range(2, 100) if 2.0 ** (1 - m) <= LEVEL / tests)
        some = f"Only {counted(discordant, 'shared seed has', 'shared seeds have')}" if discordant else "No shared seed has"
        differ = f"{some} different outcomes in the two groups"
        return f"{differ}; with fewer than {needed}, the test cannot reach {level}"
    # "About", because a p value from random permutations may fall slightly below the least one of all permutations.
    smallest = "1" if least >= 1 else f"about {number(least, 2)}"
    return f"So few runs differ that the test cannot give a p value below {smallest}, and so cannot reach {level}"


def _holm(p: float, tests: int) -> str:
    return f"p {p_value(p)} after Holm's correction over {tests} tests" if tests > 1 else ""


def _joined(parts: list[str], rest: int, what: str) -> list[str]:
    if not parts:
        return []
    more = [f"{what}: the table holds {counted(rest, 'more comparison')}."] if rest > 0 else []
    return [*(f"{part}." for part in parts), *more]


def _fractions(comparisons: pd.DataFrame) -> list[str]:
    tested = comparisons[comparisons["p_converged"].notna()]
    tests = number_of_tests(comparisons)
    parts = []
    for _, row in tested.head(MOST_GROUPS).iterrows():
        details = [
            f"95 % CI {points(row['difference_low'])} to {points(row['difference_high'])}",
            f"{row['test_converged']} p {p_value(row['p_converged'])}",
            _holm(row["p_converged_holm"], tests),
            _design(row),
        ]
        verdict = _verdict(row, "converged", "the fraction converged", tests)
        parts.append(
            f"Fraction converged, {row['group']} minus {row['reference']}: {points(row['difference'])} points "
            f"({'; '.join(filter(None, details))}). {verdict}"
        )
    return _joined(parts, len(tested) - len(parts), "Fraction converged")


def number_of_tests(comparisons: pd.DataFrame) -> int:
    """Return the number of p values in a table of comparisons. Holm's correction is made for this number of tests."""
    columns = [c for c in ("p_converged", "p_time", "p") if c in comparisons]
    return int(comparisons[columns].notna().to_numpy().sum())


def _times(comparisons: pd.DataFrame, frames: Frames) -> Iterator[str]:
    tested = comparisons[comparisons["p_time"].notna()]
    tests = number_of_tests(comparisons)
    parts = []
    for _, row in tested.head(MOST_GROUPS).iterrows():
        never = frames.runs.loc[frames.runs["group"] == row["group"], "horizon_step"].max()
        low, high = row["rmst_difference_low"], row["rmst_difference_high"]
        details = [
            _interval(row["rmst_difference"], low, high),
            f"{row['test_time']} p {p_value(row['p_time'])}",
            _holm(row["p_time_holm"], tests),
        ]
        verdict = _verdict(row, "time", "the time to convergence", tests)
        parts.append(
            f"Mean time to convergence (a run that never converges counts as {steps(never)} steps), {row['group']} minus "
            f"{row['reference']}: {_middle(row['rmst_difference'], low, high)} steps "
            f"({'; '.join(filter(None, details))}). {verdict}"
        )
    yield from _joined(parts, len(tested) - len(parts), "Time to convergence")
    uncompared = comparisons[comparisons["p_time"].isna() & (comparisons["design"] != ITSELF)]
    if len(uncompared):
        yield (
            f"Times to convergence are not compared in {len(uncompared)} of {len(comparisons)} comparisons: "
            "the two groups have no common horizon, which is the last step at which convergence can begin."
        )


def _middle(value: float, low: float, high: float) -> str:
    return estimate(value, low, high, 4, signed=True).partition(" (")[0]


def _interval(value: float, low: float, high: float, *, approximate: bool = False) -> str:
    """Write an interval such as "95 % CI +2 to +5", with the same number of decimal places as the value in `_middle`."""
    text = estimate(value, low, high, 4, signed=True).partition(" (")[2]
    return f"{'approximate ' if approximate else ''}95 % CI {text.rstrip(')')}" if text else "no interval"


def _final(frames: Frames, groups: pd.DataFrame, final: pd.DataFrame) -> list[str]:
    """Write the comparisons of the final success metric or, if no comparison was tested, its median in each group."""
    tests = number_of_tests(final)
    parts = []
    tested = final[final["p"].notna()]
    for _, row in tested.head(MOST_GROUPS).iterrows():
        low, high = row["difference_low"], row["difference_high"]
        details = [
            _interval(row["difference"], low, high, approximate=min(row["n"], row["n_reference"]) < APPROXIMATE_BELOW),
            f"{row['test']} p {p_value(row['p'])}",
            _holm(row["p_holm"], tests),
            _design(row),
            _counted(groups, row["metric"], row["group"], row["reference"]),
        ]
        name = row["metric"].replace("_", " ")
        parts.append(
            f"Mean final {name}, {row['group']} against {row['reference']}: {number(row['mean'], 4)} against "
            f"{number(row['mean_reference'], 4)}, difference {_middle(row['difference'], low, high)} "
            f"({'; '.join(filter(None, details))}). {_verdict(row, '', f'the final {name}', tests)}"
        )
    if parts:
        return _joined(parts, len(tested) - len(parts), "Final values")
    return list(_final_of_groups(frames, groups))


def _final_of_groups(frames: Frames, groups: pd.DataFrame) -> Iterator[str]:
    metrics = {job.run.task.success.metric for job in frames.jobs}
    for metric in sorted(metrics):
        if f"{metric}_median" in groups:
            known = groups[groups[f"{metric}_median"].notna()]
            some = _some(known, f"{metric}_median")
            values = []
            for _, row in some.iterrows():
                low, high = row[f"{metric}_median_low"], row[f"{metric}_median_high"]
                values.append(f"{row['group']} {estimate(row[f'{metric}_median'], low, high, 4)}")
            counted = _counted(groups, metric, *some["group"])
            name = metric.replace("_", " ")
            note = f" ({counted})" if counted else ""
            yield f"Median final {name} (95 % CI){_lead(some, known)}: {'; '.join(values)}{note}."


def _counted(groups: pd.DataFrame, metric: str, *names: str) -> str:
    """Say how many runs of the named groups diverged and which value they count as; empty if none diverged."""
    diverged = int(groups.loc[groups["group"].isin(names), "diverged"].sum())
    return f"{counted(diverged, 'diverged run')} counted as {'0' if metric == 'accuracy' else 'infinite'}" if diverged else ""


def _median(groups: pd.DataFrame) -> str:
    known = groups[groups["median_steps"].notna()]
    some = _some(known, "median_steps")
    parts = []
    for _, row in some.iterrows():
        median, low, high = (float(row[f"median_steps{suffix}"]) for suffix in ("", "_low", "_high"))
        parts.append(f"{row['group']} {median_steps(median, low, high)}")
    lead = "Median time to convergence in steps (95 % CI), including the runs that never converged"
    return f"{lead}{_lead(some, known)}: {'; '.join(parts)}."


def _angles(groups: pd.DataFrame) -> str:
    if "angle_deg_median" not in groups or groups["angle_deg_median"].isna().all():
        return ""
    known = groups[groups["angle_deg_median"].notna()]
    some = _some(known, "angle_deg_median")
    parts = []
    for _, row in some.iterrows():
        low, high = row["angle_deg_median_low"], row["angle_deg_median_high"]
        out = f", undefined in {counted(row['angle_deg_undefined'], 'run')}" if row["angle_deg_undefined"] else ""
        parts.append(f"{row['group']} {estimate(row['angle_deg_median'], low, high, between='-')}{out}")
    lead = "Median angle between the update of the hidden layers and their true gradient at the end, in degrees (95 % CI)"
    nowhere = f"; undefined in {counted(len(groups) - len(known), 'group')}" if len(known) < len(groups) else ""
    return f"{lead}{_lead(some, known)}: {'; '.join(parts)}{nowhere}."


def _one_set(frames: Frames, groups: pd.DataFrame) -> Iterator[str]:
    """Name the groups that are the same set of trainings, with how many runs converged by each group's criterion."""
    rows = groups.set_index("group")
    for names in sets_of_trainings(frames):
        if len(names) > 1:
            counts = [f"{name} {rows.loc[name, 'converged']} of {rows.loc[name, 'n']}" for name in names[:MOST_GROUPS]]
            more = f"; and {len(names) - MOST_GROUPS} more" if len(names) > MOST_GROUPS else ""
            yield (
                f"{len(names)} groups are one set of trainings under different names. It is counted once and not tested "
                f"against itself. Converged: {'; '.join(counts)}{more}."
            )


def _no_reference(frames: Frames, comparisons: pd.DataFrame) -> str:
    compared = {*comparisons["group"], *comparisons["reference"]}
    lonely = [name for name in without_reference(frames) if name not in compared]
    if not lonely:
        return ""
    some = "; ".join(lonely[:MOST_GROUPS]) + (f"; and {len(lonely) - MOST_GROUPS} more" if len(lonely) > MOST_GROUPS else "")
    return f"Not compared, because the reference's feedback mode has no finished run at their other settings: {some}."


def _exceptions(frames: Frames, groups: pd.DataFrame) -> str:
    about, finished = frames.about, int(groups["n"].sum())
    diverged = int(groups["diverged"].sum())
    parts = [f"{diverged} of {finished} finished runs diverged" if diverged else "No run diverged"]
    if (trainings := distinct(frames)) < finished:
        parts.append(f"the {finished} finished runs are {trainings} distinct trainings")
    if about.missing:
        parts.append(f"{about.missing} of {about.planned} planned runs are missing, and the results do not include them")
    if about.failed:
        parts.append(f"{counted(len(about.failed), 'run')} ended in an error")
    return "; ".join(parts) + "."


def _earlier(frames: Frames) -> str:
    looks = frames.about.earlier
    if not looks:
        return ""
    more = f"; and {len(looks) - 3} more" if len(looks) > 3 else ""
    return (
        f"This is not the first look at these groups: {'; '.join(map(str, looks[-3:]))}{more}. If the number of seeds was "
        "decided after an earlier look, the intervals are too narrow and the p values too small."
    )
