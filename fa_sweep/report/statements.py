"""Write the findings at the top of a report: the main results with their numbers, for any sweep.

Each finding is one fact: a number of one group, or a difference between two. It names its quantity. A difference is called
significant if its corrected p value is below 5 %.
"Not significant" does not claim that the groups are equal.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from fa_sweep.report.comparisons import ITSELF, without_reference
from fa_sweep.report.formatting import counted, estimate, median_steps, number, percent, percent_range, points, steps
from fa_sweep.report.frames import Frames
from fa_sweep.report.intervals import APPROXIMATE_BELOW
from fa_sweep.report.names import Names, names_of
from fa_sweep.report.trainings import distinct, sets_of_trainings
from fa_sweep.report.verdicts import number_of_tests, test_sentence, verdict

MOST_GROUPS = 4  # most groups with findings of their own (of more, the highest and the lowest), and most comparisons


def share(row: pd.Series, name: str = "converged") -> str:
    """Write a count of runs with its interval, such as "12 of 50 runs (24 %, 95 % CI 14-37 %)".

    A single run is written without an interval.

    Args:
        row: A row of `group_table`.
        name: Which runs are counted, such as "converged" or "reached".
    """
    n, count = int(row["n"]), int(row[name])
    if n == 1:
        return f"{count} of 1 run (one run gives no interval)"
    return f"{count} of {n} runs ({percent(count / n)}, 95 % CI {percent_range(row[f'{name}_low'], row[f'{name}_high'])} %)"


def findings(frames: Frames, groups: pd.DataFrame, comparisons: pd.DataFrame, final: pd.DataFrame) -> list[str]:
    """Write the main results of a sweep, one fact per string, the most informative first. Tests stand on a second line.

    If all runs converged or none did, the fraction converged says nothing about differences between groups. In that case the
    final values come first, or the times to convergence if the final values do not differ either.

    Args:
        frames: The sweep.
        groups: The table of `group_table`.
        comparisons: The table of `compare`.
        final: The table of `compare_final`.
    """
    names = names_of(frames)
    comparisons, final = _named(comparisons, names), _named(final, names)
    present = groups[groups["n"] > 0]
    if present.empty:
        return [f"None of the {frames.about.planned} planned runs has finished, so there is nothing to report yet."]
    if frames.runs["horizon_step"].isna().all():
        # With fewer evaluations than train.hold no run can converge. A fraction of 0 would describe the settings, not the runs.
        held = "No run could count as converged, because there are fewer evaluations than train.hold requires."
        sentences = [held, *_reached(present), *_final(frames, present, final)]
    elif lead := undecided_by_convergence(present):
        times, finals = [*_times(comparisons, frames), *_median(present)], _final(frames, present, final)
        events = [*_converged(present), _three_events(frames, present)]
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
            *_converged(present),
            _three_events(frames, present),
            *_fractions(comparisons),
            *_times(comparisons, frames),
        ]
        sentences += [*_median(present), *_final(frames, present, final)]
    sentences += [*_angles(present), *_one_set(frames, present), _no_reference(frames, comparisons)]
    sentences += [f"Not learned: {text}." for text in frames.advice]
    return [names.shorten(sentence) for sentence in [*sentences, *_exceptions(frames, present), _earlier(frames)] if sentence]


def undecided_by_convergence(groups: pd.DataFrame) -> str:
    """Return the beginning of a sentence that says that all runs converged or none did; empty if only some did."""
    if len(groups) < 2:
        return ""
    if (groups["converged"] == groups["n"]).all():
        return "Every run converged, so the fraction converged cannot distinguish the groups"
    if (groups["converged"] == 0).all():
        return "No run converged, so the fraction converged cannot distinguish the groups"
    return ""


def _named(comparisons: pd.DataFrame, names: Names) -> pd.DataFrame:
    """Add the words of sentences about comparisons: where they hold, and the labels of both groups without what they share."""
    pairs = [names.pair(group, its) for group, its in zip(comparisons["group"], comparisons["reference"], strict=True)]
    where = [f"At {common}, " if common else "" for _, _, common in pairs]
    subject = [place + ours for place, (ours, _, _) in zip(where, pairs, strict=True)]
    return comparisons.assign(subject=subject, other=[theirs for _, theirs, _ in pairs])


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


def _each(groups: pd.DataFrame, column: str, quantity: str, sentence: Callable[[pd.Series], str]) -> Iterator[str]:
    """Write a sentence about each group selected by `_some`, and say of how many groups the selected ones are the extremes.

    Args:
        groups: Rows of `group_table`.
        column: The column that decides which groups are selected.
        quantity: What the column is, such as "fraction converged".
        sentence: Returns the sentence about a group, without a full stop.
    """
    known = groups[groups[column].notna()]
    some, before = _some(groups, column), [""] * MOST_GROUPS
    if len(some) < len(known):
        extremes = [f"Highest {quantity} of {len(known)} groups: ", f"Lowest {quantity} of {len(known)} groups: "]
        before = extremes if len(some) == 2 else [f"Equal {quantity} in all {len(known)} groups, such as "]
    for words, (_, row) in zip(before, some.iterrows(), strict=False):
        yield f"{words}{sentence(row)}."


def _converged(groups: pd.DataFrame) -> Iterator[str]:
    return _each(groups, "converged_fraction", "fraction converged", lambda row: f"{row['group']}: {share(row)} converged")


def _reached(groups: pd.DataFrame) -> Iterator[str]:
    def sentence(row: pd.Series) -> str:
        return f"{row['group']}: {share(row, 'reached')} succeeded at some evaluation"

    return _each(groups, "reached_fraction", "fraction that ever succeeded", sentence)


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
        ours, theirs = (f"{row[f'converged{of}']} of {row[f'n{of}']}" for of in ("", "_reference"))
        how = _compared(row["difference"], "converged more often than", "converged less often than", "converged as often as")
        interval = f"95 % CI {points(row['difference_low'])} to {points(row['difference_high'])}"
        by = f"{points(row['difference'])} points ({interval})"
        fact = f"{row['subject']} {how} {row['other']}: {ours} runs against {theirs}, {by}"
        said = verdict(row, "converged", "the fraction converged", tests)
        parts.append(f"{fact}.\n{said}. {test_sentence(row, 'converged', tests)}")
    return _joined(parts, len(tested) - len(parts), "Fraction converged")


def _compared(difference: float, more: str, less: str, equal: str) -> str:
    return more if difference > 0 else less if difference < 0 else equal


def _times(comparisons: pd.DataFrame, frames: Frames) -> Iterator[str]:
    tested = comparisons[comparisons["p_time"].notna()]
    tests = number_of_tests(comparisons)
    parts = []
    for _, row in tested.head(MOST_GROUPS).iterrows():
        never = frames.runs.loc[frames.runs["group"] == row["group"], "horizon_step"].max()
        value, low, high = (row[f"rmst_difference{end}"] for end in ("", "_low", "_high"))
        how = _compared(value, "took longer to converge than", "converged sooner than", "took as long to converge as")
        by = f"{_middle(value, low, high)} steps in the mean ({_interval(value, low, high)})"
        fact = f"{row['subject']} {how} {row['other']}: {by}"
        counts = f"A run that never converged counts as {steps(never)} steps"
        said = verdict(row, "time", "the time to convergence", tests)
        parts.append(f"{fact}.\n{counts}. {said}. {test_sentence(row, 'time', tests)}")
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
        value, low, high = (row[f"difference{end}"] for end in ("", "_low", "_high"))
        name, few = row["metric"].replace("_", " "), min(row["n"], row["n_reference"]) < APPROXIMATE_BELOW
        how = _compared(row["mean"] - row["mean_reference"], "a higher", "a lower", "")
        means = f"{number(row['mean'], 4)} against {number(row['mean_reference'], 4)}"
        by = f", {_middle(value, low, high)} ({_interval(value, low, high, approximate=few)})" if not math.isnan(value) else ""
        diverged = _counted(groups, row["metric"], row["group"], row["reference"])
        test = test_sentence(row, "", tests, *filter(None, [diverged]))
        higher = f"{row['subject']} ended with {how} mean {name} than {row['other']}"
        equal = f"{row['subject']} and {row['other']} ended with equal mean {name}"
        fact = f"{higher if how else equal}: {means}{by}"
        parts.append(f"{fact}.\n{verdict(row, '', f'the final {name}', tests)}. {test}")
    if parts:
        return _joined(parts, len(tested) - len(parts), "Final values")
    return list(_final_of_groups(frames, groups))


def _final_of_groups(frames: Frames, groups: pd.DataFrame) -> Iterator[str]:
    metrics = {job.run.task.success.metric for job in frames.jobs}
    for metric in sorted(metrics):
        if f"{metric}_median" in groups:
            known = groups[groups[f"{metric}_median"].notna()]
            name = metric.replace("_", " ")

            def sentence(row: pd.Series, metric: str = metric, name: str = name) -> str:
                value, low, high = (row[f"{metric}_median{end}"] for end in ("", "_low", "_high"))
                diverged = _counted(groups, metric, row["group"])
                text = "; ".join(filter(None, [_with_interval(value, low, high), diverged]))
                return f"{row['group']}: median final {name} {text}"

            yield from _each(known, f"{metric}_median", f"median final {name}", sentence)


def _counted(groups: pd.DataFrame, metric: str, *names: str) -> str:
    """Say how many runs of the named groups diverged and which value they count as; empty if none diverged."""
    diverged = int(groups.loc[groups["group"].isin(names), "diverged"].sum())
    return f"{counted(diverged, 'diverged run')} counted as {'0' if metric == 'accuracy' else 'infinite'}" if diverged else ""


def _with_interval(value: float, low: float, high: float, digits: int = 4, unit: str = "") -> str:
    """Write a value with its unit and its interval, such as "88 degrees (95 % CI 84 to 95)"."""
    middle, _, interval = estimate(value, low, high, digits).partition(" (")
    return f"{middle}{unit}" + (f" (95 % CI {interval}" if interval else "")


def _median(groups: pd.DataFrame) -> Iterator[str]:
    """Write median times. Groups whose median is not reached share one sentence."""
    known = groups[groups["median_steps"].notna()]
    never = known[np.isinf(known["median_steps"])]

    def sentence(row: pd.Series) -> str:
        median, low, high = (float(row[f"median_steps{suffix}"]) for suffix in ("", "_low", "_high"))
        text, _, interval = median_steps(median, low, high).partition(" (")
        return f"{row['group']}: median time to convergence {text} steps" + (f" (95 % CI {interval}" if interval else "")

    yield from _each(known[~np.isinf(known["median_steps"])], "median_steps", "median time to convergence", sentence)
    if len(never):
        more = f"; and {len(never) - MOST_GROUPS} more" if len(never) > MOST_GROUPS else ""
        yield f"The median time to convergence is not reached in: {'; '.join(never['group'][:MOST_GROUPS])}{more}."


def _angles(groups: pd.DataFrame) -> Iterator[str]:
    """Write the median angles between the update of the hidden layers and their true gradient at the last evaluation."""
    if "angle_deg_median" not in groups:
        return

    def sentence(row: pd.Series) -> str:
        value, low, high = (row[f"angle_deg_median{end}"] for end in ("", "_low", "_high"))
        out = f"; it is undefined in {counted(row['angle_deg_undefined'], 'run')}" if row["angle_deg_undefined"] else ""
        return f"{row['group']}: median gradient angle at the end {_with_interval(value, low, high, 3, ' degrees')}{out}"

    known = groups[groups["angle_deg_median"].notna()]
    yield from _each(known, "angle_deg_median", "median gradient angle at the end", sentence)
    if 0 < len(known) < len(groups):
        yield f"The gradient angle is undefined in all runs of {counted(len(groups) - len(known), 'group')}."


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


def _exceptions(frames: Frames, groups: pd.DataFrame) -> Iterator[str]:
    about, finished = frames.about, int(groups["n"].sum())
    diverged = int(groups["diverged"].sum())
    yield f"{diverged} of {finished} finished runs diverged." if diverged else "No run diverged."
    if (trainings := distinct(frames)) < finished:
        yield f"The {finished} finished runs are {trainings} distinct trainings."
    if about.missing:
        yield f"{about.missing} of {about.planned} planned runs are missing, and the results do not include them."
    if about.failed:
        yield f"{counted(len(about.failed), 'run')} ended in an error."


def _earlier(frames: Frames) -> str:
    looks = frames.about.earlier
    if not looks:
        return ""
    more = f"; and {len(looks) - 3} more" if len(looks) > 3 else ""
    return (
        f"This is not the first look at these groups: {'; '.join(map(str, looks[-3:]))}{more}. If the number of seeds was "
        "decided after an earlier look, the intervals are too narrow and the p values too small."
    )
