"""`make audit-tuning`: how often a test errs if the settings were chosen on its seeds, and if they were chosen on others.

The landscape is planted: two feedback modes whose runs take equally long to converge with all of their settings. One mode has a
single setting, the other one has many to choose from. Any difference that a test finds is an error.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np

from fa_sweep.cli.own_conf import compose
from fa_sweep.decisions.choice import choices
from fa_sweep.report import hypotheses
from fa_sweep.sweeping.jobs import Job
from fa_sweep.sweeping.shards import Record
from torture import page

STEPS = np.arange(51) * 100
TUNED, REFERENCE = "random", "symmetric"
CANDIDATES, SEEDS = (1, 2, 5, 10, 30), 20


def planted(candidates: int, seeds: int) -> list[Job]:
    """Return the jobs of a sweep: one setting of the reference, and so many of the tuned mode."""
    jobs: list[Job] = []
    for mode, rates in ((REFERENCE, [1]), (TUNED, range(1, candidates + 1))):
        run = compose(f"feedback={mode}")
        for rate in rates:
            for seed in range(seeds):
                name = f"{mode}/{rate}/{seed}"
                levels = {"feedback": mode, "train.lr": rate}
                jobs.append(Job(len(jobs), name, name, name, replace(run, seed=seed), levels, (), (2, 10, 10, 1), "binary"))
    return jobs


def _record(run_id: str, time: float) -> Record:
    success = (time <= STEPS).astype(float)
    return Record(run_id, STEPS, {"accuracy": success, "loss": 1 - success}, -1, 0, 0.0, {})


def errors(sweeps: int, candidates: int, seeds: int, seed: int = 0) -> Iterator[tuple[bool, bool]]:
    """Yield, for each of many sweeps, whether a test on the tuning seeds errs, and whether one on fresh seeds does.

    Args:
        sweeps: The number of simulated sweeps.
        candidates: The number of settings from which the tuned mode chooses.
        seeds: The number of tuning seeds, and of fresh seeds.
        seed: Decides the simulated times.
    """
    generator, jobs = np.random.default_rng(seed), planted(candidates, seeds)
    for sweep in range(sweeps):
        times = 100.0 * generator.integers(1, 46, len(jobs))
        records = {job.run_id: _record(job.run_id, time) for job, time in zip(jobs, times, strict=True)}
        best = {dict(one.best.key)["feedback"]: one.best.group for one in choices(jobs, records, ["feedback"], "converged")}
        seen = [times[[job.group == best[mode] for job in jobs]] for mode in (TUNED, REFERENCE)]
        fresh = [100.0 * generator.integers(1, 46, seeds) for _ in range(2)]
        yield tuple(  # type: ignore[misc]
            hypotheses.wilcoxon(ours - theirs, (name, str(sweep))).p <= 0.05
            for name, (ours, theirs) in (("same seeds", seen), ("fresh seeds", fresh))
        )


def table(sweeps: int) -> str:
    """Return the table of the page: the rates of errors for several numbers of settings to choose from."""
    lines = [
        f"{sweeps:,} simulated sweeps in each row, with {SEEDS} tuning seeds and {SEEDS} fresh seeds:",
        "",
        "| settings to choose from | tested on the same seeds | tested on fresh seeds |",
        "| --- | ---: | ---: |",
    ]
    for candidates in CANDIDATES:
        naive, honest = np.mean(list(errors(sweeps, candidates, SEEDS)), axis=0)
        lines.append(f"| {candidates} | {100 * naive:.1f} % | {100 * honest:.1f} % |")
    return "\n".join(lines)


def main() -> None:
    """Run the audit, and put the table into a page if the command line names one."""
    parser = argparse.ArgumentParser("python -m benchmarks.audit_tuning", description=__doc__)
    parser.add_argument("--sweeps", type=int, default=1000, help="simulated sweeps in each row (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="a Markdown page to put the table into")
    options = parser.parse_args()
    with patch.object(hypotheses, "RESAMPLES", 999):
        text = table(options.sweeps)
    print(text)
    if options.out:
        page.write(text, options.out, "audit-tuning")


if __name__ == "__main__":
    main()
