"""Keeps the error of each failed run: its message, the place in the user's own code, and the whole traceback."""

import json
import os
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from fa_sweep.errors import Unreadable
from fa_sweep.settings.sources import is_somebodys
from fa_sweep.sweeping.storage import json_bytes, read_json

FAILURES = "failures.json"


@dataclass(frozen=True)
class Failed:
    """The error that ended some runs.

    `message` is one line. `where` names the innermost line of the user's own code in the traceback ("file, line N, in
    function"), for example in a feedback mode or task. It is empty if the traceback contains no such line. `is_somebodys`
    decides which files are the user's own.
    """

    message: str
    where: str = ""
    traceback: str = ""

    def __str__(self) -> str:
        return f"{self.message} ({self.where})" if self.where else self.message


def failure(error: BaseException) -> Failed:
    """Describe an exception by texts. Unlike some exceptions, they can be sent between processes."""
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
    """Return the content of the file of failures. `errors` is keyed by run id; runs with the same error share one entry."""
    runs: dict[Failed, list[str]] = {}
    for run_id, failed in errors.items():
        runs.setdefault(failed, []).append(run_id)
    return json_bytes({"failures": [{**asdict(failed), "runs": ids} for failed, ids in runs.items()]})


def read_failures(folder: Path) -> dict[str, Failed]:
    """Return the error of each failed run of a sweep, by run id. Raises Unreadable."""
    path = folder / FAILURES
    values = read_json(path)
    try:
        if "failures" not in values:  # written by the first version: one message per run id
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
