"""Shields the command from its environment: variables, warning filters, the umask, and faulty standard streams.

Results never depend on any of these. Only the command calls these functions, in a process of its own, because they change the
state of the whole process.
"""

import errno
import io
import logging
import os
import select
import sys
import warnings
from typing import Any, TextIO

# Variables that Hydra would obey in this command too, although they were set for another program.
_MEANT_FOR_OTHERS = ("HYDRA_MAIN_MODULE", "FB_PAR_MAIN_MODULE", "FB_XAR_MAIN_MODULE")
_LIBRARIES = r"(alembic|distributed|joblib|matplotlib|mlflow|pandas|seaborn|sqlalchemy)\b"
_OF_KILLED_PROCESSES = "ignore:resource_tracker"  # Python's resource tracker warns after cleaning up after killed processes
_OWNER_MAY_ALL = 0o700
_NOBODY_READS = (errno.EPIPE, errno.EIO)  # the reader has gone, as with `| head`, or the terminal was closed


def settle() -> None:
    """Set the umask, environment variables, warnings and standard streams to what the rest of the program relies on."""
    os.umask(os.umask(0) & ~_OWNER_MAY_ALL)  # with a mask of 777 not even the owner could write to new folders
    for name in _MEANT_FOR_OTHERS:
        os.environ.pop(name, None)
    _tolerate_warnings()
    if os.name == "posix":
        sys.stdout = _tolerant(sys.stdout, 1, "replace")
        sys.stderr = _tolerant(sys.stderr, 2, "backslashreplace")


def final_status(status: int, name: str) -> int:
    """Return the exit status of a command, after checking that its standard output was written.

    If output was lost, for example because the disk is full, print a message to the standard error. It is no fault if the
    reader has stopped reading, as `head` does.

    Args:
        status: the exit status so far.
        name: the name of the command. The message begins with it.

    Returns:
        `status`, or 1 if `status` is 0 and output was lost.
    """
    sys.stdout.flush()
    file = getattr(sys.stdout, "buffer", None)
    error = getattr(getattr(file, "raw", file), "error", None)
    if error is None or error.errno in _NOBODY_READS:
        return status
    why = f"the standard output could not be written: {error.strerror}"
    print(f"{name}: {why}; nothing else is lost, free some space before the next command", file=sys.stderr)
    return status or 1


def _tolerate_warnings() -> None:
    """Keep warnings from ending this process and the processes that it starts. Silence the warnings of libraries.

    The user can do nothing about the libraries' warnings, which concern deprecations, a missing folder for matplotlib's cache,
    or `python -OO`.
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
    """Return a stream like the given one whose writes never fail. Characters that it cannot encode are replaced."""
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
    """A file whose writes never fail. Data that cannot be written are dropped, and the first error is kept in `error`."""

    error: OSError | None = None

    def write(self, data: Any, /) -> int:
        try:
            while (written := super().write(data)) is None:  # a full pipe that another program has made non-blocking
                select.select([], [self], [])
        except OSError as error:
            self.error = self.error or error
            return memoryview(data).nbytes
        return written
