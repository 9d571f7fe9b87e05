"""Write a sweep's report: report.html (self-contained), report.md, and the tables and figures as separate files.

The same ledger gives the same files byte for byte, except for the time in the footer of report.html and report.md.
"""

import base64
import platform
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from fa_sweep.report.comparisons import compare, compare_final
from fa_sweep.report.description import described
from fa_sweep.report.estimates import group_table
from fa_sweep.report.figures import Drawn, draw_all, save
from fa_sweep.report.figures.style import house_style
from fa_sweep.report.frames import Frames, from_sweep
from fa_sweep.report.statements import findings
from fa_sweep.report.tables import (
    latex,
    readable_comparisons,
    readable_final_comparisons,
    readable_final_values,
    readable_groups,
    runs_to_look_at,
)
from fa_sweep.settings.identity import run_settings
from fa_sweep.sweep.folder import Sweep

FORMATS = ("html", "md", "tex")

METHODS = (
    "A run is the unit; a group is one combination of every swept factor except the seed; n is always shown. Groups that "
    "are one set of trainings, judged in two ways or with settings that their mode ignores, are not tested against each "
    "other.",
    "First reach: the first evaluation that meets the criterion. At the end: the last one does. Converged: from some "
    "evaluation on, all do, to the end and for at least train.hold evaluations. Diverged: output or loss became non- "
    "finite; never converged, whatever came before.",
    "Fractions: Wilson's 95 % interval. Time to convergence: Kaplan-Meier with log-log bands (Wilson's where these are "
    "undefined), each step's band for that step alone; runs that never converge, diverged ones too, are censored at the "
    "last step at which convergence could begin, which is the horizon. Median time: where the curve is at one half, the "
    "middle of a flat stretch there; its interval is Brookmeyer and Crowley's, from six runs on.",
    "Restricted mean time: the mean with the horizon for runs that never converged; its interval combines Wilson's for "
    "their fraction with a score interval for the mean time of the others (MOVER), from five runs on. Other medians: "
    "between order statistics, from six runs on. Interquartile means: the middle half, with the part of a run that is "
    "inside it; percentile bootstrap, 9,999 resamples over seeds, none below twenty runs and approximate below thirty. A "
    "diverged run's final accuracy counts as 0, its final loss or error as infinite.",
    "Comparisons on shared seeds: McNemar's exact test with Newcombe's interval for paired fractions (1998, method 10), "
    "and Wilcoxon's signed-rank test (Pratt, by permutation) of times and of final values. Without shared seeds: Fisher's "
    "exact test, Newcombe's hybrid score interval, the log-rank test by permutation, and a permutation test of final "
    "means. Where some seeds are shared: permutation tests of the difference over all runs, which swap within pairs and "
    "deal the other runs anew (exact for fractions). The interval of a difference of restricted means combines those of "
    "the two (MOVER), with the correlation of the pairs; that of final means is Student's for pairs and Welch's without, "
    "approximate below thirty runs.",
    "Intervals and p values are those of each comparison alone, at 95 % and 5 %. Beside each p stands Holm's correction "
    "over all p values of its table; what is told apart is decided by the corrected one. Final values are a table of "
    "their own.",
    "How often each interval covers, and each test rejects, in simulations: docs/statistics.md.",
    "Angles are signed, in degrees, over the whole evaluation set with the current weights; undefined ones (a zero or "
    "non-finite vector on either side) are left out and counted.",
)


def write_report(
    sweep: Sweep | Frames,
    out: Path,
    *,
    reference: str | None = None,
    all_pairs: bool = False,
    formats: Collection[str] = FORMATS,
    first: Callable[[Frames], list[Drawn]] = lambda _: [],
) -> Path:
    """Write the report on a sweep into a folder: documents, `tables/` (CSV and Parquet), and `figures/`.

    Args:
        sweep: The sweep, or its frames.
        out: The folder to write into. It is created if it does not exist.
        reference: The group that every other group is compared with. None lets `comparisons.compare` choose one per group.
        all_pairs: Compare every pair of groups instead.
        formats: The documents to write, some of `FORMATS`. "tex" writes each table for LaTeX into `tables/`.
        first: Draws figures to be shown before all others.

    Returns:
        The path of the first document; the folder `tables/` if `formats` is empty.

    Raises:
        ConfigError: If there is no group called `reference`.
    """
    frames = sweep if isinstance(sweep, Frames) else from_sweep(sweep)
    groups, comparisons = group_table(frames), compare(frames, reference, all_pairs=all_pairs)
    final = compare_final(frames, reference, all_pairs=all_pairs)
    out.mkdir(parents=True, exist_ok=True)
    (out / "tables").mkdir(exist_ok=True)
    tables = {
        "groups": groups,
        "comparisons": comparisons,
        "final_comparisons": final,
        "runs": frames.runs.astype({"group": str}),
    }
    for name, table in tables.items():
        table.to_csv(out / "tables" / f"{name}.csv", index=False)
        table.to_parquet(out / "tables" / f"{name}.parquet", index=False)
    with house_style():
        drawn = [*first(frames), *draw_all(frames, comparisons, final)]
        for figure in drawn:
            save(figure.figure, figure.data, out / "figures", figure.name)
    return _write_documents(frames, groups, comparisons, final, drawn, out, formats)


def _write_documents(
    frames: Frames,
    groups: pd.DataFrame,
    comparisons: pd.DataFrame,
    final: pd.DataFrame,
    drawn: list[Drawn],
    out: Path,
    formats: Collection[str],
) -> Path:
    readable = {
        "Groups": readable_groups(groups),
        "Comparisons": readable_comparisons(comparisons),
        "Final values compared": readable_final_comparisons(final),
        "Final values": readable_final_values(groups),
    }
    context: dict[str, Any] = {
        "frames": frames,
        "setting": described(frames.jobs),
        "about": frames.about,
        "findings": findings(frames, groups, comparisons, final),
        "criterion": criterion(frames),
        "tables": {title: table for title, table in readable.items() if not table.empty},
        "look_at": runs_to_look_at(frames),
        "figures": [(f, _data_uri(out / "figures" / f"{f.name}.svg")) for f in drawn],
        "methods": METHODS,
        "fixed": fixed_settings(frames),
        "varied": [*frames.factors, "seed"] if frames.runs["seed"].nunique() > 1 else frames.factors,
        "environment": {**_reader_environment(), "written": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"},
    }
    # Jinja escapes text only in the HTML template. The Markdown template escapes with the filter `cell`.
    templates = Environment(
        loader=PackageLoader("fa_sweep.report"),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["cell"] = markdown_cell
    paths = []
    for kind in ("html", "md"):
        if kind in formats:
            paths.append(out / f"report.{kind}")
            paths[-1].write_text(templates.get_template(f"report.{kind}.j2").render(context), encoding="utf-8")
    if "tex" in formats:
        for title, table in context["tables"].items():
            name = title.lower().replace(" ", "_")
            paths.append(out / "tables" / f"{name}.tex")
            paths[-1].write_text(latex(table, f"{title}. In parentheses: 95 % intervals.", f"tab:{name}"), encoding="utf-8")
    return paths[0] if paths else out / "tables"


def criterion(frames: Frames) -> str:
    """Say when an evaluation counts as a success, and how many evaluations in a row have to succeed for convergence."""
    found: dict[str, None] = {}
    for job in frames.jobs:
        success, train = job.run.task.success, job.run.train
        sign = "at least" if success.direction == "at_least" else "at most"
        found[f"{success.metric} {sign} {train.threshold:g}, held for {train.hold} evaluations"] = None
    return "; or ".join(found)


def fixed_settings(frames: Frames) -> dict[str, str]:
    """Return the settings, by key, that have the same value in all planned runs."""
    shared: dict[str, str] = {}
    settings = [run_settings(job.run) for job in frames.jobs]
    for name, value in settings[0].items():
        if all(other.get(name) == value for other in settings):
            shared[name] = str(value)
    return shared


def markdown_cell(text: object) -> str:
    """Escape text for a cell of a Markdown table, so that it cannot end the cell or begin markup."""
    escaped = str(text).replace("\\", "\\\\").replace("|", "\\|").replace("`", "'").replace("\n", " ")
    return escaped.replace("<", "&lt;").replace(">", "&gt;").replace("*", "\\*").replace("_", "\\_")


def _data_uri(path: Path) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(path.read_bytes()).decode()


def _reader_environment() -> dict[str, str]:
    """Return the versions of Python and of the packages that compute and draw the report."""
    names = ("scipy", "pandas", "seaborn", "matplotlib")
    return {"Python": platform.python_version(), **{name: version(name) for name in names}}
