"""`make manifest`: check that no run's results have changed, then list the sources that determine them.

A broad set of runs is trained twice: with the sources of the commit that last wrote the manifest, and with the working tree.
Every metric and every weight must be equal, bit for bit. The only exceptions are runs whose ids have changed, because
`NUMERICS_VERSION` or the version of their feedback mode or optimiser was raised (`fa_sweep.settings.identity.numerics_of`).
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.run_hashes import REFUSED
from fa_sweep.feedback import MODES
from fa_sweep.settings import sources
from fa_sweep.tasks import TASKS

ROOT = sources.FOLDER.parent
HASHES = [sys.executable, str(ROOT / "benchmarks/run_hashes.py")]


def listed() -> dict[str, sources.Listed]:
    """Return the manifest of the working tree, by module name.

    It lists the two engines, all feedback modes and tasks that are part of fa_sweep, and all modules of fa_sweep that these
    import, directly or not. Modules in `sources.INDIFFERENT`, which change no number, are left out.
    """
    found: dict[str, sources.Listed] = {}
    pieces = [table.module(name) for table in (MODES, TASKS) for name in table if name not in table.foreign]
    waiting = [sources.ENGINE, sources.COMPILED, *pieces]
    while waiting:
        name = waiting.pop()
        path = sources.source_of(name)
        if name in found or name in sources.INDIFFERENT or path is None or not path.resolve().is_relative_to(sources.FOLDER):
            continue
        sha, imports = sources.described(path, name)
        found[name] = {"sha256": sha, "imports": [i for i in imports if i.partition(".")[0] == sources.PACKAGE]}
        waiting += imports
    return dict(sorted(found.items()))


# A hash of all results of an entry's two runs, and the versions of the numerics that are part of their ids.
Hash = tuple[str, dict[str, int]]


def hashes_of(tree: Path) -> dict[str, Hash]:
    """Return the hashes of the broad set of runs, trained with the sources of one tree.

    Args:
        tree: the folder of a checkout. The set of runs is always that of the working tree.

    Returns:
        The hash of each entry of the set, by the entry's overrides.

    Raises:
        subprocess.CalledProcessError: if the training fails.
    """
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    done = subprocess.run(HASHES, cwd=tree, env=environment, capture_output=True, text=True, check=True)
    hashes: dict[str, Hash] = json.loads(done.stdout)
    return hashes


def compared(before: Mapping[str, Hash], now: Mapping[str, Hash]) -> tuple[list[str], list[str], list[str]]:
    """Compare the hashes of two trees.

    Entries that either tree lacks or refuses are left out.

    Args:
        before: the hashes of the older tree.
        now: the hashes of the working tree.

    Returns:
        Three lists of names: the entries with equal results, those whose results and ids both differ, and those whose results
        differ under the same ids.
    """
    equal: list[str] = []
    renamed: list[str] = []
    differing: list[str] = []
    for name in before.keys() & now.keys():
        (was, old), (is_now, new) = before[name], now[name]
        if was.startswith(REFUSED) or is_now.startswith(REFUSED):
            continue
        found = equal if was == is_now else renamed if old != new else differing
        found.append(name)
    return equal, renamed, sorted(differing)


def main() -> int:
    """Compare the results and write the manifest. If results differ under the same id, return 1 and write nothing."""
    last = subprocess.run(
        ["git", "-C", str(ROOT), "log", "-1", "--format=%H", "--", str(sources.MANIFEST)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    if last:
        with tempfile.TemporaryDirectory() as folder:
            tree = Path(folder) / "tree"
            subprocess.run(["git", "-C", str(ROOT), "worktree", "add", "--quiet", "--detach", str(tree), last], check=True)
            try:
                before, now = hashes_of(tree), hashes_of(ROOT)
            finally:
                subprocess.run(["git", "-C", str(ROOT), "worktree", "remove", "--force", str(tree)], check=True)
        equal, renamed, differing = compared(before, now)
        both = len(equal) + len(renamed) + len(differing)
        if differing:
            print(f"{len(differing)} of {both} runs have other numbers than at {last[:8]}, under the same id: {differing[0]}")
            print("If that is meant, raise `numerics` of the piece or NUMERICS_VERSION; say so in the changelog.")
            return 1
        print(f"{len(equal)} of {both} runs have the numbers that they had at {last[:8]}, {len(renamed)} others and other ids.")
    sources.MANIFEST.write_text(json.dumps(listed(), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
