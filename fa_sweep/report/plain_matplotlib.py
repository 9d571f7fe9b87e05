"""Import matplotlib even if the user's configuration of it is broken.

Import this module before any other that imports matplotlib. The environment variable MPLBACKEND may name a backend that is not
installed here (notebooks set it for the programs that they start), and matplotlib reads a file `matplotlibrc` in the working
folder first. Either may make the import of matplotlib fail. A report needs neither.
"""

import importlib.util
import logging
import os
import sys
from contextlib import chdir
from pathlib import Path


def _import() -> None:
    """Import matplotlib with the user's configuration, or with its own defaults if that fails."""
    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # it warns of each line of matplotlibrc that it does not know
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
        with chdir(folder / "mpl-data"):  # matplotlib prefers the matplotlibrc in the working folder: here, its own
            importlib.import_module("matplotlib")
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend


_import()
