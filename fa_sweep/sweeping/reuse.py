"""Decides which runs of the ledger a sweep may reuse, and warns about reused, changed and missing runs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from fa_sweep.sweeping.environment import differences, environment
from fa_sweep.sweeping.folder import Sweep
from fa_sweep.sweeping.jobs import Job
from fa_sweep.sweeping.ledger import Ledger, Records, Usable, finished
from fa_sweep.sweeping.shards import Record


def reusable(resume: str) -> Usable | None:
    """Return the test that a record must pass to be reused, or None if every record may be reused.

    Args:
        resume: the value of the setting `resume`, "true" or "same_environment". With "false" nothing is reused; do not call
            this function then.
    """
    return (lambda record: not differences(record.environment, environment())) if resume == "same_environment" else None


def other_environments(jobs: Sequence[Job], places: Mapping[str, Path]) -> str:
    """Return a warning if reused runs were trained with other libraries or on another kind of processor.

    Args:
        jobs: the jobs of the sweep.
        places: the shard of each reused run, by run id.

    Returns:
        The warning; empty if there is nothing to warn about.
    """
    other: Counter[str] = Counter()
    for _, record in finished({job.run_id: job for job in jobs}.values(), Records(places, jobs)):
        if different := differences(record.environment, environment()):
            other["; ".join(f"{name} was {_short(then)}, is {_short(now)}" for name, (then, now) in different.items())] += 1
    if not other:
        return ""
    return (
        f"{sum(other.values())} of {len(places)} reused runs were computed in another environment "
        f"({other.most_common(1)[0][0]}): their last digits may differ from those that this one computes; "
        "resume=same_environment trains them again"
    )


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:28]}...{text[-28:]}"


def changed_numbers(sweep: Sweep, records: Records, outputs: Path) -> str:
    """Compare the runs that a sweep trained with earlier runs of the same ids. Their results should be equal bit for bit.

    Args:
        sweep: the sweep.
        records: the sweep's finished runs.
        outputs: the folder of all outputs, in which to look for earlier runs.

    Returns:
        An alarm; empty if no results differ.
    """
    trained = {job.run_id: job for job in sweep.jobs if not job.reused and job.run_id in records}
    places = Ledger(outputs, besides=sweep.folder).find(trained.values(), quiet=True)
    earlier = Records(places, trained.values())
    changed = []
    for _, before in finished(trained.values(), earlier):
        now = records[before.run_id]
        if not _equal(before, now):
            changed.append((trained[before.run_id].name, differences(before.environment, now.environment)))
    if not changed:
        return ""
    name, different = changed[0]
    why = (
        "; ".join(f"{key} was {_short(then)}, is {_short(value)}" for key, (then, value) in different.items())
        or "although the recorded environment is the same: a library, a data file or the program must have changed"
    )
    return (
        f"ALARM: {len(changed)} of {len(places)} runs that were trained again have other numbers under the same ids, "
        f"the first is {name} ({why}); this sweep uses the new ones, earlier sweeps keep theirs"
    )


def _equal(one: Record, other: Record) -> bool:
    if one.diverged_at_step != other.diverged_at_step or one.metrics.keys() != other.metrics.keys():
        return False
    return all(np.array_equal(values, other.metrics[name], equal_nan=True) for name, values in one.metrics.items())


def what_is_gone(sweep: Sweep, records: Mapping[str, Record]) -> str:
    """Return a message about missing runs of a sweep: those that are in no shard although they did not fail.

    Args:
        sweep: the sweep.
        records: the sweep's finished runs.

    Returns:
        A message with the number of missing runs, the sweeps whose shards should hold them, and the command that trains them.
        Empty if no runs are missing.
    """
    failures = sweep.failures
    absent = [job for job in sweep.jobs if job.run_id not in records and job.run_id not in failures]
    if not absent:
        return ""
    sources = Counter(job.source or sweep.id for job in absent)
    shards = " and ".join(f"{count} in those of {source}" for source, count in sources.most_common(3))
    return (
        f"{len(absent)} of {len(sweep.jobs)} runs of {sweep.id} are missing: they are in no shard (looked for {shards}); "
        f"this trains them: {sweep.record.command}"
    )
