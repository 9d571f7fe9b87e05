"""`python -m analysis`: the same as `python -m fa_sweep report`, for those who work in a checkout."""

import sys

from fa_sweep.__main__ import command

if __name__ == "__main__":
    sys.exit(command(["report", *sys.argv[1:]]))
