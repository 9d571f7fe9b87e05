"""`python -m analysis`: report on a sweep, from the ledger or from MLflow."""

import argparse
import sys
from pathlib import Path

from fa_sweep.checks import ConfigError
from fa_sweep.sweep.folder import OUTPUTS, Sweep, all_sweeps
from fa_sweep.sweep.storage import Unreadable
from fa_sweep.tracking.stores import TrackingError

FORMATS = ("html", "md", "tex")


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        "python -m analysis", description="Write the convergence report of a sweep, by default of the newest one."
    )
    parser.add_argument("--sweep", metavar="ID|PATH", help="a sweep's id, or its folder (default: the newest)")
    parser.add_argument("--experiment", metavar="NAME", help="read the sweep from this MLflow experiment instead of the ledger")
    parser.add_argument(
        "--uri",
        metavar="URI",
        default="sqlite:///outputs/mlflow.db",
        help="MLflow's tracking URI, with --experiment (default: %(default)s)",
    )
    parser.add_argument("--out", metavar="FOLDER", type=Path, help="where to write (default: outputs/reports/SWEEP)")
    parser.add_argument(
        "--reference",
        metavar="GROUP",
        help="compare every group with this one (default: symmetric at equal levels of all else)",
    )
    parser.add_argument("--all-pairs", action="store_true", help="compare every pair of groups")
    parser.add_argument("--no-attach", action="store_true", help="do not log the report on the sweep's MLflow run")
    parser.add_argument("--format", metavar="LIST", default=",".join(FORMATS), help="documents to write (default: %(default)s)")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns the exit status: 2 for what cannot be reported on."""
    options = arguments().parse_args(argv)
    try:
        formats = options.format.split(",")
        for name in formats:
            if name not in FORMATS:
                raise ConfigError(f"--format is {options.format!r}; choose some of {','.join(FORMATS)}")
        sweep = None if options.experiment else _find(options.sweep)
        from analysis.report import write_report  # seconds of imports, after the checks

        if sweep is None:
            from analysis.mlflow_frames import from_mlflow

            frames = from_mlflow(options.uri, options.experiment, options.sweep)
            out = options.out or OUTPUTS / "reports" / frames.about.id
            path = write_report(frames, out, reference=options.reference, all_pairs=options.all_pairs, formats=formats)
        else:
            from analysis.attach import report_and_attach

            out = options.out or OUTPUTS / "reports" / sweep.id
            write = write_report if options.no_attach else report_and_attach
            path = write(sweep, out, reference=options.reference, all_pairs=options.all_pairs, formats=formats)
    except (ConfigError, TrackingError) as error:
        print(f"analysis: {error}", file=sys.stderr)
        return 2
    print(path)
    return 0


def _find(name: str | None) -> Sweep:
    """Return the sweep of that id or folder, else the newest. Raises ConfigError where there is none."""
    if name is not None and Path(name).is_dir():
        sweep = Sweep(Path(name))
        try:
            _ = sweep.record
        except Unreadable as error:
            raise ConfigError(f"--sweep is {name}; it is no sweep's folder: {error}") from error
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


if __name__ == "__main__":
    sys.exit(main())
