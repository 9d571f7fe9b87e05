"""Imports matplotlib whatever its user's configuration says. To be imported before anything that imports matplotlib.

MPLBACKEND may name a backend that is not installed here (a notebook sets it for the programs that it starts), and a file
`matplotlibrc` in the working folder is read before any other. Either may make matplotlib's import fail; a report needs neither.
"""

import importlib.util
import logging
import os
import sys
from contextlib import chdir
from pathlib import Path


def _import() -> None:
    """Import matplotlib as its user has it; where that fails, as it was installed."""
    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # it complains about each line that it does not know
    try:
        importlib.import_module("matplotlib")
    except Exception:
        for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
            del sys.modules[name]
        _import_as_installed()
    finally:
        logger.setLevel(level)


def _import_as_installed() -> None:
    backend = os.environ.pop("MPLBACKEND", None)
    spec = importlib.util.find_spec("matplotlib")
    folder = Path(spec.origin).parent if spec is not None and spec.origin else Path()
    try:
        with chdir(folder / "mpl-data"):  # its own matplotlibrc lies there, and the working folder's comes first
            importlib.import_module("matplotlib")
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend


_import()
