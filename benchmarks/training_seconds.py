"""Run a command line of fa_sweep's, and print how long it trained: from composed jobs to the last shard in the ledger."""

import sys
import time
from typing import Any


def main() -> int:
    """Run the command that the arguments are."""
    from fa_sweep.cli import application  # here, for training processes import this file too
    from fa_sweep.cli.entry import main as fa_sweep

    train_all = application.train_all

    def timed(*arguments: Any) -> None:
        started = time.perf_counter()
        train_all(*arguments)
        print(f"\ntrained for {time.perf_counter() - started:.4f} s")

    application.train_all = timed
    return fa_sweep()


if __name__ == "__main__":
    sys.exit(main())
