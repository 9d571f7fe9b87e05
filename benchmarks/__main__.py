"""`make bench`: time fa_sweep and other ways to do the same work side by side, and print ratios. Not part of the tests.

Shared machines are noisy. fa_sweep and the other way are therefore timed in turn, several times. The median of the ratios is
the result.
"""

import argparse
import os
from pathlib import Path


def main() -> None:
    """Run the chosen parts (all by default), and print each result as soon as it is known."""
    # Imported here, because training processes import this file too and do not need these modules.
    from benchmarks import engines, items, page, sweeps

    parts = {
        "main": (sweeps.against_others,),
        "size": (sweeps.by_size,),
        "start": (sweeps.starts,),
        "composition": (items.composition,),
        "engine": (engines.narrow, engines.against_others, sweeps.processes, engines.wide, engines.estimates),
        "tracking": (items.tracking,),
        "report": (sweeps.reports,),
    }
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of {', '.join(parts)} (default: all)")
    parser.add_argument("--rounds", type=int, default=3, help="pairs of each comparison (default: 3)")
    parser.add_argument("--out", type=Path, help="also write RESULTS.md and RESULTS.png there")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(parts):
        parser.error(f"no part {', '.join(sorted(unknown))}; choose from {', '.join(parts)}")
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    print(page.machine(), flush=True)
    print(f"{'ratio':>20}  what: fa_sweep; the other  [target]", flush=True)
    rows = []
    for name, functions in parts.items():
        if not options.parts or name in options.parts:
            for function in functions:
                for row in function(options.rounds):
                    rows.append(row)
                    print(row.line(), flush=True)
    if options.out:
        page.write(rows, options.out)


if __name__ == "__main__":
    main()
