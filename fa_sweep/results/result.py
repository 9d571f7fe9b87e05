"""The results of one or several sweeps, as frames, comparisons, figures and reports."""

import html
from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fa_sweep.checks import one_of, positive
from fa_sweep.errors import CannotWrite
from fa_sweep.results.lock import one_at_a_time
from fa_sweep.sweeping.folder import OUTPUTS, Sweep

if TYPE_CHECKING:
    import pandas as pd
    import xarray
    from matplotlib.figure import Figure

    from fa_sweep.report.frames import Frames

FORMATS = ("html", "md", "tex")
OF_A_RUN = (
    "seed", "group", "outcome", "first_reach_step", "convergence_step", "diverged_at_step", "at_end", "last_step",
)  # fmt: skip


class Result:
    """The results of one or several sweeps. They are read from the ledger when they are first asked for.

    If these are several sweeps, a run that stands in more than one of them is counted once, and the factors are all settings in
    which the runs differ.

    Args:
        sweeps: The sweeps, at least one.
    """

    def __init__(self, sweeps: Sequence[Sweep]) -> None:
        # Later calls may come from another working folder.
        self.sweeps = [sweep.absolute() for sweep in sweeps]
        self._outputs = OUTPUTS.absolute()

    @property
    def id(self) -> str:
        """The id of the sweep; of several sweeps, their ids joined by "+"."""
        return "+".join(sweep.id for sweep in self.sweeps)

    @property
    def name(self) -> str:
        """The names of the sweeps, joined by "+". A sweep without a name has its id here."""
        return "+".join(sweep.title for sweep in self.sweeps)

    @cached_property
    @one_at_a_time
    def frames(self) -> "Frames":
        """The frames that the report is made of (see `fa_sweep.report.frames.Frames`), with every metric."""
        from fa_sweep.report.frames import from_sweeps

        return from_sweeps(self.sweeps, outputs=self._outputs, every_metric=True)

    @property
    def factors(self) -> list[str]:
        """The settings in which the runs differ, without the seed."""
        return self.frames.factors

    @cached_property
    def runs(self) -> "pd.DataFrame":
        """One row per finished run.

        The columns are the factors, the seed, the group, the outcome, the steps of the events (NaN if they never happened), and
        each metric at the last evaluation. A diverged run has the worst possible loss, error and accuracy.
        """
        frame = self.frames.runs.astype({"group": str})  # as a category, it would make pandas list groups that have no runs
        named = frame.rename(columns={column: _short(column) for column in frame.columns})
        finals = [_short(column) for column in frame.columns if column.startswith("final.")]
        columns = [*self.factors, *OF_A_RUN, *finals]
        rest = [column for column in named.columns if column not in columns]
        return named[[*columns, *rest]]

    @cached_property
    def histories(self) -> "pd.DataFrame":
        """One row per run and evaluation: the run's id, group, factors and seed, the step, and one column per metric."""
        frame = self.frames.histories.astype({"group": str})
        factors = self.runs.drop_duplicates("group").set_index("group")[self.factors]
        found = frame.join(factors, on="group") if self.factors else frame
        first = ["run_id", "group", *self.factors, "seed", "step"]
        return found[[*first, *(column for column in found.columns if column not in first)]]

    @property
    def choices(self) -> "pd.DataFrame":
        """What each group tried and chose on the tuning seeds (see `report.designs.choice_table`); empty without tuning."""
        from fa_sweep.report.designs import choice_table

        return choice_table(self.frames)

    @property
    def looks(self) -> "pd.DataFrame":
        """What was known after each round of seeds (see `report.designs.look_table`); empty unless seeds were added."""
        from fa_sweep.report.designs import look_table

        return look_table(self.frames)

    @property
    def failures(self) -> dict[str, str]:
        """The error of each run that failed, by the name of the run."""
        return dict(self.frames.about.failed)

    @property
    def missing(self) -> int:
        """The number of planned runs that have neither finished nor failed."""
        return self.frames.about.missing

    def to_xarray(self) -> "xarray.Dataset":
        """Return the results as arrays over the factors, the seed and, for histories, the step.

        Returns:
            A dataset with the dimensions (*factors, seed, step). `outcome`, the steps of the events and `final.METRIC` have no
            step. Where a combination has no run, numbers are NaN.

        Raises:
            ConfigError: The extra `xarray` is not installed.
        """
        from fa_sweep.results.arrays import dataset

        return dataset(self.runs, self.histories, self.factors)

    @one_at_a_time
    def summary(self) -> "pd.DataFrame":
        """Return one row per group: counts, fractions, times and final values, each with its 95 % interval."""
        from fa_sweep.report.analysis import group_estimates

        return group_estimates(self.frames)

    @one_at_a_time
    def compare(
        self,
        reference: str | None = None,
        *,
        outcome: str = "converged",
        all_pairs: bool = False,
        factor: str | None = None,
        margin: float | None = None,
    ) -> "pd.DataFrame":
        """Return one row per comparison of two groups, with tests and intervals.

            result.compare(outcome="accuracy:area")

        Args:
            reference: The group that every other group is compared with. By default it is the group with symmetric feedback at
                the same levels of all other factors. With `factor`, it is a level of that factor, by default the first.
            outcome: What is compared: "converged" (fraction and time), or a metric at the end ("loss" or "loss:end"), at its
                best ("loss:best"), or as the area under its curve divided by the steps ("loss:area").
            all_pairs: Compare every pair of groups instead.
            factor: Compare only groups that differ in this factor alone.
            margin: Also test whether two groups are equivalent, which is whether they differ by less than this.

        Raises:
            ConfigError: There is no such group, outcome, factor or level, or the margin is not positive.
        """
        from fa_sweep.report.analysis import compare_convergence, compare_measure
        from fa_sweep.report.comparisons import require_fraction
        from fa_sweep.report.values import require_known
        from fa_sweep.settings.measures import read_outcome

        measure = read_outcome("outcome", outcome)
        if margin is not None:
            positive("margin", margin)
        if measure is None:
            require_fraction(margin)
            return compare_convergence(self.frames, reference, all_pairs=all_pairs, factor=factor, margin=margin)
        require_known(self.frames, "outcome", [str(measure)])
        return compare_measure(self.frames, measure, reference, all_pairs=all_pairs, factor=factor, margin=margin)

    @one_at_a_time
    def report(
        self,
        out: str | Path | None = None,
        *,
        outcomes: Sequence[str] | None = None,
        margin: float | None = None,
        reference: str | None = None,
        all_pairs: bool = False,
        factor: str | None = None,
        formats: Collection[str] = FORMATS,
    ) -> Path:
        """Write the report, and return the path of its first document.

        Args:
            out: The folder to write into; by default a folder of this result's name in outputs/reports.
            outcomes: What the report compares, spelled as in `compare`. The first one is the primary outcome. By default, what
                was stated with the sweep.
            margin: The margin of equivalence in the primary outcome.
            reference: The group that every other group is compared with (see `compare`).
            all_pairs: Compare every pair of groups instead.
            factor: Compare only groups that differ in this factor alone.
            formats: The documents to write, some of "html", "md" and "tex".

        Raises:
            CannotWrite: A file cannot be written.
            ConfigError: There is no group called `reference`, no such document, outcome or factor, or the margin is not
                positive.
        """
        formats = (formats,) if isinstance(formats, str) else formats
        for each in formats:
            one_of("formats", each, FORMATS)
        from fa_sweep.report.report import write_report
        from fa_sweep.studies import figures_of_study

        folder = Path(out) if out is not None else self._outputs / "reports" / self.frames.about.id
        try:
            return write_report(
                self.frames,
                folder,
                outcomes=(outcomes,) if isinstance(outcomes, str) else outcomes,
                margin=margin,
                reference=reference,
                all_pairs=all_pairs,
                factor=factor,
                formats=formats,
                first=figures_of_study,
            )
        except OSError as error:
            where = error.filename or folder
            raise CannotWrite(error.errno or 0, f"{where} cannot be written: {error.strerror or error}") from error

    @cached_property
    def plot(self) -> "Plots":
        """The figures of the report, each as a method that returns a matplotlib Figure: `result.plot.survival()`."""
        return Plots(self)

    def __repr__(self) -> str:
        about = self.frames.about
        state = "".join(
            [f", {about.missing} missing"] * bool(about.missing) + [f", {len(about.failed)} failed"] * bool(about.failed)
        )
        groups = len(self.frames.groups)
        return f"<{self.name}: {len(self.frames.runs)} of {about.planned} runs in {groups} group{'s' * (groups != 1)}{state}>"

    def _repr_html_(self) -> str:
        """The summary as a notebook shows it."""
        from fa_sweep.report.tables import readable_groups

        table = readable_groups(self.summary()).to_html(index=False, border=0)
        return f"<p><strong>{html.escape(repr(self)[1:-1])}</strong></p>{table}"


class Plots:
    """The figures of a result. `dir(result.plot)` lists those for which there are data.

    Each figure is a method without arguments that returns a matplotlib Figure.
    """

    def __init__(self, result: Result) -> None:
        self._result = result

    @cached_property
    @one_at_a_time
    def _drawn(self) -> "dict[str, Figure]":
        from fa_sweep.report.analysis import analyse
        from fa_sweep.report.figures import draw_all
        from fa_sweep.report.figures.style import house_style

        with house_style():
            return {one.name: one.figure for one in draw_all(analyse(self._result.frames))}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._drawn:
            raise AttributeError(f"there is no figure {name!r}; there are {', '.join(self._drawn)}")
        return lambda: self._drawn[name]

    def __dir__(self) -> list[str]:
        return list(self._drawn)


def _short(column: str) -> str:
    """Return the name of a column of the report's frames without the mark of a factor."""
    return column.removeprefix("factor.")
