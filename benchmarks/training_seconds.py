"""Runs a command line of fa_sweep, and prints how long it trained.

The time begins when the jobs are composed, and ends when the last shard is in the ledger.
"""

import sys
import time
from typing import Any


def main() -> int:
    """Run fa_sweep with this process's arguments, and print the training time."""
    from fa_sweep.cli import application  # imported here, because training processes import this file too and do not need it
    from fa_sweep.cli.entry import main as fa_sweep

    train_all = application.train_all

    def timed(*arguments: Any, **named: Any) -> None:
        started = time.perf_counter()
        train_all(*arguments, **named)
        print(f"\ntrained for {time.perf_counter() - started:.4f} s")

    application.train_all = timed
    return fa_sweep()


if __name__ == "__main__":
    sys.exit(main())
