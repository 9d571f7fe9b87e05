"""Describes the environment in which runs are trained: versions of libraries, the processor, and the code."""

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

# If one of these differs, the last bits of matrix products, tanh, exp, log and arccos may differ, and so may a run's results.
DECIDES_BITS = ("numerics", "numpy", "blas", "simd", "libc")


def differences(one: Mapping[str, str], other: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return the differences between two environments that may change the last bits of a run's results.

    Returns:
        A pair of the two values, by the name of the entry. Entries that one of the environments lacks are left out.
    """
    both = [name for name in DECIDES_BITS if name in one and name in other]
    return {name: (one[name], other[name]) for name in both if one[name] != other[name]}


@cache
def environment() -> dict[str, str]:
    """Return this process's environment: versions, BLAS and its core type, NumPy's SIMD level, platform, and git commit.

    The same settings give the same bits in two environments if the entries named in `DECIDES_BITS` are equal. Another BLAS
    kernel, SIMD level or version of NumPy may round differently.
    """
    loaded = [library for library in threadpool_info() if library["user_api"] == "blas"]
    # If SciPy is imported, it loads a BLAS of its own. No run is trained with that one, so only NumPy's is recorded.
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
    """Return the commit of the checkout that this code runs from, and whether it has uncommitted changes.

    Returns:
        `git_commit`: the commit, or "none" for an installed package. `git_dirty`: "true", "false" or "unknown". Files that git
        does not track count as changes only if they lie in the folders of the program (this package, `hydra_plugins`, `conf`).
    """
    folder = Path(__file__).resolve().parent.parent  # the package's folder
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None or _git(folder, "ls-files", "--error-unmatch", __file__) is None:
        return {"git_commit": "none", "git_dirty": "unknown"}
    program = [str(folder), *(str(folder.parent / name) for name in ("hydra_plugins", "conf"))]
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    added = _git(folder, "status", "--porcelain", "--untracked-files=all", "--", *program)  # for example the file of a new mode
    changes = None if changes is None or added is None else changes + added
    return {"git_commit": commit, "git_dirty": "unknown" if changes is None else str(bool(changes)).lower()}


def uncommitted() -> bytes:
    """Return the uncommitted changes of the checkout that this code runs from, as a patch for `git apply`.

    Returns:
        The changes of tracked files, and the new files in the folders of the program. Empty if there are none, or no checkout.
    """
    if git()["git_dirty"] != "true":
        return b""
    root = Path(__file__).resolve().parents[2]
    new = _git(root, "ls-files", "--others", "--exclude-standard", "--", "fa_sweep", "hydra_plugins", "conf") or ""
    plain = ["git", "-C", str(root), "diff", "--binary", "--no-color", "--no-ext-diff"]
    patches = [subprocess.run([*plain, "HEAD"], capture_output=True, timeout=60, check=False).stdout]
    for name in new.splitlines():  # its status is 1, because the files differ
        done = subprocess.run([*plain, "--no-index", "/dev/null", name], capture_output=True, timeout=60, check=False)
        patches.append(done.stdout)
    return b"".join(patches)


def _git(folder: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(folder), *arguments]
    # In a hook and under `git rebase --exec`, GIT_DIR and similar variables point to another repository.
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
