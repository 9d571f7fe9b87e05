"""The command line: `python -m fa_sweep`, which is the command `fa-sweep` too.

If the first word is a verb, such as `report`, that verb's module runs. Otherwise the command trains a run or a sweep. Imports
stand inside the functions, so that the handlers of signals are there before anything else is imported.
"""

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

# Importing a thousand modules creates hundreds of thousands of objects that are never freed. Collecting garbage less often, and
# excluding these objects from it (gc.freeze below), saves 2 to 3 % of a command's time.
_GARBAGE_COLLECTION = (10_000, 20, 20)


def command(arguments: Sequence[str] | None = None) -> int:
    """Run one command in a process of its own.

    Args:
        arguments: the words after the program's name. The default is the arguments of this process.

    Returns:
        The exit status.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        from fa_sweep.process.signals import finished, meanwhile, take_over
    except KeyboardInterrupt:
        print("fa_sweep: interrupted; nothing was begun", file=sys.stderr)
        return 130
    take_over("fa_sweep")
    from fa_sweep import __version__
    from fa_sweep.cli.verbs import VERBS

    if missing := [name for name in ("numpy", "hydra", "omegaconf", "click", "rich", "pyarrow") if find_spec(name) is None]:
        print(f"fa_sweep: {_use_another_interpreter(missing)}", file=sys.stderr)
        return finished(2)
    if "_FA_SWEEP_COMPLETE" in os.environ:
        from fa_sweep.cli.verbs.group import complete

        if complete():
            return finished(0)
    if "--version" in words:  # Hydra would print its own version
        print(f"fa_sweep {__version__}")
        return finished(0)
    gc.set_threshold(*_GARBAGE_COLLECTION)

    from fa_sweep.process.surroundings import final_status, settle

    settle()
    verb = words[0] if words and words[0] in VERBS else ""
    if verb:
        meanwhile(VERBS[verb][1])
        main = import_module("fa_sweep.cli.verbs.group").main
    else:
        main = import_module("fa_sweep.cli.entry").main
    gc.freeze()
    try:
        status = main(words)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0
    return finished(final_status(status, "fa_sweep"))


def _use_another_interpreter(missing: Sequence[str]) -> str:
    """Return what to do if this interpreter lacks packages, because it is not that of the project's environment."""
    places = [os.environ.get("VIRTUAL_ENV", ""), ".venv", os.path.join(os.path.dirname(os.path.dirname(__file__)), ".venv")]
    known = [path for path in (os.path.join(place, "bin", "python") for place in places if place) if os.path.exists(path)]
    remedy = f"use {known[0]} -m fa_sweep" if known else "install it: pip install fa-sweep, or make sweep in a checkout"
    return f"{sys.executable} has no {', '.join(missing)}; {remedy}"


if __name__ == "__main__":
    sys.exit(command())
