"""Measure what choosing settings on the seeds of the test costs, and that choosing on other seeds costs nothing.

The landscape is planted: two feedback modes whose runs take equally long to converge with all of their settings. One mode has a
single setting, the other one has many to choose from. Any difference that a test finds is an error.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from fa_sweep.cli.own_conf import compose
from fa_sweep.decisions.choice import choices
from fa_sweep.report.hypotheses import wilcoxon
from fa_sweep.sweeping.jobs import Job
from fa_sweep.sweeping.shards import Record

STEPS = np.arange(51) * 100
TUNED, REFERENCE = "random", "symmetric"


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
            wilcoxon(ours - theirs, (name, str(sweep))).p <= 0.05
            for name, (ours, theirs) in (("same seeds", seen), ("fresh seeds", fresh))
        )
