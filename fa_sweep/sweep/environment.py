"""What the numbers were computed with: versions, processor, code."""

import os
import platform
import subprocess
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info

from fa_sweep import __version__
from fa_sweep.settings.identity import NUMERICS_VERSION

# What another value of may change the last bits of a run's numbers: of products, of tanh, exp, log and arccos.
DECIDES_BITS = ("numerics", "numpy", "blas", "simd", "libc")


def differences(one: Mapping[str, str], other: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return what two environments differ in that may change bits, with both values; what either does not say is left out."""
    both = [name for name in DECIDES_BITS if name in one and name in other]
    return {name: (one[name], other[name]) for name in both if one[name] != other[name]}


@cache
def environment() -> dict[str, str]:
    """Return versions, BLAS and its core type, NumPy's SIMD level, platform, and the code's git commit.

    The same settings give the same bits wherever the values named in `DECIDES_BITS` are equal. Another BLAS kernel, another
    SIMD level or another version of NumPy may round otherwise.
    """
    loaded = [library for library in threadpool_info() if library["user_api"] == "blas"]
    # SciPy brings a library of its own: it is there only where SciPy is imported, and computes none of our numbers.
    numpys = [library for library in loaded if "numpy" in Path(library["filepath"]).parent.name] or loaded
    blas = [f"{i['internal_api']} {i['version']} {i.get('architecture', '?')}" for i in numpys]
    simd = np.show_config(mode="dicts").get("SIMD Extensions", {})
    return {
        "fa_sweep": __version__,
        "numerics": str(NUMERICS_VERSION),
        "python": platform.python_version(),
        **{name: _version(name) for name in ("numpy", "hydra-core", "mlflow", "pyarrow")},
        "blas": ", ".join(sorted(set(blas))) or "none",
        "simd": " ".join([*simd.get("baseline", []), *simd.get("found", [])]),
        "libc": "-".join(platform.libc_ver()),
        "platform": platform.platform(),
        **git(),
    }


def git() -> dict[str, str]:
    """Return commit and dirty flag of the checkout that this code runs from; "none" for an installed package."""
    folder = Path(__file__).resolve().parent.parent  # of the package
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None or _git(folder, "ls-files", "--error-unmatch", __file__) is None:
        return {"git_commit": "none", "git_dirty": "unknown"}
    program = [str(folder), *(str(folder.parent / name) for name in ("hydra_plugins", "conf"))]
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    added = _git(folder, "status", "--porcelain", "--untracked-files=all", "--", *program)  # a mode's file, say
    changes = None if changes is None or added is None else changes + added
    return {"git_commit": commit, "git_dirty": "unknown" if changes is None else str(bool(changes)).lower()}


def _git(folder: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(folder), *arguments]
    # In a hook, and under `git rebase --exec`, GIT_DIR and its like speak of another repository.
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True, env=variables)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"
