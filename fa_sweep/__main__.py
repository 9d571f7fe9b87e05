"""`python -m fa_sweep`."""

import sys

if __name__ == "__main__":
    # Here, for the processes that train import this file too, and need nothing of Hydra's.
    from fa_sweep.entry import main

    sys.exit(main())
