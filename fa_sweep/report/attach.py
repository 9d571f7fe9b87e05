"""Log a report in MLflow: its files and its findings on the sweep's parent run."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from fa_sweep.errors import TrackingError
from fa_sweep.report.report import FINDINGS, write_report
from fa_sweep.settings.schema import TrackingConfig
from fa_sweep.sweeping.folder import OUTPUTS, Sweep
from fa_sweep.tracking.claims import store_of
from fa_sweep.tracking.importer import attach_report
from fa_sweep.tracking.uris import public


def report_and_attach(
    sweep: Sweep,
    out: Path,
    tracking: TrackingConfig,
    **options: Any,
) -> Path:
    """Write a sweep's report, and log it in MLflow if the sweep is tracked there.

    If the report cannot be logged in MLflow, a message on stderr says why. The report on disk is complete all the same.

    Args:
        sweep: The sweep.
        out: The folder to write into.
        tracking: The tracking settings of this command. A sweep's record may name any store, so the report is logged only in
            the store that this command was given, or in a database under the working folder's outputs.
        options: Further arguments of `write_report`, such as `reference` and `outcomes`.

    Returns:
        The path of the first document.

    Raises:
        ConfigError: If an option cannot be used.
    """
    path = write_report(sweep, out, **options)
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
