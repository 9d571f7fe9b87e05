"""`python -m fa_sweep`, and the command `fa-sweep`.

The processes that train import this file too, and need nothing of Hydra's: hence the imports where they are used.
"""

import gc
import sys

# Importing a thousand modules makes hundreds of thousands of objects that stay. Looking for garbage less often, and
# never among them, saves 2 to 3 % of a command's time.
_GARBAGE_COLLECTION = (10_000, 20, 20)


def command() -> int:
    """Run the command in a process of its own; returns the exit status."""
    try:
        from fa_sweep.signals import finished, take_over
    except KeyboardInterrupt:
        print("fa_sweep: interrupted; nothing was begun", file=sys.stderr)
        return 130
    take_over("fa_sweep")
    gc.set_threshold(*_GARBAGE_COLLECTION)

    from fa_sweep.surroundings import final_status, settle

    settle()

    from fa_sweep.entry import main

    gc.freeze()
    try:
        status = main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0
    return finished(final_status(status, "fa_sweep"))


if __name__ == "__main__":
    sys.exit(command())
