"""`make manifest`: list the sources that decide numbers, once it is proved that the numbers are those of the last list.

A broad set of runs is trained by the commit that wrote the manifest last, and by the working tree. Every metric and every
weight has to be equal, bit for bit, unless the numerics version has been raised.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.run_hashes import REFUSED
from fa_sweep import sources
from fa_sweep.feedback import MODES
from fa_sweep.tasks import TASKS
from fa_sweep.training import NUMERICS_VERSION

ROOT = sources.FOLDER.parent
HASHES = [sys.executable, str(ROOT / "benchmarks/run_hashes.py")]


def listed() -> dict[str, sources.Listed]:
    """Return the manifest of the working tree: the closure of imports of the engine, of every mode and of every task."""
    found: dict[str, sources.Listed] = {}
    pieces = [table.module(name) for table in (MODES, TASKS) for name in table if name not in table.foreign]
    waiting = [sources.ENGINE, sources.COMPILED, *pieces]
    while waiting:
        name = waiting.pop()
        path = sources._source_of(name)
        if name in found or name in sources.INDIFFERENT or path is None or not path.resolve().is_relative_to(sources.FOLDER):
            continue
        sha, imports = sources.described(path, name)
        found[name] = {"sha256": sha, "imports": [i for i in imports if i.partition(".")[0] == sources.PACKAGE]}
        waiting += imports
    return dict(sorted(found.items()))


def hashes_of(tree: Path) -> dict[str, str]:
    """Return the hash of each run of the broad set, as the program in a tree trains it; the set is the working tree's."""
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    done = subprocess.run(HASHES, cwd=tree, env=environment, capture_output=True, text=True, check=True)
    hashes: dict[str, str] = json.loads(done.stdout)
    return hashes


def main() -> int:
    """Compare and write. Returns 1, and writes nothing, where numbers differ under one numerics version."""
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
        both = [name for name, value in before.items() if not (value + now[name]).count(REFUSED)]
        differing = [name for name in both if now[name] != before[name]]
        if differing and before["numerics"] == str(NUMERICS_VERSION):
            print(f"{len(differing)} of {len(both)} runs have other numbers than at {last[:8]}, the first: {differing[0]}")
            print("Raise NUMERICS_VERSION if that is meant, and say so in the changelog.")
            return 1
        print(f"{len(both) - len(differing)} of {len(both)} runs have the numbers that they had at {last[:8]}.")
    sources.MANIFEST.write_text(json.dumps(listed(), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
