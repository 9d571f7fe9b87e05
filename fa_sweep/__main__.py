"""`python -m fa_sweep`, and the command `fa-sweep`.

A first word without "=" is a verb, such as `report`; without one, the command trains a run or a sweep. The processes that train
import this file too and need none of the command line: hence the imports inside the functions.
"""

import gc
import sys
from collections.abc import Sequence
from importlib import import_module

from fa_sweep import __version__

# Each verb's module, whose main(arguments) returns the exit status, and what an interrupted user is told.
VERBS = {
    "report": ("fa_sweep.cli.report", "the same command writes the report anew"),
    "doctor": ("fa_sweep.cli.doctor", "nothing was changed"),
}
# Importing a thousand modules makes hundreds of thousands of objects that stay. Looking for garbage less often, and never
# among them, saves 2 to 3 % of a command's time.
_GARBAGE_COLLECTION = (10_000, 20, 20)


def command(arguments: Sequence[str] | None = None) -> int:
    """Run one command in a process of its own.

    Args:
        arguments: the words after the program's name; by default those of this process.

    Returns:
        The exit status.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words == ["--version"]:  # Hydra would tell its own
        print(f"fa_sweep {__version__}")
        return 0
    try:
        from fa_sweep.process.signals import finished, meanwhile, take_over
    except KeyboardInterrupt:
        print("fa_sweep: interrupted; nothing was begun", file=sys.stderr)
        return 130
    take_over("fa_sweep")
    gc.set_threshold(*_GARBAGE_COLLECTION)

    from fa_sweep.process.surroundings import final_status, settle

    settle()
    verb = words[0] if words and words[0] in VERBS else ""
    if verb:
        module, said = VERBS[verb]
        meanwhile(said)
        main = import_module(module).main
        words = words[1:]
    else:
        main = import_module("fa_sweep.cli.entry").main
    gc.freeze()
    try:
        status = main(words)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0
    return finished(final_status(status, "fa_sweep"))


if __name__ == "__main__":
    sys.exit(command())
