"""Decide which outcomes a report compares, and compute all of its tables.

The first outcome is the primary one. It is stated with the sweep or with the report. By default it is convergence, or the final
success metric where convergence cannot distinguish the groups. All other outcomes are secondary.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import pandas as pd

from fa_sweep.checks import positive
from fa_sweep.decisions.course import FRACTIONS, TIMES
from fa_sweep.errors import ConfigError
from fa_sweep.report import anytime
from fa_sweep.report.comparisons import COLUMNS, EQUIVALENCE, compare, require_fraction
from fa_sweep.report.estimates import group_table
from fa_sweep.report.formatting import number
from fa_sweep.report.frames import Frames
from fa_sweep.report.names import Names, names_of
from fa_sweep.report.value_comparisons import OF_MEDIANS, compare_values
from fa_sweep.report.values import require_known, resolved, value_groups
from fa_sweep.settings.measures import CONVERGED, SUCCESS, Measure, is_validation, read_outcome, read_outcomes
from fa_sweep.sweeping.outcomes import Outcome

EVENTS = "convergence (the fraction of runs and the time)"
FINAL_SUCCESS = Measure(SUCCESS, "end")


@dataclass(frozen=True)
class ValueOutcome:
    """An outcome that is one number of each run.

    Attributes:
        measure: The measure.
        groups: The table of `value_groups`.
        comparisons: The table of `compare_values`.
        is_default: Whether it is the final value of the success metric, which a report compares by default.
        is_primary: Whether it is the primary outcome.
    """

    measure: Measure
    groups: pd.DataFrame
    comparisons: pd.DataFrame
    is_default: bool
    is_primary: bool

    @property
    def title(self) -> str:
        """The title of its tables, such as "Best loss"."""
        words = "final values" if self.is_default else self.measure.words
        return words[:1].upper() + words[1:]

    @property
    def file_name(self) -> str:
        """The beginning of the names of its files."""
        return "final" if self.is_default else self.measure.file_name

    @property
    def chosen_on_the_same_data(self) -> bool:
        """Whether its value was chosen among evaluations on the data that it is measured on."""
        return self.measure.reading == "best" and not is_validation(self.measure.metric)


@dataclass(frozen=True)
class Analysis:
    """The tables of a report.

    Attributes:
        frames: The sweep.
        outcomes: The outcomes in their full spelling, the primary one first.
        chosen: Who chose them, and why, as the end of a sentence.
        groups: The table of `group_table`.
        comparisons: The table of `compare`; without rows if convergence is not among the outcomes.
        measured: The other outcomes, in order.
        undecided: Why convergence cannot distinguish the groups, as the beginning of a sentence; empty if it can.
        reference: The group, or with a factor the level, that was asked for as the reference.
        factor: The factor to which the comparisons are restricted, if any.
        margin: The margin of equivalence in the primary outcome, if any.
        is_stated: Whether the outcomes were stated, and not chosen by default.
    """

    frames: Frames
    outcomes: list[str]
    chosen: str
    groups: pd.DataFrame
    comparisons: pd.DataFrame
    measured: list[ValueOutcome]
    undecided: str
    reference: str | None
    factor: str | None
    margin: float | None
    is_stated: bool

    @cached_property
    def names(self) -> Names:
        """The labels of all groups."""
        return names_of(self.frames)

    @property
    def is_convergence_primary(self) -> bool:
        """Whether the primary outcome is convergence."""
        return self.outcomes[0] == CONVERGED

    @property
    def decides(self) -> str:
        """What the rule of a sequential sweep decides about (see the setting `decide.outcome`); empty for any other sweep."""
        return str(self.frames.about.design.get("outcome", "")) if self.frames.about.is_sequential else ""

    @property
    def head(self) -> list[str]:
        """The sentences at the head of a report: the primary outcome, the secondary ones, and the margin of equivalence."""
        first, *others = (self._words(outcome) for outcome in self.outcomes)
        if self.decides in FRACTIONS and self.decides != CONVERGED:
            first, others = f"the fraction of runs that {FRACTIONS[self.decides]}", [first, *others]
        sentences = [f"Primary outcome: {first}, {self.chosen}."]
        if others and self.frames.about.is_sequential:
            sentences.append(f"Described without tests: {'; '.join(others)}.")
        elif others:
            sentences.append(f"Secondary outcome{'s' * (len(others) > 1)}: {'; '.join(others)}.")
        if self.margin is not None:
            sentences.append(f"Margin of equivalence in the primary outcome: {number(self.margin)} in either direction.")
        if self.factor is not None:
            sentences.append(f"Only groups that differ in the factor {self.factor} alone are compared.")
        return sentences

    def _words(self, outcome: str) -> str:
        measure = read_outcome("outcomes", outcome)
        return EVENTS if measure is None else f"{measure.words} ({measure})"


def analyse(
    frames: Frames,
    outcomes: Sequence[str] | None = None,
    *,
    margin: float | None = None,
    reference: str | None = None,
    all_pairs: bool = False,
    factor: str | None = None,
) -> Analysis:
    """Compute the tables of a report.

    Args:
        frames: The sweep.
        outcomes: What to compare, the primary outcome first. None for what was stated with the sweep, or for the default.
        margin: The margin of equivalence in the primary outcome. None for what was stated with the sweep for that outcome.
        reference: The group that every other group is compared with; with `factor`, a level of that factor.
        all_pairs: Compare every pair of groups instead.
        factor: Compare only groups that differ in this factor alone.

    Raises:
        ConfigError: An outcome is unknown, the margin is not positive, or there is no such reference or factor.
    """
    stated, chosen = _stated(frames, outcomes)
    margin = _margin(frames, stated, outcomes is not None, margin)
    if frames.about.is_sequential:
        if margin is not None:
            raise ConfigError(f"margin is {margin}; the results decided when to stop, and the rule has a margin of its own")
        stated, chosen = _of_the_rule(frames, stated, chosen)
    groups = group_estimates(frames)
    undecided = undecided_by_convergence(frames, groups[groups["n"] > 0])
    asked = stated or [CONVERGED, str(resolved(FINAL_SUCCESS, frames))]
    convergence = partial(compare_convergence, frames, reference, all_pairs=all_pairs, factor=factor, margin=margin)
    events = convergence() if CONVERGED in asked else pd.DataFrame(columns=COLUMNS)
    measures = {text: measure for text in asked if (measure := read_outcome("outcomes", text)) is not None}
    compared = partial(compare_measure, frames, reference=reference, all_pairs=all_pairs, factor=factor, margin=margin)
    tables = {text: compared(measure) for text, measure in measures.items()}
    if not stated:
        asked, chosen = _default(frames, asked, undecided, tables)
    if asked[0] == CONVERGED:
        require_fraction(margin)
    # The margin is one of the primary outcome. In another one it would have another unit.
    tables = {text: table if text == asked[0] else _without_margin(table) for text, table in tables.items()}
    default = resolved(FINAL_SUCCESS, frames)
    measured = [
        ValueOutcome(
            measures[text],
            measure_estimates(frames, measures[text]),
            _tested(frames, tables[text]),
            measures[text] == default,
            text == asked[0],
        )
        for text in asked
        if text != CONVERGED
    ]
    events = events if asked[0] == CONVERGED else _without_margin(events)
    return Analysis(
        frames, asked, chosen, groups, events, measured, undecided, reference, factor, margin, is_stated=bool(stated)
    )


def _of_the_rule(frames: Frames, stated: list[str], chosen: str) -> tuple[list[str], str]:
    """Put the outcome about which a sequential sweep decides before all others."""
    outcome = str(frames.about.design.get("outcome", ""))
    if not outcome:
        return stated, chosen
    first = CONVERGED if outcome in (*FRACTIONS, TIMES) else f"{outcome}:end"
    return list(dict.fromkeys([first, *(stated or [CONVERGED])])), "about which the sweep's rule decides"


def _tested(frames: Frames, comparisons: pd.DataFrame) -> pd.DataFrame:
    """Return a table of comparisons; without rows if the results decided how many seeds there are, so that no test holds."""
    return comparisons.iloc[:0] if frames.about.is_sequential else comparisons


def group_estimates(frames: Frames) -> pd.DataFrame:
    """Return the table of `group_table`, with intervals that fit the design of the sweep."""
    table = group_table(frames)
    return anytime.groups(table, frames) if frames.about.is_sequential else table


def measure_estimates(frames: Frames, measure: Measure) -> pd.DataFrame:
    """Return the table of `value_groups`, without intervals if the results decided how many seeds there are."""
    table = value_groups(frames, measure)
    return anytime.without_intervals(table) if frames.about.is_sequential else table


def compare_convergence(frames: Frames, reference: str | None = None, **options: Any) -> pd.DataFrame:
    """Return the table of `compare`, with intervals that fit the design of the sweep."""
    table = compare(frames, reference, **options)
    return anytime.comparisons(table, frames) if frames.about.is_sequential else table


def compare_measure(frames: Frames, measure: Measure, reference: str | None = None, **options: Any) -> pd.DataFrame:
    """Return the table of `compare_values`, without intervals and tests if the results decided how many seeds there are."""
    table = compare_values(frames, measure, reference, **options)
    return anytime.without_intervals(table) if frames.about.is_sequential else table


def _without_margin(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(columns=[*EQUIVALENCE, OF_MEDIANS], errors="ignore")


def _stated(frames: Frames, outcomes: Sequence[str] | None) -> tuple[list[str], str]:
    """Return the stated outcomes, none for the default, and who stated them."""
    planned = read_outcomes("outcomes", frames.about.outcomes)
    given = planned if outcomes is None else read_outcomes("the outcome", list(outcomes))
    given = list(dict.fromkeys(str(resolved(m, frames)) if (m := read_outcome("outcomes", text)) else text for text in given))
    require_known(frames, "the outcome", given)
    planned = [str(resolved(m, frames)) if (m := read_outcome("outcomes", text)) else text for text in planned]
    return given, "stated with the sweep" if given == planned else "chosen when the report was written"


def _margin(frames: Frames, stated: list[str], is_given: bool, margin: float | None) -> float | None:
    if margin is not None:
        positive("margin", margin)
        return float(margin)
    planned = frames.about.outcomes
    # The margin of one outcome means nothing for another one, which may have another unit.
    return frames.about.margin if not is_given or stated[:1] == planned[:1] else None


def undecided_by_convergence(frames: Frames, groups: pd.DataFrame) -> str:
    """Say why convergence cannot distinguish the groups, as the beginning of a sentence; empty if it can.

    Args:
        frames: The sweep.
        groups: The rows of `group_table` with finished runs.
    """
    if len(groups) and frames.runs["horizon_step"].isna().all():
        # With fewer evaluations than train.hold no run can converge. A fraction of 0 would describe the settings, not the runs.
        return "No run could count as converged, because there are fewer evaluations than train.hold requires"
    if len(groups) < 2:
        return ""
    if (groups["converged"] == groups["n"]).all():
        return "Every run converged, so the fraction converged cannot distinguish the groups"
    if (groups["converged"] == 0).all():
        return "No run converged, so the fraction converged cannot distinguish the groups"
    return ""


def _default(frames: Frames, asked: list[str], undecided: str, tables: dict[str, pd.DataFrame]) -> tuple[list[str], str]:
    """Return the outcomes of a report for which none are stated, and why the first one is primary."""
    _, final = asked
    if not undecided:
        both = (frames.runs["outcome"] == Outcome.CONVERGED).nunique() > 1
        return asked, f"chosen by default{', because some runs converge and others do not' if both else ''}"
    if frames.runs["horizon_step"].notna().any() and nothing_differs(tables[final]):
        return asked, "chosen by default, because the final values cannot distinguish the groups either"
    why = undecided[:1].lower() + undecided[1:].partition(",")[0]
    return [final, CONVERGED], f"chosen by default, because {why}"


def nothing_differs(comparisons: pd.DataFrame) -> bool:
    """Whether values were compared and no comparison found any difference."""
    return not comparisons.empty and bool((comparisons["difference"] == 0).all() and (comparisons["p"] == 1).all())
