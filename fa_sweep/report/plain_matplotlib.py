"""Import matplotlib even if the user's configuration of it is broken.

Import this module before any other that imports matplotlib. The environment variable MPLBACKEND may name a backend that is not
installed here (notebooks set it for the programs that they start). Matplotlib also reads the file `matplotlibrc` in the working
folder, if there is one. Either may make the import fail. A report needs neither, so matplotlib is then imported without them.
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
    logger.setLevel(logging.CRITICAL)  # silence the warning about each line of matplotlibrc that matplotlib does not know
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
        with chdir(folder / "mpl-data"):  # the matplotlibrc of the working folder is used: in this folder, matplotlib's own
            importlib.import_module("matplotlib")
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend


_import()
