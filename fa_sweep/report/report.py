"""Write a sweep's report: report.html (self-contained), report.md, and the tables and figures as separate files.

The same ledger gives the same files byte for byte, except for the time in the footer of report.html and report.md.
"""

import platform
import re
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from fa_sweep.report.comparisons import compare, compare_final
from fa_sweep.report.description import differing, shared, title
from fa_sweep.report.estimates import group_table
from fa_sweep.report.figures import Drawn, draw_all, save
from fa_sweep.report.figures.inline import dark_colours, inline
from fa_sweep.report.figures.style import house_style
from fa_sweep.report.frames import Frames, from_sweep
from fa_sweep.report.latex import latex, sweep_label
from fa_sweep.report.names import Names, names_of
from fa_sweep.report.statements import findings
from fa_sweep.report.tables import Table, readable_tables, runs_to_look_at
from fa_sweep.settings.identity import run_settings
from fa_sweep.sweeping.folder import Sweep

FORMATS = ("html", "md", "tex")
FINDINGS = "findings.txt"  # in the folder of a report: one finding per line

METHODS = (
    "The unit is a run. A group is one combination of all swept factors except the seed, and n is its number of runs. Some "
    "groups are the same set of trainings, for example if their mode ignores the setting in which they differ, or if the "
    "same runs are judged by two criteria. Such groups are not tested against each other.",
    "First reach: the first evaluation that meets the criterion. At the end: the last evaluation meets it. Converged: from "
    "some evaluation on, all evaluations meet it, to the end and at least train.hold of them. Diverged: the output or the "
    "loss became non-finite. A diverged run never counts as converged, whatever came before.",
    "Fractions have Wilson's 95 % interval. Time to convergence is estimated by Kaplan-Meier with log-log bands, and with "
    "Wilson's interval where these are undefined. The bands are pointwise: each holds for one step. Runs that never "
    "converge, including diverged runs, are censored at the horizon, the last step at which convergence could begin. The "
    "median time is where the curve reaches one half, or the middle of a flat stretch at one half. Its interval is "
    "Brookmeyer and Crowley's, and needs at least six runs.",
    "The restricted mean time is the mean in which a run that never converged counts with the horizon. Its interval "
    "combines Wilson's interval for the fraction of such runs with a score interval for the mean time of the others "
    "(MOVER), and needs at least five runs. All other medians have intervals between order statistics, which need at least "
    "six runs.",
    "The interquartile mean (IQM) is the mean of the middle half of the runs; a run on the border of that half counts in "
    "part. Its interval is a percentile bootstrap with 9,999 resamples over seeds. There is none below twenty runs, and it "
    "is only approximate below thirty. The final accuracy of a diverged run counts as 0, and its final loss or error as "
    "infinite.",
    "Groups with the same seeds: McNemar's exact test compares fractions, with Newcombe's interval for paired fractions "
    "(1998, method 10). Wilcoxon's signed-rank test (Pratt, by permutation) compares times and final values.",
    "Groups without shared seeds: Fisher's exact test compares fractions, with Newcombe's hybrid score interval. The "
    "log-rank test by permutation compares times. A permutation test compares the means of final values.",
    "Groups with some shared seeds: permutation tests compare all runs. They swap the runs within pairs and deal the other "
    "runs anew to the two groups. For fractions, these tests are exact.",
    "The interval of a difference of restricted means combines the intervals of the two means (MOVER) with the correlation "
    "of the pairs. The interval of a difference of final means is Student's for pairs and Welch's without shared seeds. If "
    "only some seeds are shared, it combines the intervals of the two means like that of restricted means. It is only "
    "approximate below thirty runs.",
    "Each interval and each p value refers to one comparison by itself, at the level of 95 % or 5 %, respectively. Beside "
    "each p value stands its value after Holm's correction over all p values of the same table. Final values have a table "
    "of their own. A difference is called significant if the corrected p value is below 5 %. A difference that is not "
    "significant may still exist.",
    "docs/statistics.md shows how often each interval covers the truth, and how often each test rejects, in simulations.",
    "Angles lie between 0 and 180 degrees, because the cosine keeps its sign. They are measured over the whole evaluation "
    "set with the current weights. An angle is undefined if either vector is zero or non-finite. Undefined angles are left "
    "out and counted.",
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
    names = names_of(frames)
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
        drawn = [*first(frames), *draw_all(frames, groups, comparisons, final, names)]
        for figure in drawn:
            save(figure.figure, figure.data, out / "figures", figure.name)
    sentences = findings(frames, groups, comparisons, final)
    readable = readable_tables(groups, comparisons, final, names)
    return _write_documents(frames, names, sentences, readable, drawn, out, formats)


def _write_documents(
    frames: Frames,
    names: Names,
    sentences: list[str],
    tables: list[Table],
    drawn: list[Drawn],
    out: Path,
    formats: Collection[str],
) -> Path:
    pictures = [inline((out / "figures" / f"{f.name}.svg").read_text(encoding="utf-8"), f.name, f.alt) for f in drawn]
    context: dict[str, Any] = {
        "frames": frames,
        "title": title(frames.jobs),
        "differing": differing(frames.jobs),
        "shared": shared(frames.jobs),
        "notes": names.notes,
        "about": frames.about,
        "findings": sentences,
        "criterion": criterion(frames),
        "tables": tables,
        "look_at": runs_to_look_at(frames),
        "figures": list(zip(drawn, pictures, strict=True)),
        "dark": dark_colours(pictures),
        "methods": METHODS,
        "fixed": fixed_settings(frames),
        "varied": [*frames.factors, "seed"] if frames.runs["seed"].nunique() > 1 else frames.factors,
        "environment": {**_reader_environment(), "written": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"},
    }
    (out / FINDINGS).write_text("".join(f"{sentence}\n" for sentence in context["findings"]), encoding="utf-8")
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
