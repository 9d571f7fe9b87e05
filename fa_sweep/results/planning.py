"""Plan how many seeds a sweep needs, for assumed fractions or for what a pilot sweep has shown."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from fa_sweep.checks import at_least, shown
from fa_sweep.decisions import ALPHA, POWER
from fa_sweep.decisions.equivalence import seeds_for_equivalence
from fa_sweep.decisions.planning import (
    Planned,
    check_share,
    discordance_of,
    seeds_for_width,
    seeds_to_tell,
    sequential_seeds,
)
from fa_sweep.decisions.signed_ranks import FEWEST_PAIRS, MOST_PAIRS, seeds_by_resampling
from fa_sweep.errors import ConfigError
from fa_sweep.process.notices import say_once
from fa_sweep.report.analysis import FINAL_SUCCESS
from fa_sweep.report.comparisons import compare
from fa_sweep.report.estimates import restricted
from fa_sweep.report.formatting import counted
from fa_sweep.report.frames import from_sweep
from fa_sweep.report.names import names_of
from fa_sweep.report.value_comparisons import compare_values
from fa_sweep.results.plans import DIFFERENCE, EQUIVALENCE, FINAL, TIME, WIDTH, Need, Plan
from fa_sweep.results.result import Result
from fa_sweep.results.selection import find_one
from fa_sweep.sweeping.outcomes import Outcome


def plan(
    *,
    fractions: Sequence[float] | None = None,
    discordance: float | None = None,
    half_width: float | None = None,
    fraction: float | None = None,
    margin: float | None = None,
    pilot: "str | os.PathLike[str] | Result | None" = None,
    reference: str | None = None,
    power: float = POWER,
    alpha: float = ALPHA,
    tests: int | None = None,
) -> Plan:
    """Plan how many seeds a sweep needs.

    Args:
        fractions: The fractions of runs with the event (convergence) in two groups that are to be told apart, or, together with
            `margin`, to be shown to be equivalent.
        discordance: The fraction of seeds at which only one of the two groups has the event. By default, the two runs of a seed
            are taken to be independent.
        half_width: Plan for Wilson's interval of a fraction: half of its width, from end to end.
        fraction: The true fraction for `half_width` and `margin`. By default, the one that needs the most seeds.
        margin: Plan to show that two fractions differ by less than this, in place of telling them apart.
        pilot: A finished sweep: every comparison in it is planned for, with its fractions, times and final values.
        reference: The group of the pilot that all others are compared with. By default as in reports.
        power: The wanted probability that each test finds what is assumed.
        alpha: The level of all tests together.
        tests: The number of tests that share it. By default 1; with a pilot, the number of tests that its report corrects for.

    Raises:
        ConfigError: A value is impossible, nothing is asked, or the values do not go together.
    """
    if fractions is not None and (np.ndim(fractions) != 1 or len(fractions) != 2):
        raise ConfigError(f"fractions is {shown(fractions)}; give two, such as 0.9 and 0.7")
    numbers = [("discordance", discordance), ("half_width", half_width), ("fraction", fraction), ("margin", margin)]
    for name, number in [
        *numbers,
        ("power", power),
        ("alpha", alpha),
        *(("fractions", each) for each in (() if fractions is None else fractions)),
    ]:
        if number is not None and (not isinstance(number, int | float | np.number) or isinstance(number, bool)):
            raise ConfigError(f"{name} is {shown(number)}; it must be a number")
    check_share("power", power, open_ends=True)
    check_share("alpha", alpha, open_ends=True)
    if tests is not None:
        if not isinstance(tests, int | np.integer) or isinstance(tests, bool):
            raise ConfigError(f"tests is {shown(tests)}; it must be a whole number")
        at_least("tests", int(tests), 1)
    if pilot is not None:
        if not isinstance(pilot, str | os.PathLike | Result):
            raise ConfigError(f"pilot is {shown(pilot)}; give a sweep as a text, a path or a result, such as 'newest'")
        for name, value in (("fractions", fractions), ("fraction", fraction), ("discordance", discordance)):
            if value is not None:
                raise ConfigError(f"{name} is {shown(value)}, but the pilot says what to assume; leave {name} or the pilot out")
        return _of_pilot(pilot, reference, half_width, margin, (power, alpha, tests))
    if reference is not None:
        raise ConfigError(f"reference is {shown(reference)}, but there is no pilot; leave it out, or give a pilot")
    return _of_numbers(fractions, discordance, half_width, fraction, margin, (power, alpha, tests or 1))


def _of_numbers(
    fractions: Sequence[float] | None,
    discordance: float | None,
    half_width: float | None,
    fraction: float | None,
    margin: float | None,
    goal: tuple[float, float, int],
) -> Plan:
    """Plan for assumed fractions."""
    power, alpha, tests = goal
    found: list[tuple[Need, Planned]] = []
    if fractions is None and margin is None and half_width is None:
        raise ConfigError("there is no question to plan for; give fractions, a half-width, a margin or a pilot")
    if fraction is not None and (fractions is not None or (margin is None and half_width is None)):
        raise ConfigError(f"fraction is {fraction}; it is for a half-width or a margin without fractions; leave it out")
    if discordance is not None and fractions is None and margin is None:
        raise ConfigError(f"discordance is {discordance}; it is for fractions or a margin; leave it out")
    if fractions is not None or margin is not None:
        level = 0.5 if fraction is None else fraction
        pair = (float(fractions[0]), float(fractions[1])) if fractions is not None else (level, level)
        found.append(_of_fractions(pair, discordance, margin, power, alpha / tests))
    if half_width is not None:
        found.append(_of_width(half_width, fraction, alpha))
    return _plan(found, Plan((), power, alpha, tests))


def _of_fractions(
    pair: tuple[float, float], discordance: float | None, margin: float | None, power: float, alpha: float
) -> tuple[Need, Planned]:
    assumed = {"fraction": pair[0], "reference_fraction": pair[1], "discordance": discordance_of(*pair, discordance)}
    if margin is not None:
        planned = seeds_for_equivalence(*pair, margin, power, discordance, alpha)
        need = Need(EQUIVALENCE, "", "", assumed | {"margin": margin}, planned.seeds)
        return replace(need, independent=discordance is None), planned
    planned = seeds_to_tell(*pair, power, discordance, alpha)
    one_by_one = sequential_seeds(*pair, power, discordance, alpha)
    need = Need(DIFFERENCE, "", "", assumed, planned.seeds, sequential=one_by_one, independent=discordance is None)
    return need, planned


def _of_width(half_width: float, fraction: float | None, alpha: float) -> tuple[Need, Planned]:
    planned = seeds_for_width(half_width, fraction, 1 - alpha)
    assumed = {"half_width": half_width} | ({} if fraction is None else {"fraction": fraction})
    return Need(WIDTH, "", "", assumed, planned.seeds), planned


def _of_pilot(
    pilot: "str | os.PathLike[str] | Result",
    reference: str | None,
    half_width: float | None,
    margin: float | None,
    goal: tuple[float, float, int | None],
) -> Plan:
    """Plan for the comparisons of a pilot sweep, and for the groups if a half-width is given."""
    frames = pilot.frames if isinstance(pilot, Result) else from_sweep(find_one(pilot))
    if frames.about.is_sequential:
        say_once(
            f"the pilot {frames.about.id} stopped because of its results, so its differences are too large on average; plan "
            "for smaller ones"
        )
    power, alpha, tests = goal
    table, finals = compare(frames, reference), compare_values(frames, FINAL_SUCCESS, reference)
    tests = tests or max(1, int(table[["p_converged", "p_time"]].notna().to_numpy().sum()))
    labels, found = names_of(frames).labels, []
    by_group = {str(group): runs.set_index("seed") for group, runs in frames.runs.groupby("group", observed=True)}
    for _, row in table[table["p_converged"].notna()].iterrows():
        pair = str(row["group"]), str(row["reference"])
        seeds = by_group[pair[0]].index.intersection(by_group[pair[1]].index)
        ours, theirs = (by_group[name].loc[seeds] for name in pair)
        its_finals = finals[(finals["group"] == pair[0]) & (finals["reference"] == pair[1])]
        names = labels[pair[0]], labels[pair[1]]
        for need, planned in _of_pair(ours, theirs, row, its_finals, margin, power, alpha / tests):
            found.append((replace(need, group=names[0], reference=names[1]), planned))
    if half_width is not None:
        for group, runs in by_group.items():
            need, planned = _of_width(half_width, float((runs["outcome"] == Outcome.CONVERGED).mean()), alpha)
            found.append((replace(need, group=labels[group]), planned))
    if not found:
        raise ConfigError(f"the pilot {frames.about.id} has no comparison to plan for; give a sweep of at least two groups")
    return _plan(found, Plan((), power, alpha, tests, frames.about.id))


def _of_pair(
    ours: pd.DataFrame,
    theirs: pd.DataFrame,
    row: pd.Series,
    finals: pd.DataFrame,
    margin: float | None,
    power: float,
    alpha: float,
) -> Iterator[tuple[Need, Planned]]:
    """Yield what the runs of a comparison say, one question after the other.

    Args:
        ours: The group's runs at the shared seeds.
        theirs: The reference's runs at the same seeds.
        row: The comparison's row of `compare`.
        finals: The comparison's rows of `compare_values`.
        margin: The margin of equivalence; None to plan for a difference.
        power: The wanted power.
        alpha: The level of each test.
    """
    yield _fractions_of_pair(ours, theirs, margin, power, alpha)
    questions = [] if pd.isna(row["p_time"]) else [(TIME, "", restricted(ours), restricted(theirs))]
    for metric in finals["metric"]:
        questions.append((FINAL, metric, ours[f"final.{metric}"].to_numpy(float), theirs[f"final.{metric}"].to_numpy(float)))
    for question, metric, first, second in questions:
        with np.errstate(invalid="ignore"):
            differences = np.where(first == second, 0.0, first - second)
        mean = float(differences.mean()) if len(differences) else np.nan
        need = Need(question, "", "", {"mean_difference": mean, "pairs": len(differences)}, None, MOST_PAIRS, metric)
        if len(differences) < FEWEST_PAIRS:
            yield replace(need, problem=f"the pilot has only {counted(len(differences), 'pair')} of runs"), _none()
        elif not differences.any():
            yield replace(need, problem="the pilot shows no difference"), _none()
        else:
            planned = seeds_by_resampling(differences, power, alpha)
            yield replace(need, seeds=planned.seeds), planned


def _fractions_of_pair(
    ours: pd.DataFrame, theirs: pd.DataFrame, margin: float | None, power: float, alpha: float
) -> tuple[Need, Planned]:
    first, second = (np.asarray(runs["outcome"] == Outcome.CONVERGED) for runs in (ours, theirs))
    if len(first) == 0:
        assumed = dict.fromkeys(("fraction", "reference_fraction", "discordance", "margin"), np.nan)
        return Need(DIFFERENCE, "", "", assumed, None, problem="the two groups share no seed"), _none()
    pair, discordance = (float(first.mean()), float(second.mean())), float((first ^ second).mean())
    assumed = {"fraction": pair[0], "reference_fraction": pair[1], "discordance": discordance}
    if margin is None and pair[0] == pair[1]:
        return Need(DIFFERENCE, "", "", assumed, None, problem="the pilot shows no difference"), _none()
    if margin is not None and abs(pair[0] - pair[1]) >= margin > 0:
        problem = "the pilot's difference is not within the margin"
        return Need(EQUIVALENCE, "", "", assumed | {"margin": margin}, None, problem=problem), _none()
    return _of_fractions(pair, discordance, margin, power, alpha)


def _none() -> Planned:
    return Planned(None, np.empty(0, dtype=int), np.empty(0))


def _plan(found: Sequence[tuple[Need, Planned]], empty: Plan) -> Plan:
    """Return the plan with what was found, and with all curves in one frame.

    The curves of a question end at twice the largest number of seeds that any of them needs.
    """
    columns = ["question", "group", "reference", "metric", "seeds", "power", "half_width"]
    parts = []
    for need, planned in found:
        same = [other.seeds for other, _ in found if other.question == need.question and other.seeds is not None]
        some = planned.n <= (2 * max(same) if same else need.most)
        frame = pd.DataFrame({"seeds": planned.n[some], "power": np.nan, "half_width": np.nan})
        frame["half_width" if need.question == WIDTH else "power"] = planned.curve[some]
        parts.append(frame.assign(question=need.question, group=need.group, reference=need.reference, metric=need.metric))
    curve = pd.concat(parts, ignore_index=True)[columns]
    return replace(empty, needs=tuple(need for need, _ in found), curve=curve)
