"""Import a sweep's ledger into MLflow: one parent run a sweep, one child a run. Idempotent: what is there stays.

Called by the launching process alone, after the ledger has everything.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from fa_sweep.checks import ConfigError
from fa_sweep.schema import TrackingConfig
from fa_sweep.sweep.folder import OUTPUTS, Sweep
from fa_sweep.sweep.ledger import finished
from fa_sweep.sweep.shards import Record
from fa_sweep.sweep.storage import Unreadable
from fa_sweep.tasks import make_task
from fa_sweep.tracking.content import (
    HISTORIES,
    HISTORY_TAG,
    DatasetContent,
    Kept,
    RunContent,
    chosen_history,
    job_content,
    settings_csv,
    sweep_content,
)
from fa_sweep.tracking.stores import Store, StoreClosed, StoredRun, TrackingError, open_store


@dataclass(frozen=True)
class Imported:
    """What an import did: the parent (or single) run, how many runs it made, and whether all had been there before."""

    run_id: str
    created: int
    found_complete: bool


def import_sweep(sweep: Sweep, outputs: Path = OUTPUTS, records: Mapping[str, Record] | None = None) -> Imported:
    """Bring a sweep into the store that its record names. Raises TrackingError; calling again goes on from there.

    `records`: its finished runs, where the caller has read them already.
    """
    tracking = _tracking(sweep)
    with reported():
        known = sweep.records(outputs) if records is None else records
        store = _open(tracking, outputs)
        kept = Kept(tracking.metrics, chosen_history(tracking.history, sweep.jobs, tracking.metrics)[0])
        result = _import_single(store, sweep, known, kept) if sweep.record.single else _import(store, sweep, known, kept)
        sweep.mark_tracked(asdict(result))
    return result


def import_left_over(sweeps: Iterable[Sweep]) -> Iterator[tuple[Sweep, Imported | TrackingError]]:
    """Import those sweeps that earlier commands could not, and yield what became of each.

    One that runs, or that another command is importing, is left alone. A store that cannot be opened is asked once: each try
    may take a time-out.
    """
    closed: dict[tuple[str, str], TrackingError] = {}
    for sweep in sweeps:
        if sweep.tracked:
            continue
        with sweep.claimed() as free:
            if not free or sweep.tracked:
                continue
            try:
                with reported():
                    tracking = _tracking(sweep)
                place = tracking.uri, tracking.experiment
                if place in closed:
                    raise closed[place]
                yield sweep, import_sweep(sweep)
            except TrackingError as error:
                if isinstance(error, StoreClosed):
                    closed[place] = error
                yield sweep, error
            except (ConfigError, Unreadable) as error:  # it may need a piece that is no longer installed
                yield sweep, TrackingError(str(error))


def attach_report(sweep: Sweep, folder: Path, curves: Sequence[tuple[str, float, int]], outputs: Path = OUTPUTS) -> None:
    """Log a report's folder and curves of groups, (name, value, step) each, on the run that MLflow has of a sweep.

    Raises TrackingError.
    """
    with reported():
        store, run_id = _open(_tracking(sweep), outputs), sweep.tracked["run_id"]
        for part, pattern in (("", "report.*"), ("/figures", "*"), ("/tables", "*")):
            for path in sorted((folder / part.lstrip("/")).glob(pattern)):
                store.add_file(run_id, path, f"report{part}")
        store.log_points(run_id, curves)


@contextmanager
def reported() -> Iterator[None]:
    """Turn whatever a store, a driver or a network can raise into a TrackingError of one line: the ledger has it all."""
    try:
        yield
    except (TrackingError, ConfigError):
        raise
    except Exception as error:
        raise TrackingError(_one_line(error)) from error


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())[:300]
    return text if isinstance(error, TrackingError) else f"{type(error).__name__}: {text}"


def _tracking(sweep: Sweep) -> TrackingConfig:
    return sweep.record.tracking


def _open(tracking: TrackingConfig, outputs: Path) -> Store:
    folder = re.sub(r"[^\w.-]+", "_", tracking.experiment).strip("._") or "experiment"
    try:
        return open_store(tracking.uri, tracking.experiment, outputs / "artifacts" / folder)
    except Exception as error:
        raise StoreClosed(_one_line(error)) from error


def _import_single(store: Store, sweep: Sweep, records: Mapping[str, Record], kept: Kept) -> Imported:
    (job,) = sweep.jobs
    there = [run for run in store.find({"fa_sweep.job_id": job.id}) if run.status == "FINISHED"]
    if there:
        return Imported(there[0].run_id, 0, found_complete=True)
    made = store.add(_children(sweep, records, kept), None)
    return Imported(made[0] if made else "", len(made), found_complete=False)


def _import(store: Store, sweep: Sweep, records: Mapping[str, Record], kept: Kept) -> Imported:
    same = store.find({"fa_sweep.sweep_hash": sweep.hash, "fa_sweep.complete": "true"})
    if complete := [parent for parent in same if _as_full(parent, kept)]:
        return Imported(complete[0].run_id, 0, found_complete=True)
    content = sweep_content(sweep, records, kept.history)
    parent = _parent(store, sweep, content)
    last = content.ended_at_ms

    def children() -> Iterator[RunContent]:
        nonlocal last
        for child in _children(sweep, records, kept):
            last = max(last, child.ended_at_ms)
            yield child

    created = store.add(children(), parent)
    ended = replace(content, ended_at_ms=last)
    store.end(parent, ended, {"fa_sweep.complete": "true"} if content.status == "FINISHED" else {})
    return Imported(parent, len(created), found_complete=False)


def _as_full(parent: StoredRun, kept: Kept) -> bool:
    """Whether a sweep that is there has histories at least as full as those to come."""
    return HISTORIES.index(parent.tags.get(HISTORY_TAG, "full")) <= HISTORIES.index(kept.history)


def _parent(store: Store, sweep: Sweep, content: RunContent) -> str:
    """Find the parent that an interrupted import began, or make one."""
    if begun := store.find({"fa_sweep.sweep": sweep.id, "fa_sweep.kind": "sweep"}):
        return begun[0].run_id
    run_id = store.begin(content)
    store.write_text(run_id, settings_csv(sweep.jobs), "configs.csv")
    store.log_datasets(run_id, _datasets(sweep))
    return run_id


def _datasets(sweep: Sweep) -> list[DatasetContent]:
    datasets = {}
    for settings in {repr(job.run.task): job.run.task for job in sweep.jobs}.values():
        try:
            task = make_task(settings)
        except ConfigError:
            continue  # its file has changed or gone since the runs were trained: there is nothing true to say of it
        sizes = {"evaluation": len(task.evaluation.inputs)}
        if task.training is not None:
            sizes["training"] = len(task.training.inputs)
        source = json.dumps({"fa_sweep.task": asdict(settings)})
        datasets[task.digest] = DatasetContent(settings.name, task.digest, source, json.dumps(sizes))
    return list(datasets.values())


def _children(sweep: Sweep, records: Mapping[str, Record], kept: Kept) -> Iterator[RunContent]:
    """Yield the runs that ended, one at a time: ten thousand at once would take a gigabyte."""
    for job, record in finished(sweep.jobs, records):
        yield job_content(job, sweep, record, kept)
    failures = sweep.failures
    for job in sweep.jobs:
        if job.run_id in failures and job.run_id not in records:
            yield job_content(job, sweep, None, kept)
