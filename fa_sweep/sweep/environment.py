"""What the numbers were computed with: versions, processor, code."""

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info

from fa_sweep import __version__
from fa_sweep.training import NUMERICS_VERSION


@cache
def environment() -> dict[str, str]:
    """Return versions, BLAS and its core type, NumPy's SIMD level, platform, and the code's git commit.

    The same config gives the same bits on one machine type; across processors tanh, exp, arccos and BLAS may differ.
    """
    blas = [
        f"{i['internal_api']} {i['version']} {i.get('architecture', '?')}" for i in threadpool_info() if i["user_api"] == "blas"
    ]
    simd = np.show_config(mode="dicts").get("SIMD Extensions", {})
    return {
        "fa_sweep": __version__,
        "numerics": str(NUMERICS_VERSION),
        "python": platform.python_version(),
        **{name: _version(name) for name in ("numpy", "hydra-core", "mlflow", "pyarrow")},
        "blas": ", ".join(sorted(set(blas))) or "none",
        "simd": " ".join([*simd.get("baseline", []), *simd.get("found", [])]),
        "platform": platform.platform(),
        **git(),
    }


def git() -> dict[str, str]:
    """Return commit and dirty flag of the checkout that this code runs from; "none" for an installed package."""
    folder = Path(__file__).resolve().parent
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None or _git(folder, "ls-files", "--error-unmatch", __file__) is None:
        return {"git_commit": "none", "git_dirty": "unknown"}
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
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
