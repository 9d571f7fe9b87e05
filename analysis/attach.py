"""A report where MLflow's users find it: on the sweep's parent run, with its groups' curves beside the runs'."""

import re
import sys
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from analysis.estimates import fraction_converged, trajectories
from analysis.frames import Frames, from_sweep
from analysis.report import FORMATS, write_report
from fa_sweep.sweep.folder import Sweep
from fa_sweep.tracking.importer import attach_report
from fa_sweep.tracking.stores import TrackingError

CURVES = {"accuracy": "accuracy", "loss": "loss", "angle_deg/gradient": "angle_deg_gradient"}


def report_and_attach(
    sweep: Sweep,
    out: Path,
    *,
    reference: str | None = None,
    all_pairs: bool = False,
    formats: Collection[str] = FORMATS,
) -> Path:
    """Write a sweep's report and, where MLflow has the sweep, log it there. Returns the path of its first document.

    MLflow out of reach is said, and costs nothing but the copy.
    """
    frames = from_sweep(sweep)
    path = write_report(frames, out, reference=reference, all_pairs=all_pairs, formats=formats)
    if sweep.tracked:
        try:
            attach_report(sweep, out, group_curves(frames))
        except TrackingError as error:
            print(f"fa_sweep: the report is in {out}, but not in MLflow: {error}", file=sys.stderr)
    return path


def group_curves(frames: Frames) -> list[tuple[str, float, int]]:
    """Return (metric name, value, step): median and quartiles a group and metric, and the fraction converged by step."""
    points: list[tuple[str, float, int]] = []
    for metric, name in CURVES.items():
        if metric in frames.histories:
            table = trajectories(frames, metric)
            for statistic in ("median", "q25", "q75"):
                points += _points(table, f"{name}_{statistic}", statistic)
    return points + _points(fraction_converged(frames), "fraction_converged", "fraction")


def _points(table: pd.DataFrame, name: str, column: str) -> list[tuple[str, float, int]]:
    known = table.dropna(subset=[column])
    groups = [_metric_name(str(group)) for group in known["group"]]
    rows = zip(groups, known[column], known["step"], strict=True)
    return [(f"curves/{group}/{name}", float(value), int(step)) for group, value, step in rows]


def _metric_name(group: str) -> str:
    """Return a group's name in the letters that MLflow allows in a metric's."""
    return re.sub(r"[^\w\-. :]", "_", group.replace("=", ":").replace(",", ""), flags=re.ASCII)
