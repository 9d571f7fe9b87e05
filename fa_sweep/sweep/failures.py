"""Runs that ended in an error: what was raised, where in somebody's code, with the whole traceback."""

import json
import os
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from fa_sweep.errors import Unreadable
from fa_sweep.settings.sources import is_somebodys
from fa_sweep.sweep.storage import json_bytes, read_json

FAILURES = "failures.json"


@dataclass(frozen=True)
class Failed:
    """Why runs ended: `message` in one line, `where` it was raised ("file, line N, in function"), and the `traceback`.

    `where` is the last line of code that is neither ours nor a released distribution's: that of a user's own mode or task. It
    is empty where no such code took part.
    """

    message: str
    where: str = ""
    traceback: str = ""

    def __str__(self) -> str:
        return f"{self.message} ({self.where})" if self.where else self.message


def failure(error: BaseException) -> Failed:
    """Return what an error tells, in texts that travel between processes."""
    said = " ".join(str(error).split()) or (
        "there was not enough memory" if isinstance(error, MemoryError) else "no more is known"
    )
    message = f"{type(error).__name__}: {said}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if is_somebodys(frame.filename)]
    where = f"{_shown(own[-1].filename)}, line {own[-1].lineno}, in {own[-1].name}" if own else ""
    return Failed(message, where, "".join(traceback.format_exception(error)))


def _shown(path: str) -> str:
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative


def failures_bytes(errors: Mapping[str, Failed]) -> bytes:
    """Return the content of the file of a sweep's failures; runs that failed together share one entry."""
    runs: dict[Failed, list[str]] = {}
    for run_id, failed in errors.items():
        runs.setdefault(failed, []).append(run_id)
    return json_bytes({"failures": [{**asdict(failed), "runs": ids} for failed, ids in runs.items()]})


def read_failures(folder: Path) -> dict[str, Failed]:
    """Return the error of each run that ended in one, by run id. Raises Unreadable."""
    path = folder / FAILURES
    values = read_json(path)
    try:
        if "failures" not in values:  # the first version's: one line per run
            if not all(isinstance(message, str) for message in values.values()):
                raise TypeError(json.dumps(values)[:60])
            return {run_id: Failed(message) for run_id, message in values.items()}
        return {
            run_id: Failed(str(one["message"]), str(one["where"]), str(one["traceback"]))
            for one in values["failures"]
            for run_id in one["runs"]
        }
    except (KeyError, TypeError) as error:
        raise Unreadable(f"{path} is damaged: {type(error).__name__}: {error}") from error
