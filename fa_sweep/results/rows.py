"""Every run of the ledger as one row: its sweep, settings, outcome, events and final metrics."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from fa_sweep.errors import ConfigError, Unreadable
from fa_sweep.process.notices import say_once
from fa_sweep.results.query import Query, parse
from fa_sweep.settings.identity import run_settings
from fa_sweep.sweeping.folder import OUTPUTS, Sweep, all_sweeps
from fa_sweep.sweeping.jobs import Job
from fa_sweep.sweeping.ledger import finished, run_events
from fa_sweep.sweeping.shards import Record

CHANCE = "chance_deg/"


def runs(query: str | Query = "", sweeps: Iterable[Sweep] | None = None, outputs: Path = OUTPUTS) -> list[dict[str, Any]]:
    """Return one row per finished run that a query selects.

    A run that several sweeps have is one row; its sweep is the oldest. Runs that are judged by two criteria are two rows.

    Args:
        query: The query (see `fa_sweep.results.query`); "" for all runs.
        sweeps: The sweeps to look in; by default all sweeps and single runs of the ledger.
        outputs: The folder of the ledger.

    Raises:
        ConfigError: The query cannot be read, or has a name that no run has.
    """
    return selected(query, sweeps, outputs)[0]


def selected(
    query: str | Query = "", sweeps: Iterable[Sweep] | None = None, outputs: Path = OUTPUTS
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return what `runs` returns, and the names of all columns that any run has."""
    parsed = parse(query) if isinstance(query, str) and query.strip() else None if isinstance(query, str) else query
    rows = _rows(all_sweeps(outputs) if sweeps is None else sweeps, outputs)
    found, known = [], dict[str, None]()
    for row in rows:
        known |= dict.fromkeys(row)
        if parsed is None or parsed.selects(row):
            found.append(row)
    if parsed is not None and known:
        parsed.check_names(known)
    return found, list(known)


def _rows(sweeps: Iterable[Sweep], outputs: Path) -> Iterator[dict[str, Any]]:
    seen: set[str] = set()
    for sweep in sweeps:
        try:
            jobs = [job for job in sweep.jobs if job.id not in seen]
            seen |= {job.id for job in jobs}
            records = sweep.records(outputs, quiet=True)
            about = {"sweep": sweep.id, "sweep_name": sweep.labels.name, "tags": list(sweep.labels.tags)}
            rows = [(job.number, about | _row(job, record)) for job, record in finished(jobs, records)]
        except (Unreadable, ConfigError) as error:
            say_once(f"{error}; the runs of {sweep.id} are left out")
            continue
        yield from (row for _, row in sorted(rows, key=lambda pair: pair[0]))


def _row(job: Job, record: Record) -> dict[str, Any]:
    events = run_events(job, record)
    final = {f"final.{name}": float(values[-1]) for name, values in record.metrics.items() if not name.startswith(CHANCE)}
    return {
        "name": job.name,
        "group": job.group,
        **vars(events),
        "outcome": events.outcome.value,
        **run_settings(job.run),
        **final,
        "last_step": int(record.steps[-1]),
        "reused": job.reused,
        "run_id": job.run_id,
        "reproduce": job.reproduce,
    }
