"""`python -m fa_sweep doctor`: check every file of the ledger in this folder, and print each fault with its remedy."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from fa_sweep.checks import shown
from fa_sweep.errors import Unreadable
from fa_sweep.process.secrets import redacted_output
from fa_sweep.sweep.catalogue import Catalogue
from fa_sweep.sweep.environment import DECIDES_BITS, environment
from fa_sweep.sweep.folder import OUTPUTS, Sweep
from fa_sweep.sweep.shards import SHARDS, is_verifiable, read_run_ids


def main(arguments: Sequence[str] = ()) -> int:
    """Check the ledger and print what was found.

    Args:
        arguments: The words after `doctor`. There must be none.

    Returns:
        The exit status: 0 if nothing is wrong, 1 if anything is, 2 if an argument was given.
    """
    if list(arguments) in (["--help"], ["-h"]):
        print("usage: python -m fa_sweep doctor\n")
        print("Checks every file of results in this folder, and says what is wrong and what to do.")
        return 0
    if arguments:
        print(f"fa_sweep: doctor takes no arguments, and was given {shown(arguments[0])}: leave them out", file=sys.stderr)
        return 2
    with redacted_output():
        return _main()


def _main() -> int:
    if not OUTPUTS.is_dir():
        print(f"there is no folder {OUTPUTS} here: run this where the sweeps were run")
        return 0
    found = Catalogue(OUTPUTS)
    shards = [Path(folder, SHARDS, shard.name) for folder, entry in found.entries.items() for shard in entry.shards]
    unverified = sum(not is_verifiable(path) for path in shards)
    print(f"checked {len(found.entries)} sweeps and single runs, with {len(shards)} files of results")
    if unverified:
        print(f"{unverified} shards were written by the first version, which kept no checksum: they are read, but not verified")
    wrong = [*_wrong_with_shards(shards), *_wrong_with_sweeps(found)]
    for line in wrong:
        print(line)
    print("nothing is wrong" if not wrong else f"{len(wrong)} {'thing is' if len(wrong) == 1 else 'things are'} wrong")
    print("numbers computed here depend on: " + ", ".join(f"{name} {environment()[name]}" for name in DECIDES_BITS))
    return 1 if wrong else 0


def _wrong_with_shards(shards: list[Path]) -> Iterator[str]:
    for path in shards:
        try:
            read_run_ids(path)
        except Unreadable as error:
            yield f"{error}; remove this file, and run the command of its sweep again to train its runs"


def _wrong_with_sweeps(found: Catalogue) -> Iterator[str]:
    for folder, entry in found.entries.items():
        sweep = Sweep(Path(folder))
        if entry.fault:
            yield f"{entry.fault}; its shards are used all the same; restore the file, or run the sweep's command again"
            continue
        try:
            _ = sweep.jobs
        except (Unreadable, ValueError) as error:
            yield f"{error}; run the sweep's command again: {sweep.record.command}"
        if not entry.tracked and not sweep.is_running:
            yield f"{sweep.id} is not in MLflow ({entry.uri}); the next command that tracks there imports it"
