"""Write a sweep's report: report.html (self-contained), report.md, and the tables and figures as separate files.

The same ledger gives the same files byte for byte, except for the time in the footer of report.html and report.md.
"""

import platform
import re
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from fa_sweep.report import anytime
from fa_sweep.report.analysis import Analysis, analyse
from fa_sweep.report.description import differing, shared, title
from fa_sweep.report.designs import design_data
from fa_sweep.report.figures import Drawn, draw_all, save
from fa_sweep.report.figures.inline import dark_colours, inline
from fa_sweep.report.figures.style import house_style
from fa_sweep.report.frames import Frames, from_sweep
from fa_sweep.report.latex import latex, sweep_label
from fa_sweep.report.methods import METHODS
from fa_sweep.report.statements import findings
from fa_sweep.report.tables import readable_tables, runs_to_look_at
from fa_sweep.report.tables_of_values import is_among_final_values
from fa_sweep.settings.identity import run_settings
from fa_sweep.settings.measures import CONVERGED, read_outcome
from fa_sweep.sweeping.folder import Sweep
from fa_sweep.tracking.content import is_main_history

FORMATS = ("html", "md", "tex")
FINDINGS = "findings.txt"  # in the folder of a report: one finding per line


def write_report(
    sweep: Sweep | Frames,
    out: Path,
    *,
    outcomes: Sequence[str] | None = None,
    margin: float | None = None,
    reference: str | None = None,
    all_pairs: bool = False,
    factor: str | None = None,
    formats: Collection[str] = FORMATS,
    first: Callable[[Frames], list[Drawn]] = lambda _: [],
) -> Path:
    """Write the report on a sweep into a folder: documents, `tables/` (CSV and Parquet), and `figures/`.

    Args:
        sweep: The sweep, or its frames.
        out: The folder to write into. It is created if it does not exist.
        outcomes: What to compare, the primary outcome first (see `settings.measures`). None for what was stated with the sweep.
        margin: The margin of equivalence in the primary outcome. None for what was stated with the sweep.
        reference: The group that every other group is compared with. None lets `pairs.pairs_of` choose one per group. With
            `factor`, a level of that factor.
        all_pairs: Compare every pair of groups instead.
        factor: Compare only groups that differ in this factor alone.
        formats: The documents to write, some of `FORMATS`. "tex" writes each table for LaTeX into `tables/`.
        first: Draws figures to be shown before all others.

    Returns:
        The path of the first document; the folder `tables/` if `formats` is empty.

    Raises:
        ConfigError: If there is no group called `reference`, or if an outcome, the margin or the factor cannot be used.
    """
    frames = sweep if isinstance(sweep, Frames) else from_sweep(sweep, every_metric=needs_every_metric(sweep, outcomes))
    analysis = analyse(frames, outcomes, margin=margin, reference=reference, all_pairs=all_pairs, factor=factor)
    (out / "tables").mkdir(parents=True, exist_ok=True)
    for name, table in _tables(analysis).items():
        table.to_csv(out / "tables" / f"{name}.csv", index=False)
        table.to_parquet(out / "tables" / f"{name}.parquet", index=False)
    with house_style():
        drawn = [*first(frames), *draw_all(analysis)]
        for figure in drawn:
            save(figure.figure, figure.data, out / "figures", figure.name)
    return _write_documents(analysis, drawn, out, formats)


def needs_every_metric(sweep: Sweep, outcomes: Sequence[str] | None) -> bool:
    """Whether a report needs more histories than the main ones, because an outcome is read from others."""
    wanted = sweep.record.outcomes if outcomes is None else outcomes
    measures = [read_outcome("the outcome", text) for text in wanted]
    return not all(one is None or one.reading == "end" or is_main_history(one.metric) for one in measures)


def _tables(analysis: Analysis) -> dict[str, pd.DataFrame]:
    """Return the unrounded tables of a report by the names of their files."""
    tables = {"groups": analysis.groups, "runs": analysis.frames.runs.astype({"group": str})}
    tables |= design_data(analysis.frames)
    if CONVERGED in analysis.outcomes:
        tables["comparisons"] = analysis.comparisons
    for outcome in analysis.measured:
        tables[f"{outcome.file_name}_comparisons"] = outcome.comparisons
        if not is_among_final_values(outcome):
            tables[f"{outcome.file_name}_groups"] = outcome.groups
    return tables


def _write_documents(analysis: Analysis, drawn: list[Drawn], out: Path, formats: Collection[str]) -> Path:
    frames, names, tables = analysis.frames, analysis.names, readable_tables(analysis)
    pictures = [inline((out / "figures" / f"{f.name}.svg").read_text(encoding="utf-8"), f.name, f.alt) for f in drawn]
    context: dict[str, Any] = {
        "frames": frames,
        "title": title(frames.jobs),
        "head": analysis.head,
        "differing": differing(frames.jobs),
        "shared": shared(frames.jobs),
        "notes": names.notes,
        "about": frames.about,
        "findings": findings(analysis),
        "criterion": criterion(frames),
        "tables": tables,
        "look_at": runs_to_look_at(frames),
        "figures": list(zip(drawn, pictures, strict=True)),
        "dark": dark_colours(pictures),
        "methods": anytime.METHODS if frames.about.is_sequential else METHODS,
        "fixed": fixed_settings(frames),
        "varied": [*frames.factors, "seed"] if frames.runs["seed"].nunique() > 1 else frames.factors,
        "environment": {**_reader_environment(), "written": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"},
    }
    said = [*analysis.head, *context["findings"]]
    (out / FINDINGS).write_text("".join(f"{sentence}\n" for sentence in said), encoding="utf-8")
    # Jinja escapes text only in the HTML template. The Markdown template escapes with the filter `cell`.
    templates = Environment(
        loader=PackageLoader("fa_sweep.report"),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["cell"] = markdown_cell
    templates.filters["unbroken"] = unbroken
    paths = []
    for kind in ("html", "md"):
        if kind in formats:
            paths.append(out / f"report.{kind}")
            paths[-1].write_text(templates.get_template(f"report.{kind}.j2").render(context), encoding="utf-8")
    if "tex" in formats:
        about = frames.about
        sweep, mark = about.name or about.id, about.name or about.hash[:8]  # the same jobs, run again, keep their labels
        for table in tables:
            paths.append(out / "tables" / f"{table.title.lower().replace(' ', '_')}.tex")
            caption, label = f"{table.title} of the sweep {sweep}", sweep_label(mark, table.title)
            paths[-1].write_text(latex(table, caption, label), encoding="utf-8")
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


def unbroken(text: object) -> Markup:
    """Return text for a cell of an HTML table, in which no line breaks inside an interval, or inside a short cell."""
    escaped = str(escape(text))
    if len(escaped) <= 14:
        return Markup(f'<span class="one">{escaped}</span>')  # noqa: S704  escaped
    return Markup(re.sub(r"\([^()]{1,24}\)|[\d.]+ %", r'<span class="one">\g<0></span>', escaped))  # noqa: S704  escaped


def _reader_environment() -> dict[str, str]:
    """Return the versions of Python and of the packages that compute and draw the report."""
    names = ("scipy", "pandas", "seaborn", "matplotlib")
    return {"Python": platform.python_version(), **{name: version(name) for name in names}}
