"""`report`: write the report of one or several sweeps, from the ledger or from MLflow."""

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from fa_sweep.checks import positive
from fa_sweep.cli.verbs.common import sweeps_argument
from fa_sweep.errors import CannotWrite, ConfigError
from fa_sweep.results.selection import NEWEST, find
from fa_sweep.settings.measures import read_outcomes
from fa_sweep.sweeping.folder import OUTPUTS, Sweep
from fa_sweep.sweeping.reuse import what_is_gone
from fa_sweep.tracking.uris import AUTO, DEFAULT, VARIABLE, choose, public, sqlite_file

FORMATS = ("html", "md", "tex")


class Once(click.Option):
    """An option that may be given only once. click would silently ignore all but the last."""

    def __init__(self, names: Sequence[str], **keywords: Any) -> None:
        super().__init__(names, multiple=True, **keywords)

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        """Return the option's only value. Raises ConfigError if there are several."""
        given = super().process_value(ctx, value)
        if given is not None and len(given) > 1:
            raise ConfigError(f"{self.opts[0]} is given twice, the second time as {str(given[1])!r}; give it once")
        return given[0] if given else None


@click.command(
    help="Write the report of a sweep, by default of the newest one, or one report of several sweeps together. "
    "With --experiment, read them from MLflow instead: by default all sweeps of the experiment."
)
@sweeps_argument("called")
@click.option("--sweep", "also", multiple=True, hidden=True)
@click.option("--experiment", cls=Once, metavar="NAME", help="Read from this MLflow experiment.")
@click.option("--uri", cls=Once, metavar="URI", help=f"MLflow's tracking URI (default: ${VARIABLE}, else {DEFAULT}).")
@click.option("--out", cls=Once, type=click.Path(path_type=Path), metavar="FOLDER", help="Default: outputs/reports/SWEEP.")
@click.option(
    "--reference", cls=Once, metavar="GROUP", help="Compare every group with this one (default: the symmetric group)."
)
@click.option(
    "--outcome",
    "outcomes",
    multiple=True,
    metavar="OUTCOME",
    help="converged, or METRIC:end, :best or :area. Repeat it for more; the first is primary.",
)
@click.option(
    "--margin",
    cls=Once,
    type=float,
    metavar="NUMBER",
    help="Test for equivalence: a difference below this in the primary outcome.",
)
@click.option(
    "--compare",
    "compared",
    cls=Once,
    metavar="factor=NAME",
    help="Compare only groups that differ in this alone (--reference LEVEL).",
)
@click.option("--all-pairs", is_flag=True, help="Compare every pair of groups.")
@click.option("--no-attach", is_flag=True, help="Do not log the report on the sweep's MLflow run.")
@click.option("--format", "formats", cls=Once, metavar="LIST", help=f"Some of {','.join(FORMATS)} (default: all).")
def command(called: tuple[str, ...], also: tuple[str, ...], **options: Any) -> int:
    """Write the report and print the path of its first document. Returns 1 if it lacks runs whose shards are gone."""
    path, gone = _report([*called, *also], **options)
    click.echo(path)
    if gone:
        _say(gone)
    return 1 if gone else 0


def _report(
    called: list[str],
    experiment: str | None,
    uri: str | None,
    out: Path | None,
    reference: str | None,
    outcomes: tuple[str, ...],
    margin: float | None,
    compared: str | None,
    formats: str | None,
    *,
    all_pairs: bool,
    no_attach: bool,
) -> tuple[Path, str]:
    """Write the report. Returns the path of its first document, and a message about missing runs, "" if there are none."""
    documents = list(FORMATS) if formats is None else formats.split(",")
    for name in documents:
        if name not in FORMATS:
            raise ConfigError(f"--format is {formats!r}; choose some of {','.join(FORMATS)}")
    stated = read_outcomes("--outcome", outcomes) or None
    if margin is not None:
        positive("--margin", margin)
    store = choose(AUTO if uri is None else uri, "--uri")
    if uri is not None and (file := sqlite_file(store.uri)) is not None and not file.exists():
        raise ConfigError(f"--uri is {public(store.uri)}; there is no such database")
    sweeps = [] if experiment else find(called or (NEWEST,))
    if out is not None:
        _require_folder(out)
    from fa_sweep.report.frames import from_sweeps
    from fa_sweep.report.report import needs_every_metric, write_report  # imported after the checks, because it takes seconds
    from fa_sweep.studies import figures_of_study

    chosen: dict[str, Any] = {
        "first": figures_of_study,
        "outcomes": stated,
        "margin": margin,
        "reference": reference,
        "all_pairs": all_pairs,
        "factor": _factor(compared),
        "formats": documents,
    }
    gone = _gone(sweeps)
    try:
        if len(sweeps) == 1 and not no_attach:
            return _attached(sweeps[0], out, store, chosen), gone
        if experiment:
            from fa_sweep.report.mlflow_frames import from_mlflow

            frames = from_mlflow(store.uri, experiment, called)
            _say(f"reading {', '.join(frames.about.sweeps or [frames.about.id])} from {store.shown}")
        else:
            frames = from_sweeps(sweeps, every_metric=any(needs_every_metric(sweep, stated) for sweep in sweeps))
        return write_report(frames, out or OUTPUTS / "reports" / frames.about.id, **chosen), gone
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise CannotWrite(error.errno or 0, f"the report could not be written: {where}{error.strerror or error}") from error


def _factor(compared: str | None) -> str | None:
    """Return the factor that `--compare factor=NAME` names."""
    if compared is None:
        return None
    kind, _, name = compared.partition("=")
    if kind != "factor" or not name:
        raise ConfigError(f"--compare is {compared!r}; write factor=NAME, such as factor=feedback")
    return name


def _attached(sweep: Sweep, out: Path | None, store: Any, chosen: dict[str, Any]) -> Path:
    """Write the report of one sweep, and log it on its run in MLflow if it has one."""
    from fa_sweep.report.attach import report_and_attach

    path = report_and_attach(
        sweep, out or OUTPUTS / "reports" / sweep.id, replace(sweep.record.tracking, uri=store.uri), **chosen
    )
    if sweep.tracked:
        _say(f"the report is also an artifact of the sweep's run in {store.shown}")
    return path


def _gone(sweeps: list[Sweep]) -> str:
    """Return which sweeps' shards are gone, "" if none."""
    return "; ".join(filter(None, (what_is_gone(sweep, sweep.records()) for sweep in sweeps)))


def _say(text: str) -> None:
    print(f"fa_sweep: {text}", file=sys.stderr)


def _require_folder(folder: Path) -> None:
    """Create a folder, and raise ConfigError if it cannot be written to. This happens early, because a report takes time."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigError(
            f"--out is {folder}; it cannot be written: {error.strerror}; choose a folder that you may write to"
        ) from error
