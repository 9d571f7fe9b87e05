"""What a report says about the design of a sweep: how its settings were chosen, and when it stopped adding seeds."""

import math
from collections.abc import Iterator, Sequence

import pandas as pd

from fa_sweep.decisions.choice import CONVERGED, Choice, Scored, label, why
from fa_sweep.decisions.course import FRACTIONS, TIMES, Course, course_of
from fa_sweep.decisions.designs import is_first_stage, is_tuned
from fa_sweep.decisions.looks import DIFFERS, EQUIVALENT, Compared, Look
from fa_sweep.decisions.rules import FINAL, FRACTION
from fa_sweep.report.cells import Table
from fa_sweep.report.formatting import counted, number, p_value, percent, percent_range, points
from fa_sweep.report.frames import Frames
from fa_sweep.report.names import Names
from fa_sweep.report.sentences import MOST_GROUPS

VERDICTS = {DIFFERS: "a difference is shown", EQUIVALENT: "equivalence within the margin is shown", "": ""}


def design_sentences(frames: Frames, names: Names) -> list[str]:
    """Write the findings about the design that a reader has to know first, one fact each; none for a grid."""
    return [*_tuning(frames), *_sequential(frames, names)]


# --- tuning


def _tuning(frames: Frames) -> Iterator[str]:
    design = frames.about.design
    if is_first_stage(design):
        yield (
            "This is the tuning stage: these runs chose the settings of another sweep. The best of many values looks better "
            "here than it is, so compare the choices on the fresh seeds of that sweep."
        )
    if not is_tuned(design):
        return
    first, count = int(design["first_seed"]), int(design["seeds"])
    by = "the fraction of runs that converged" if design["by"] == CONVERGED else f"the median final {_plain(design['by'])}"
    data = "validation data" if design["data"] == "validation" else "the evaluation data"
    said = f"{_listed(design['chosen'])} by {by}, on {data} and on {counted(count, 'tuning seed')} ({first} to "
    yield f"Each group chose its own {said}{first + count - 1}). All tests below are on fresh seeds."
    if design["data"] != "validation":
        yield (
            "The choice saw the same evaluation examples as the tests, because the task has no validation data. Only the seeds "
            "are fresh."
        )


def choice_sentences(frames: Frames) -> Iterator[str]:
    """Write what each group chose on the tuning seeds, one fact each; none without tuning."""
    design = frames.about.design
    if not is_tuned(design):
        return
    if not frames.choices:
        yield "The sweep of the tuning stage is no longer there, so the report cannot show what else was tried."
        return
    budgets = {len(choice.tried) for choice in frames.choices}
    tried = counted(budgets.pop(), "combination") if len(budgets) == 1 else "not the same number of combinations"
    yield f"Every group tried {tried}."
    for choice in frames.choices[:MOST_GROUPS]:
        yield f"{label(choice)} chose {_levels(choice.best)} ({why(choice, str(design['by']), _success(frames))})."
    if len(frames.choices) > MOST_GROUPS:
        yield f"The table of choices holds {len(frames.choices) - MOST_GROUPS} more groups."
    edges = [f"{label(choice)} ({name}, the {end})" for choice in frames.choices for name, end in choice.edges.items()]
    if edges:
        yield f"At the edge of the range that was tried, so that a better value may lie beyond: {'; '.join(edges)}."


def _plain(metric: object) -> str:
    return str(metric).replace("_", " ")


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _levels(one: Scored) -> str:
    return ", ".join(f"{name}={level}" for name, level in one.levels)


def _success(frames: Frames) -> str:
    return frames.jobs[0].run.task.success.metric


def choice_table(frames: Frames) -> pd.DataFrame:
    """Return everything that was tried on the tuning seeds, one row per group and combination.

    Returns:
        A frame with `group` (the levels of the factors that have a choice of their own), one column per chosen factor, `n`,
        `converged`, `restricted_mean` (steps), `median`, `chosen`, and `edge` (at which end of its range a chosen level lies).
    """
    rows = []
    for choice in frames.choices:
        for one in choice.tried:
            rows.append(
                {
                    "group": label(choice),
                    **{name: str(level) if isinstance(level, list) else level for name, level in one.levels},
                    "n": one.n,
                    "converged": one.converged,
                    "restricted_mean": one.restricted_mean,
                    "median": one.median,
                    "chosen": one is choice.best,
                    "edge": "; ".join(f"{n}: {end}" for n, end in choice.edges.items()) if one is choice.best else "",
                }
            )
    return pd.DataFrame(rows)


def _choices_as_text(frames: Frames) -> Table:
    by = str(frames.about.design.get("by", ""))
    rows = [
        {
            "group": label(choice),
            "chosen": _levels(choice.best),
            "on the tuning seeds": why(choice, by, _success(frames)),
            "restricted mean steps": number(choice.best.restricted_mean, 4),
            "tried": str(len(choice.tried)),
            "equally good": str(choice.tied),
            "at the edge": "; ".join(f"{name}: {end}" for name, end in choice.edges.items()) or "no",
        }
        for choice in frames.choices
    ]
    frame = pd.DataFrame(rows)
    note = "Chosen on the tuning seeds alone. All other tables and figures are of the fresh seeds."
    return Table("Choices", frame, [name for name in frame if name != "restricted mean steps"], ["group"], note)


# --- sequential sweeps


def _sequential(frames: Frames, names: Names) -> Iterator[str]:
    about = frames.about
    if not about.is_sequential:
        return
    if not frames.looks:
        yield "The results decided how many seeds there are, so no ordinary p values are shown (see Methods)."
        return
    course, look, most = course_of(about.design, frames.jobs), frames.looks[-1], int(about.design.get("most", 0))
    yield f"Sequential design: seeds were added {course.round} at a time, at most {most:,}, until {course.rule.words()}."
    if look.stop:
        yield f"It stopped after {look.n:,} seeds, at look {len(frames.looks)}, because the rule was met."
    elif look.n >= most:
        yield f"It stopped after {look.n:,} seeds, the most that were allowed. Undecided: {'; '.join(look.undecided)}."
    else:
        yield f"After {look.n:,} seeds it has not stopped; the same command goes on. Undecided: {'; '.join(look.undecided)}."
    yield course.rule.family(len(course.groups), len(course.comparisons))
    for one in look.comparisons[:MOST_GROUPS]:
        yield _about_pair(one, course, names)
    if len(look.comparisons) > MOST_GROUPS:
        yield f"The table of looks holds {len(look.comparisons) - MOST_GROUPS} more comparisons."
    if course.rule.about_groups:
        for group in look.groups[:MOST_GROUPS]:
            yield f"{group.group}: {_quantity(course)} {_estimate(group.estimate, group.low, group.high, course)}."


def _about_pair(one: Compared, course: Course, names: Names) -> str:
    ours, theirs, common = names.pair(one.group, one.reference)
    where = f"At {common}, " if common else ""
    p = f"p {p_value(one.p)}, which holds at every number of seeds"
    told = f": {VERDICTS[one.verdict]}" if VERDICTS.get(one.verdict) else ""
    if course.rule.outcome == FINAL:
        share = f"{one.wins} of {one.wins + one.losses} untied pairs"
        ends = f"CI {percent_range(one.low, one.high)} %"
        return f"{where}{ours} had a higher {_plain(course.outcome)} than {theirs} in {share} ({ends}; {p}){told}."
    return f"{where}{ours} against {theirs}: difference in {_quantity(course)} {_difference(one, course)}, {p}{told}."


def _quantity(course: Course) -> str:
    if course.outcome == TIMES:
        return "the restricted mean time (as a share of the horizon)"
    return f"the fraction that {FRACTIONS[course.outcome]}" if course.outcome in FRACTIONS else _plain(course.outcome)


def _difference(one: Compared, course: Course) -> str:
    if course.rule.outcome == FRACTION:
        return f"{points(one.estimate)} points (CI {points(one.low)} to {points(one.high)})"
    return f"{number(one.estimate)} (CI {number(one.low)} to {number(one.high)})"


def _estimate(value: float, low: float, high: float, course: Course) -> str:
    if course.rule.outcome == FRACTION:
        return f"{percent(value)} (CI {percent_range(low, high)} %)"
    return number(value) if math.isnan(low) else f"{number(value)} (CI {number(low)} to {number(high)})"


def look_table(frames: Frames) -> pd.DataFrame:
    """Return what was known after each round of seeds, one row per look and group or comparison.

    Returns:
        A frame with `seeds`, `group`, `reference` (empty for a group alone), `estimate`, `low` and `high` (which hold at all
        looks simultaneously), `p` (anytime-valid and corrected; NaN for a group alone), `higher` and `lower` (at how
        many seeds the group's value is the higher or the lower one), and `verdict`.
    """
    columns = ["seeds", "group", "reference", "estimate", "low", "high", "p", "higher", "lower", "verdict"]
    return pd.DataFrame([row for look in frames.looks for row in _rows(look)], columns=columns)


def _rows(look: Look) -> Iterator[dict[str, object]]:
    for group in look.groups:
        yield {
            "seeds": look.n, "group": group.group, "reference": "", "estimate": group.estimate, "low": group.low,
            "high": group.high, "p": math.nan, "higher": 0, "lower": 0, "verdict": group.verdict,
        }  # fmt: skip
    for pair in look.comparisons:
        yield {
            "seeds": look.n, "group": pair.group, "reference": pair.reference, "estimate": pair.estimate, "low": pair.low,
            "high": pair.high, "p": pair.p, "higher": pair.wins, "lower": pair.losses, "verdict": pair.verdict,
        }  # fmt: skip


def _looks_as_text(frames: Frames) -> Table:
    course, look = course_of(frames.about.design, frames.jobs), frames.looks[-1]
    if course.rule.about_groups:
        rows = [
            {"group": one.group, "seeds": str(one.n), "estimate": _estimate(one.estimate, one.low, one.high, course)}
            | {"verdict": one.verdict}
            for one in look.groups
        ]
    else:
        rows = [
            {"group": pair.group, "reference": pair.reference, "seeds": str(pair.n), "estimate": _pair_estimate(pair, course)}
            | {"p": p_value(pair.p).removeprefix("= "), "verdict": pair.verdict}
            for pair in look.comparisons
        ]
    frame = pd.DataFrame(rows)
    note = f"The last look. {course.rule.family(len(course.groups), len(course.comparisons))}"
    return Table("Decisions", frame, list(frame), ["group"] if course.rule.about_groups else ["group", "reference"], note)


def _pair_estimate(pair: Compared, course: Course) -> str:
    if course.rule.outcome == FINAL:
        return f"higher in {pair.wins}, lower in {pair.losses}: {_estimate(pair.estimate, pair.low, pair.high, course)}"
    return _difference(pair, course)


def design_tables(frames: Frames) -> list[Table]:
    """Return the tables about the design as text; none for a grid."""
    return [*([_choices_as_text(frames)] if frames.choices else []), *([_looks_as_text(frames)] if frames.looks else [])]


def design_data(frames: Frames) -> dict[str, pd.DataFrame]:
    """Return the unrounded tables about the design, by the names of their files."""
    found = {"choices": choice_table(frames)} if frames.choices else {}
    return found | ({"looks": look_table(frames)} if frames.looks else {})


def is_numeric(choices: Sequence[Choice], name: str) -> bool:
    """Whether all levels of a chosen factor are numbers, at least two of them different."""
    levels = [level for choice in choices for one in choice.tried for other, level in one.levels if other == name]
    return len(set(map(str, levels))) > 1 and all(isinstance(n, int | float) and not isinstance(n, bool) for n in levels)
