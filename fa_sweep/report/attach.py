"""Log a report in MLflow: its files and its findings on the sweep's parent run."""

import sys
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

from fa_sweep.errors import TrackingError
from fa_sweep.report.figures import Drawn
from fa_sweep.report.frames import Frames, from_sweep
from fa_sweep.report.report import FINDINGS, FORMATS, write_report
from fa_sweep.settings.schema import TrackingConfig
from fa_sweep.sweeping.folder import OUTPUTS, Sweep
from fa_sweep.tracking.claims import store_of
from fa_sweep.tracking.importer import attach_report
from fa_sweep.tracking.uris import public


def report_and_attach(
    sweep: Sweep,
    out: Path,
    tracking: TrackingConfig,
    *,
    reference: str | None = None,
    all_pairs: bool = False,
    formats: Collection[str] = FORMATS,
    first: Callable[[Frames], list[Drawn]] = lambda _: [],
) -> Path:
    """Write a sweep's report, and log it in MLflow if the sweep is tracked there.

    If the report cannot be logged in MLflow, a message on stderr says why. The report on disk is complete all the same.

    Args:
        sweep: The sweep.
        out: The folder to write into.
        tracking: The tracking settings of this command. A sweep's record may name any store, so the report is logged only in
            the store that this command was given, or in a database under the working folder's outputs.
        reference: The group that every other group is compared with. None lets `comparisons.compare` choose one per group.
        all_pairs: Compare every pair of groups instead.
        formats: The documents to write, some of `FORMATS`.
        first: Draws figures to be shown before all others.

    Returns:
        The path of the first document.

    Raises:
        ConfigError: If there is no group called `reference`.
    """
    frames = from_sweep(sweep)
    path = write_report(frames, out, reference=reference, all_pairs=all_pairs, formats=formats, first=first)
    if sweep.tracked:
        recorded = sweep.record.tracking
        uri = store_of(recorded.uri, tracking.uri, OUTPUTS)
        try:
            if uri is None:
                raise TrackingError(f"{public(recorded.uri)} is not this command's store; name it with MLFLOW_TRACKING_URI")
            findings = (out / FINDINGS).read_text(encoding="utf-8").splitlines()
            attach_report(sweep, replace(recorded, uri=uri, timeout_s=tracking.timeout_s), out, findings)
        except TrackingError as error:
            print(f"fa_sweep: the report is in {out}, but not in MLflow: {error}", file=sys.stderr)
    return path
