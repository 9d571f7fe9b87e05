"""The plan of a sweep: how many seeds each question needs, in words and as a power curve."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fa_sweep.decisions.planning import MOST_SEEDS, Sequential
from fa_sweep.errors import CannotWrite
from fa_sweep.report.formatting import number, percent

if TYPE_CHECKING:
    from fa_sweep.report.figures.panels import Drawn

DIFFERENCE, EQUIVALENCE, WIDTH, TIME, FINAL = ("difference", "equivalence", "width", "time", "final")
METHODS = {
    DIFFERENCE: "McNemar exact",
    EQUIVALENCE: "two one-sided tests, score interval",
    WIDTH: "Wilson's interval",
    TIME: "Wilcoxon signed-rank, pilot resampled",
    FINAL: "Wilcoxon signed-rank, pilot resampled",
}
TEXT_WIDTH = 80
INDENT = 16


@dataclass(frozen=True)
class Need:
    """How many seeds one question needs.

    Attributes:
        question: "difference" or "equivalence" of two fractions, "width" of the interval of a fraction, or a difference of
        "time"
            (restricted times to convergence) or of "final" values.
        group: The group of the pilot that the question is about; empty without a pilot.
        reference: The group that it is compared with; empty if it is compared with none.
        assumed: What is assumed to be true: `fraction`, `reference_fraction`, `discordance`, `margin`, `half_width`, or the
            `mean_difference` and the `pairs` of a pilot.
        seeds: The seeds that each group needs; None if there is no plan, or if more than `most` were needed.
        most: The largest number of seeds that was considered.
        metric: The metric of a question about final values.
        sequential: The seeds of a sequential sweep with the same power, for a difference of fractions.
        independent: Whether the discordance was not given, but follows from taking the two runs of a pair to be independent.
        problem: Why there is no plan; empty if there is one.
    """

    question: str
    group: str
    reference: str
    assumed: dict[str, float]
    seeds: int | None
    most: int = MOST_SEEDS
    metric: str = ""
    sequential: Sequential | None = None
    independent: bool = False
    problem: str = ""

    @property
    def method(self) -> str:
        """The test or the interval."""
        return METHODS[self.question]

    def words(self) -> str:
        """Return the question and its assumptions as a clause."""
        known = {name: number(value) for name, value in self.assumed.items()}
        if self.question == WIDTH:
            fraction = f"if the fraction is {known['fraction']}" if "fraction" in known else "whatever the fraction is"
            return f"for an interval of a fraction of +-{known['half_width']} {fraction}"
        if self.question in (TIME, FINAL):
            what = "times to convergence" if self.question == TIME else f"final {self.metric.replace('_', ' ')}"
            unit = " steps" if self.question == TIME else ""
            return f"to find a difference of {what} like the pilot's, {known['mean_difference']}{unit} on average"
        fractions = f"{known['fraction']} and {known['reference_fraction']}"
        goal = (
            f"to tell the fractions {fractions} apart"
            if self.question == DIFFERENCE
            else (f"to show that the fractions {fractions} differ by less than {known['margin']}")
        )
        return (
            f"{goal}, with {percent(self.assumed['discordance'])} of the pairs discordant"
            + " (as if independent)" * self.independent
        )


@dataclass(frozen=True)
class Plan:
    """How many seeds a sweep needs. Its text says what was assumed.

    Attributes:
        needs: One entry per question.
        power: The wanted probability that a test finds what is assumed.
        alpha: The level of all tests together.
        tests: The number of tests that share this level, by Bonferroni's correction.
        pilot: The id of the pilot sweep; empty without one.
        curve: One row per question and number of seeds: `power`, or for the question "width" `half_width`.
    """

    needs: tuple[Need, ...]
    power: float
    alpha: float
    tests: int
    pilot: str = ""
    curve: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)

    @cached_property
    def seeds(self) -> int | None:
        """The seeds per group that all questions need; None if one of them has no plan."""
        found = [need.seeds for need in self.needs]
        known = [seeds for seeds in found if seeds is not None]
        return max(known) if len(known) == len(found) else None

    def __repr__(self) -> str:
        """The plan in words, with at most 80 characters in a line."""
        lines: list[str] = [f"Pilot: {self.pilot}", ""] if self.pilot else []
        before = ""
        for need in self.needs:
            about = f"{need.group} against {need.reference}" if need.reference else need.group
            if about != before:
                lines += ["", about] if before else [about]
            before = about
            lines += self._lines(need)
        return "\n".join([*lines, "", fill(self._foot(), TEXT_WIDTH)])

    def _lines(self, need: Need) -> Iterator[str]:
        seeds = f"{need.seeds:,} seeds" if need.seeds is not None else "no plan" if need.problem else f"over {need.most:,}"
        text = f"{need.words()}: {need.method}" + (f"; {need.problem}" if need.problem else "")
        yield _filled(seeds, text)
        part = self.curve[(self.curve["question"] == need.question) & (self.curve["group"] == need.group)]
        part = part[part["reference"] == need.reference]
        if need.seeds is not None and need.question != WIDTH and not self.pilot:
            sizes = [max(1, need.seeds // 2), need.seeds, 2 * need.seeds]
            powers = [percent(round(float(value), 2)) for value in np.interp(sizes, part["seeds"], part["power"])]
            listed = f"{powers[0]}, {powers[1]} and {powers[2]}"
            yield _filled("", f"power with {sizes[0]:,}, {sizes[1]:,} and {sizes[2]:,} seeds: {listed}")
        if need.sequential is not None:
            most, mean = need.sequential.most, round(need.sequential.mean)
            yield _filled("", f"sequentially, with the same power: {mean:,} seeds on average, at most {most:,}")

    def _foot(self) -> str:
        tests = any(need.question != WIDTH for need in self.needs)
        level = percent(self.alpha)
        if self.tests > 1:
            level += f" / {self.tests} (Bonferroni's correction for {self.tests} tests)"
        goal = f"Power {percent(self.power)}, each test at {level}." if tests else f"Intervals at {percent(1 - self.alpha)}."
        parts = [goal, "Seeds are per group, and all groups have the same seeds."]
        if self.pilot:
            parts.append("The pilot's results are taken to be the truth, so the plan is no more certain than they are.")
        return " ".join(parts)

    def write(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write the power curve as a figure (PNG, PDF and SVG) and as a table (CSV) into a folder.

        Returns:
            The paths of the files.

        Raises:
            CannotWrite: A file cannot be written.
        """
        from fa_sweep.report.figures import save
        from fa_sweep.report.figures.panels import PANEL_GROUPS, paged
        from fa_sweep.report.figures.power import draw_power
        from fa_sweep.report.figures.style import house_style

        columns = ["question", "group", "reference", "metric", "seeds"]
        rows = pd.DataFrame([[getattr(need, name) for name in columns] for need in self.needs], columns=columns)
        about = list(dict.fromkeys(zip(rows["group"], rows["reference"], strict=True)))
        paths = []

        def draw(part: list[tuple[str, str]]) -> "Drawn":
            some = [pair in part for pair in zip(rows["group"], rows["reference"], strict=True)]
            return draw_power(self.curve, rows[some].astype({"seeds": float}), self.power)

        with house_style():
            for drawn in paged(draw, about, PANEL_GROUPS, "comparisons"):
                try:
                    save(drawn.figure, drawn.data, Path(folder), drawn.name)
                except OSError as error:
                    where = error.filename or folder
                    raise CannotWrite(error.errno or 0, f"{where} cannot be written: {error.strerror or error}") from error
                paths += [Path(folder) / f"{drawn.name}.{ending}" for ending in ("png", "pdf", "svg", "csv")]
        return paths


def _filled(seeds: str, text: str) -> str:
    start = f"{seeds:>{INDENT - 2}}  "
    return fill(text, TEXT_WIDTH, initial_indent=start, subsequent_indent=" " * INDENT, break_on_hyphens=False)
