"""Write the findings at the top of a report: the main results with their numbers, for any sweep.

Each finding is one fact: a number of one group, or a difference between two. It names its quantity. A difference is called
significant if its corrected p value is below 5 %.
"Not significant" does not claim that the groups are equal.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from fa_sweep.report.analysis import Analysis
from fa_sweep.report.designs import choice_sentences, design_sentences
from fa_sweep.report.earlier import EarlierLook, Kind
from fa_sweep.report.formatting import counted, median_steps, points, steps
from fa_sweep.report.frames import Frames
from fa_sweep.report.pairs import ITSELF, without_reference
from fa_sweep.report.sentences import MOST_GROUPS, compared, each, interval, joined, middle, named, share, with_interval
from fa_sweep.report.statements_of_values import value_sentences
from fa_sweep.report.trainings import distinct, sets_of_trainings
from fa_sweep.report.verdicts import equivalence, number_of_tests, test_sentence, verdict
from fa_sweep.settings.measures import CONVERGED

# What the reader has to know of earlier sweeps, by what they mean for the present one.
EARLIER = {
    Kind.OTHER_SEEDS: "This is not the first look at these groups: {looks}. If the number of seeds was decided after an "
    "earlier look, the intervals are too narrow and the p values too small.",
    Kind.CHOSE_SETTINGS: "{ids} chose settings on {runs} of these runs. If the settings of this sweep are the chosen ones, "
    "they look better here than they are; only fresh seeds can test them.",
    Kind.CHOSE_SEEDS: "The results of {ids}, whose runs this sweep contains, decided how many seeds there are. The intervals "
    "here are therefore too narrow, and the p values too small; those of the sequential sweep hold.",
    Kind.MORE_GROUPS: "These runs are part of {ids}, with further groups at the same seeds. If the groups here were picked "
    "for their results there, they look better than they are.",
    Kind.SAME_SEEDS: "{ids} looked at {runs} runs with the same seeds and other values of what was tuned. If the tuning "
    "followed from that look, the seeds here are not fresh.",
    Kind.SECOND_TRY: "This is not the first look at these groups: {looks}. Every try on other seeds has its own probability of "
    "an error.",
    Kind.OTHER_RULE: "{ids} looked at {runs} of these runs with another rule, or with none. If the rule or the outcome was "
    "chosen after that look, the intervals and p values here do not hold.",
}


def findings(analysis: Analysis) -> list[str]:
    """Write the main results of a sweep, one fact per string, the primary outcome first. Tests stand on a second line.

    If all runs converged or none did, the fraction converged says nothing about differences between groups. By default, the
    final values then come first, or the times to convergence if the final values do not differ either.
    """
    frames, names = analysis.frames, analysis.names
    comparisons = named(analysis.comparisons, names)
    present = analysis.groups[analysis.groups["n"] > 0]
    if present.empty:
        return [f"None of the {frames.about.planned} planned runs has finished, so there is nothing to report yet."]
    design = design_sentences(frames, names)
    sentences = _stated(analysis, present, comparisons) if analysis.is_stated else _default(analysis, present, comparisons)
    sentences += [*_angles(present), *_one_set(frames, present), _no_reference(analysis), *_differ_besides(analysis)]
    sentences += [f"Not learned: {text}." for text in frames.advice]
    whole = [*design, *sentences, *choice_sentences(frames), *_exceptions(frames, present), *_earlier(frames)]
    return [names.shorten(sentence) for sentence in whole if sentence]


def _stated(analysis: Analysis, present: pd.DataFrame, comparisons: pd.DataFrame) -> list[str]:
    """Write the results of stated outcomes in their order, and then, without tests, how many runs converged."""
    values = {str(outcome.measure): outcome for outcome in analysis.measured}
    sentences: list[str] = []
    for text in analysis.outcomes:
        sentences += (
            value_sentences(values[text], analysis.names) if text in values else _of_convergence(analysis, present, comparisons)
        )
    if CONVERGED not in analysis.outcomes and analysis.frames.runs["horizon_step"].notna().any():
        sentences += _converged(present)
    return sentences


def _of_convergence(analysis: Analysis, present: pd.DataFrame, comparisons: pd.DataFrame) -> list[str]:
    fractions, times = _fractions(analysis, comparisons), _times(analysis, comparisons)
    return [*_converged(present), _three_events(analysis.frames, present), *fractions, *times, *_median(present)]


def _default(analysis: Analysis, present: pd.DataFrame, comparisons: pd.DataFrame) -> list[str]:
    frames = analysis.frames
    finals = [sentence for outcome in analysis.measured for sentence in value_sentences(outcome, analysis.names)]
    if not analysis.undecided:
        return [*_of_convergence(analysis, present, comparisons), *finals]
    if frames.runs["horizon_step"].isna().all():
        return [f"{analysis.undecided}.", *_reached(present), *finals]
    times = [*_times(analysis, comparisons), *_median(present)]
    events = [*_converged(present), _three_events(frames, present)]
    if analysis.is_convergence_primary:
        lead = f"{analysis.undecided}, and neither can the final values. The times are therefore listed first."
        return [lead, *times, *events, *finals]
    return [f"{analysis.undecided}. The final values are therefore listed first.", *finals, *events, *times]


def _converged(groups: pd.DataFrame) -> Iterator[str]:
    return each(groups, "converged_fraction", "fraction converged", lambda row: f"{row['group']}: {share(row)} converged")


def _reached(groups: pd.DataFrame) -> Iterator[str]:
    def sentence(row: pd.Series) -> str:
        return f"{row['group']}: {share(row, 'reached')} succeeded at some evaluation"

    return each(groups, "reached_fraction", "fraction that ever succeeded", sentence)


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


def _fractions(analysis: Analysis, comparisons: pd.DataFrame) -> list[str]:
    tested = comparisons[comparisons["p_converged"].notna()]
    tests = number_of_tests(comparisons)
    parts = []
    for _, row in tested.head(MOST_GROUPS).iterrows():
        ours, theirs = (f"{row[f'converged{of}']} of {row[f'n{of}']}" for of in ("", "_reference"))
        how = compared(row["difference"], "converged more often than", "converged less often than", "converged as often as")
        ends = f"95 % CI {points(row['difference_low'])} to {points(row['difference_high'])}"
        by = f"{points(row['difference'])} points ({ends})"
        fact = f"{row['subject']} {how} {row['other']}: {ours} runs against {theirs}, {by}"
        said = ". ".join([verdict(row, "converged", "the fraction converged", tests), *equivalence(row)])
        parts.append(f"{fact}.\n{said}. {test_sentence(row, 'converged', tests, *_role(analysis))}")
    return joined(parts, len(tested) - len(parts), "Fraction converged")


def _times(analysis: Analysis, comparisons: pd.DataFrame) -> Iterator[str]:
    runs = analysis.frames.runs
    tested = comparisons[comparisons["p_time"].notna()]
    tests = number_of_tests(comparisons)
    parts = []
    for _, row in tested.head(MOST_GROUPS).iterrows():
        never = runs.loc[runs["group"] == row["group"], "horizon_step"].max()
        value, low, high = (row[f"rmst_difference{end}"] for end in ("", "_low", "_high"))
        how = compared(value, "took longer to converge than", "converged sooner than", "took as long to converge as")
        by = f"{middle(value, low, high)} steps in the mean ({interval(value, low, high)})"
        fact = f"{row['subject']} {how} {row['other']}: {by}"
        counts = f"A run that never converged counts as {steps(never)} steps"
        said = verdict(row, "time", "the time to convergence", tests)
        parts.append(f"{fact}.\n{counts}. {said}. {test_sentence(row, 'time', tests, *_role(analysis))}")
    yield from joined(parts, len(tested) - len(parts), "Time to convergence")
    uncompared = comparisons[comparisons["rmst_difference"].isna() & (comparisons["design"] != ITSELF)]
    if len(uncompared):
        yield (
            f"Times to convergence are not compared in {len(uncompared)} of {len(comparisons)} comparisons: "
            "the two groups have no common horizon, which is the last step at which convergence can begin."
        )


def _median(groups: pd.DataFrame) -> Iterator[str]:
    """Write median times. Groups whose median is not reached share one sentence."""
    known = groups[groups["median_steps"].notna()]
    never = known[np.isinf(known["median_steps"])]

    def sentence(row: pd.Series) -> str:
        median, low, high = (float(row[f"median_steps{suffix}"]) for suffix in ("", "_low", "_high"))
        text, _, interval = median_steps(median, low, high).partition(" (")
        return f"{row['group']}: median time to convergence {text} steps" + (f" (95 % CI {interval}" if interval else "")

    yield from each(known[~np.isinf(known["median_steps"])], "median_steps", "median time to convergence", sentence)
    if len(never):
        more = f"; and {len(never) - MOST_GROUPS} more" if len(never) > MOST_GROUPS else ""
        yield f"The median time to convergence is not reached in: {'; '.join(never['group'][:MOST_GROUPS])}{more}."


def _role(analysis: Analysis) -> list[str]:
    return [] if analysis.is_convergence_primary else ["secondary outcome"]


def _angles(groups: pd.DataFrame) -> Iterator[str]:
    """Write the median angles between the update of the hidden layers and their true gradient at the last evaluation."""
    if "angle_deg_median" not in groups:
        return

    def sentence(row: pd.Series) -> str:
        value, low, high = (row[f"angle_deg_median{end}"] for end in ("", "_low", "_high"))
        out = f"; it is undefined in {counted(row['angle_deg_undefined'], 'run')}" if row["angle_deg_undefined"] else ""
        return f"{row['group']}: median gradient angle at the end {with_interval(value, low, high, 3, ' degrees')}{out}"

    known = groups[groups["angle_deg_median"].notna()]
    yield from each(known, "angle_deg_median", "median gradient angle at the end", sentence)
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


def _no_reference(analysis: Analysis) -> str:
    tables = [analysis.comparisons, *(outcome.comparisons for outcome in analysis.measured)]
    compared_ = {name for table in tables for column in ("group", "reference") for name in table[column]}
    factor = analysis.factor
    missing = without_reference(analysis.frames, analysis.reference if factor else None, factor=factor)
    lonely = [name for name in missing if name not in compared_]
    if not lonely:
        return ""
    some = "; ".join(lonely[:MOST_GROUPS]) + (f"; and {len(lonely) - MOST_GROUPS} more" if len(lonely) > MOST_GROUPS else "")
    which = f"reference level of {factor}" if factor else "reference's feedback mode"
    return f"Not compared, because the {which} has no finished run at their other settings: {some}."


def _differ_besides(analysis: Analysis) -> Iterator[str]:
    """Name settings in which compared groups differ although they are no factors."""
    tables = [analysis.comparisons, *(outcome.comparisons for outcome in analysis.measured)]
    found: dict[str, list[str]] = {}
    for table in tables:
        for _, row in named(table[table["also_differ"] != ""], analysis.names).iterrows():
            found.setdefault(row["also_differ"], []).append(f"{row['subject']} and {row['other']}")
    for what, pairs in list(found.items())[:MOST_GROUPS]:
        distinct_pairs = list(dict.fromkeys(pairs))
        some = "; ".join(distinct_pairs[:MOST_GROUPS]) + (
            f"; and {len(distinct_pairs) - MOST_GROUPS} more" if len(distinct_pairs) > MOST_GROUPS else ""
        )
        yield f"Compared groups that also differ in {what}: {some}."


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


def _earlier(frames: Frames) -> Iterator[str]:
    """Name earlier sweeps that make the numbers say less than they seem to."""
    by_kind: dict[Kind, list[EarlierLook]] = {}
    for look in frames.about.earlier:
        by_kind.setdefault(look.kind, []).append(look)
    for kind, looks in by_kind.items():
        more = f"; and {len(looks) - 3} more" if len(looks) > 3 else ""
        yield EARLIER[kind].format(
            ids=", ".join(look.id for look in looks[-3:]) + more,
            looks="; ".join(map(str, looks[-3:])) + more,
            runs=sum(look.shared for look in looks),
        )
