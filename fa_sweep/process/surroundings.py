"""What the command makes of its surroundings: what other programs have set, and a terminal that may be anything.

What is computed never depends on either. Called by the command alone, in a process of its own.
"""

import errno
import io
import logging
import os
import select
import sys
import warnings
from typing import Any, TextIO

# Variables that mean this process too when somebody has set them for another one.
_MEANT_FOR_OTHERS = ("HYDRA_MAIN_MODULE", "FB_PAR_MAIN_MODULE", "FB_XAR_MAIN_MODULE")
_LIBRARIES = r"(alembic|distributed|joblib|matplotlib|mlflow|pandas|seaborn|sqlalchemy)\b"
_OF_KILLED_PROCESSES = "ignore:resource_tracker"  # which removes what they leave, and then complains
_OWNER_MAY_ALL = 0o700
_NOBODY_READS = (errno.EPIPE, errno.EIO)  # `| head`; a terminal that was closed


def settle() -> None:
    """Make files, streams and warnings of this process what the rest of the program takes for granted."""
    os.umask(os.umask(0) & ~_OWNER_MAY_ALL)  # a mask of 777 makes folders that nobody can write into
    for name in _MEANT_FOR_OTHERS:
        os.environ.pop(name, None)
    _tolerate_warnings()
    if os.name == "posix":
        sys.stdout = _tolerant(sys.stdout, 1, "replace")
        sys.stderr = _tolerant(sys.stderr, 2, "backslashreplace")


def final_status(status: int, name: str) -> int:
    """Return the exit status of a command that ends with `status`: 1 where its output was lost, which it says."""
    sys.stdout.flush()
    file = getattr(sys.stdout, "buffer", None)
    error = getattr(getattr(file, "raw", file), "error", None)
    if error is None or error.errno in _NOBODY_READS:
        return status
    why = f"the standard output could not be written: {error.strerror}"
    print(f"{name}: {why}; nothing else is lost, free some space before the next command", file=sys.stderr)
    return status or 1


def _tolerate_warnings() -> None:
    """Have no warning end the program, here and in the processes that it starts, and leave out those that are of no use here.

    Libraries warn their callers for years; and they warn where matplotlib finds no folder to write to, or under `python -OO`.
    """
    sys.warnoptions[:] = [option for option in sys.warnoptions if not _ends_programs(option)]
    options = [option for option in os.environ.get("PYTHONWARNINGS", "").split(",") if option and not _ends_programs(option)]
    os.environ["PYTHONWARNINGS"] = ",".join([*options, _OF_KILLED_PROCESSES])
    filters: list[Any] = warnings.filters  # type: ignore[assignment]
    filters[:] = [each for each in filters if each[0] != "error"]
    warnings.filterwarnings("ignore", module=_LIBRARIES)
    logging.getLogger("matplotlib").setLevel(logging.ERROR)


def _ends_programs(option: str) -> bool:
    return option.split(":")[0] == "error"


def _tolerant(stream: TextIO | None, number: int, errors: str) -> TextIO:
    """Return a stream like the given one that replaces what it cannot encode, and never raises an error of the file behind."""
    file: Any = _TolerantFile(number, "w", closefd=False)
    through = bool(getattr(stream, "write_through", False))  # python -u
    encoding = "utf-8" if stream is None else stream.encoding
    return io.TextIOWrapper(
        file if through else io.BufferedWriter(file),
        encoding,
        errors,
        line_buffering=bool(getattr(stream, "line_buffering", False)),
        write_through=through,
    )


class _TolerantFile(io.FileIO):
    """A file that takes whatever is written and keeps the error of what the system did not take."""

    error: OSError | None = None

    def write(self, data: Any, /) -> int:
        try:
            while (written := super().write(data)) is None:  # another program has made it non-blocking, and it is full
                select.select([], [self], [])
        except OSError as error:
            self.error = self.error or error
            return memoryview(data).nbytes
        return written
