"""`python -m fa_sweep report`: write the report of a sweep from the ledger or from MLflow."""

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from fa_sweep.errors import ConfigError, TrackingError, Unreadable
from fa_sweep.process.notices import begin_command
from fa_sweep.process.secrets import redacted_output, remember_secrets_of_the_process
from fa_sweep.sweep.folder import OUTPUTS, Sweep, all_sweeps
from fa_sweep.sweep.reuse import what_is_gone
from fa_sweep.tracking.uris import AUTO, DEFAULT, VARIABLE, choose, public, sqlite_file

FORMATS = ("html", "md", "tex")


class Once(argparse.Action):
    """An option that may be given only once. argparse would silently ignore all but the last."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        """Store the option's value. Raises ConfigError if the option was given before."""
        given: set[str] = namespace.__dict__.setdefault("_given", set())
        if self.dest in given:
            raise ConfigError(f"--{self.dest} is given twice, the second time as {str(values)!r}; give it once")
        given.add(self.dest)
        setattr(namespace, self.dest, values)


class Parser(argparse.ArgumentParser):
    """A parser that raises a one-line ConfigError instead of printing its usage and exiting."""

    def error(self, message: str) -> NoReturn:
        """Raise ConfigError with argparse's message."""
        raise ConfigError(f"{message}; --help lists the options")


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = Parser(
        "python -m fa_sweep report", description="Write the convergence report of a sweep, by default of the newest one."
    )
    parser.register("action", "store", Once)
    parser.register("action", None, Once)
    parser.add_argument("--sweep", metavar="ID|PATH", help="a sweep's id, or its folder (default: the newest)")
    parser.add_argument("--experiment", metavar="NAME", help="read the sweep from this MLflow experiment instead of the ledger")
    parser.add_argument(
        "--uri",
        metavar="URI",
        default=AUTO,
        help=f"MLflow's tracking URI, to read from or to attach the report to (default: ${VARIABLE}, else {DEFAULT})",
    )
    parser.add_argument("--out", metavar="FOLDER", type=Path, help="where to write (default: outputs/reports/SWEEP)")
    parser.add_argument(
        "--reference",
        metavar="GROUP",
        help="compare every group with this one (default: with the symmetric group whose other settings are the same)",
    )
    parser.add_argument("--all-pairs", action="store_true", help="compare every pair of groups")
    parser.add_argument("--no-attach", action="store_true", help="do not log the report on the sweep's MLflow run")
    parser.add_argument("--format", metavar="LIST", default=",".join(FORMATS), help="documents to write (default: %(default)s)")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Write a report and print the path of its first document.

    Args:
        argv: The words after `report`; by default those of this process.

    Returns:
        The exit status: 0 for success; 2 if the options are wrong or the sweep cannot be read; 1 if the report could not be
        written, or if it lacks runs because their shards are gone.
    """
    begin_command()
    remember_secrets_of_the_process()
    with redacted_output():
        return _main(argv)


def _main(argv: list[str] | None) -> int:
    try:
        path, gone = _report(arguments().parse_args(argv))
        print(path)
        if gone:
            _say(gone)
            return 1
    except (ConfigError, TrackingError, Unreadable) as error:
        print(f"fa_sweep: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"fa_sweep: the report could not be written: {where}{error.strerror or error}", file=sys.stderr)
        return 1
    return 0


def _report(options: argparse.Namespace) -> tuple[Path, str]:
    """Write the report. Returns the path of its first document, and a message about missing runs, "" if there are none."""
    formats = options.format.split(",")
    for name in formats:
        if name not in FORMATS:
            raise ConfigError(f"--format is {options.format!r}; choose some of {','.join(FORMATS)}")
    store = choose(options.uri, "--uri")
    if options.uri != AUTO and (file := sqlite_file(store.uri)) is not None and not file.exists():
        raise ConfigError(f"--uri is {public(store.uri)}; there is no such database")
    sweep = None if options.experiment else _find(options.sweep)
    if options.out is not None:
        _require_folder(options.out)
    from fa_sweep.report.report import write_report  # imported after the checks, because it takes seconds
    from fa_sweep.studies import figures_of_study

    chosen: dict[str, Any] = {
        "first": figures_of_study,
        "reference": options.reference,
        "all_pairs": options.all_pairs,
        "formats": formats,
    }
    if sweep is None:
        from fa_sweep.report.mlflow_frames import from_mlflow

        frames = from_mlflow(store.uri, options.experiment, options.sweep, _say)
        _say(f"reading from {store.shown}")
        return write_report(frames, options.out or OUTPUTS / "reports" / frames.about.id, **chosen), ""
    from fa_sweep.report.attach import report_and_attach

    out = options.out or OUTPUTS / "reports" / sweep.id
    gone = what_is_gone(sweep, sweep.records())
    if options.no_attach:
        return write_report(sweep, out, **chosen), gone
    path = report_and_attach(sweep, out, replace(sweep.record.tracking, uri=store.uri), **chosen)
    if sweep.tracked:
        _say(f"the report is also an artifact of the sweep's run in {store.shown}")
    return path, gone


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


def _find(name: str | None) -> Sweep:
    """Return the sweep with this id or folder, or the newest sweep for None. Raises ConfigError if there is none."""
    if name is not None and Path(name).is_dir():
        sweep = Sweep(Path(name))
        try:
            _ = sweep.record
        except Unreadable as error:
            raise ConfigError(f"--sweep is {name}; it is not the folder of a sweep: {error}") from error
        return sweep
    sweeps = [sweep for sweep in all_sweeps() if not sweep.record.single]
    if name is None and sweeps:
        return sweeps[-1]
    for sweep in sweeps:
        if sweep.id == name:
            return sweep
    if not sweeps:
        raise ConfigError(f"there is no sweep under {OUTPUTS / 'sweeps'} here; run one first, or give its folder with --sweep")
    raise ConfigError(f"--sweep is {name!r}; there are {', '.join(s.id for s in sweeps[-5:])} (the newest last)")
