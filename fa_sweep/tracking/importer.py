"""Import a sweep from the ledger into MLflow: one parent run per sweep, and below it one run per group and one per run.

The runs stand in other experiments than the sweeps, so that they do not hide them: see `places`.

The process that launched the sweep imports it once all runs are in the ledger. If it does not get that far, a later command
imports the sweep. An import may be repeated: it asks the store which runs are there and adds the missing ones. It does not rely
on what earlier commands noted. Runs that somebody deleted in MLflow stay deleted and are reported.
"""

import json
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from fa_sweep.errors import Busy, ConfigError, TrackingError
from fa_sweep.settings.schema import TrackingConfig
from fa_sweep.sweeping.folder import OUTPUTS, Sweep
from fa_sweep.sweeping.ledger import finished, run_events
from fa_sweep.sweeping.shards import Record
from fa_sweep.tasks import make_task
from fa_sweep.tracking import limits, tagnames
from fa_sweep.tracking.content import (
    HISTORIES,
    OVERLONG,
    DatasetContent,
    HistoryChoice,
    RunContent,
    chosen_history,
    job_content,
    overlong_text,
    settings_csv,
    sweep_content,
)
from fa_sweep.tracking.description import artifact_page, description, runs_page
from fa_sweep.tracking.groups import Groups, wanted_keys
from fa_sweep.tracking.opening import Say, open_for, reported, silent
from fa_sweep.tracking.places import COPIES, PLACES, RUNS, SWEEPS
from fa_sweep.tracking.stores import Store, StoredRun
from fa_sweep.tracking.stores.patience import PASSES
from fa_sweep.tracking.uris import public

LONGEST_WAIT_S = 30.0


@dataclass(frozen=True)
class Imported:
    """The result of an import.

    Attributes:
        run_id: The MLflow id of the sweep's parent run, or of the run itself if the sweep is a single run.
        created: The number of runs that this import added, without the parent.
        found_complete: Whether the store had every run before the import, and none was marked as deleted.
        children: The number of the parent's child runs, without those of groups.
        groups: The number of the parent's runs of groups.
        deleted: The MLflow ids of the runs, children or parent, that somebody deleted in MLflow. They were not added again.
        superseded_by: The id of the sweep that counts instead of this one, because another command imported the same runs at
            the same time; otherwise empty.
        notices: Lines for the user.
    """

    run_id: str
    created: int
    found_complete: bool
    children: int = 0
    groups: int = 0
    deleted: tuple[str, ...] = ()
    superseded_by: str = ""
    notices: tuple[str, ...] = ()


def import_sweep(
    sweep: Sweep,
    tracking: TrackingConfig,
    outputs: Path = OUTPUTS,
    records: Mapping[str, Record] | None = None,
    say: Say = silent,
) -> Imported:
    """Import a sweep into a tracking store and note this in the sweep's folder.

    If an import was interrupted, call this function again; it adds what is missing.

    Args:
        sweep: The sweep.
        tracking: The settings of the store and the experiment. The URI contains the password, if the store needs one.
        outputs: The folder of the ledger.
        records: The sweep's finished runs by run id; by default they are read from the ledger.
        say: Called with a line for the user before each step that takes time.

    Returns:
        What the import added and what it found.

    Raises:
        Busy: If another command is importing the same runs.
        StoreClosed: If the store or the experiment cannot be opened, written or reached.
        TrackingError: If the store could not take the sweep for another reason.
    """
    with reported(tracking.uri):
        known = sweep.records(outputs) if records is None else records
        choice = HistoryChoice(tracking.metrics, chosen_history(tracking.history, sweep.jobs, tracking.metrics)[0])
        store = open_for(tracking, outputs, say)
        try:
            waiting = "waiting for another command that imports the same runs"
            with store.exclusive(sweep.hash, tracking.timeout_s, lambda: say(waiting)) as free:
                if not free:
                    raise Busy("another command is importing the same runs; they will be in MLflow when it is done")
                single = sweep.record.single
                result = (_import_single if single else _import)(store, sweep, known, choice)
        finally:
            store.close()
        result = replace(result, notices=(*store.notices, *result.notices))
        # The runs of groups are children too. If one is lost later, the count shows it.
        noted = {**asdict(result), "children": result.children + result.groups}
        del noted["notices"], noted["groups"]
        sweep.mark_tracked({**noted, "uri": public(tracking.uri), "experiment": tracking.experiment})
    return result


def attach_report(
    sweep: Sweep,
    tracking: TrackingConfig,
    folder: Path,
    findings: Sequence[str],
    outputs: Path = OUTPUTS,
) -> None:
    """Attach a report to the MLflow run of an imported sweep: its files as artifacts, its findings in the description.

    Args:
        sweep: The sweep. It must have been imported.
        tracking: The settings of the store that the sweep was imported into.
        folder: The report's folder, with its figures and tables.
        findings: The report's main results as sentences, the most important first.
        outputs: The folder of the ledger.

    Raises:
        TrackingError: If the store could not take the report.
    """
    with reported(tracking.uri):
        store, run_id = open_for(tracking, outputs), str(sweep.tracked["run_id"])
        try:
            for part, pattern in (("", "report.*"), ("/figures", "*"), ("/tables", "*")):
                for path in sorted((folder / part.lstrip("/")).glob(pattern)):
                    store.add_file(run_id, path, f"report{part}")
            report = next((path.name for path in sorted(folder.glob("report.*"))), "")
            described = _described(store, sweep, sweep.records(outputs, quiet=True), run_id, findings, report)
            store.tag(run_id, tagnames.NOTE, described)
        finally:
            store.close()


def _import_single(store: Store, sweep: Sweep, records: Mapping[str, Record], choice: HistoryChoice) -> Imported:
    (job,) = sweep.jobs
    anew = _is_anew(sweep)
    own = {tagnames.SWEEP: limits.clean(sweep.id)}
    there = [run for run in store.find({tagnames.JOB_ID: job.id, **(own if anew else {})}) if _counts(store, run)]
    ended = [run for run in there if run.status == "FINISHED"]
    if active := [run for run in ended if not run.deleted]:
        found = Imported(active[0].run_id, 0, found_complete=True)
    elif gone := [run for run in ended if tagnames.PARENT not in run.tags]:
        return Imported(gone[0].run_id, 0, found_complete=False, deleted=(gone[0].run_id,))
    else:
        created = _add_children(store, sweep, records, choice, own, Groups(sweep, choice))
        made = store.members(own).get(job.id)
        found = Imported(made.run_id if made else "", created, found_complete=False)
    if anew:
        _supersede(store, store.find({tagnames.JOB_ID: job.id}))
    return found


def _counts(store: Store, run: StoredRun) -> bool:
    """Whether neither a run nor its parent is marked as superseded."""
    if tagnames.SUPERSEDED in run.tags:
        return False
    if tagnames.PARENT not in run.tags:
        return True
    parents = store.find({tagnames.SWEEP: run.tags[tagnames.SWEEP], tagnames.KIND: "sweep"})
    return not any(tagnames.SUPERSEDED in parent.tags for parent in parents if parent.run_id == run.tags[tagnames.PARENT])


def _import(store: Store, sweep: Sweep, records: Mapping[str, Record], choice: HistoryChoice) -> Imported:
    content = sweep_content(sweep, records, choice.history)
    family = {name: content.tags[name] for name in (tagnames.SWEEP_HASH, tagnames.KIND)}
    before = store.find(family)
    parent = _answer(sweep, before, choice)
    if parent is not None and parent.deleted:
        result = Imported(parent.run_id, 0, found_complete=False, deleted=(parent.run_id,))
    elif parent is not None and parent.complete:
        result = _mend(store, sweep, records, choice, parent)
    else:
        result = _add_sweep(store, sweep, records, choice, content)
    return _settle(store, sweep, family, before, result)


def _answer(sweep: Sweep, family: Sequence[StoredRun], choice: HistoryChoice) -> StoredRun | None:
    """Return the parent run that already represents a sweep in the store, or None.

    A complete parent with histories that are full enough takes precedence. The next choice is this sweep's own parent, which an
    interrupted import may have left, and the last one is a parent that is marked as deleted.
    """
    own = [run for run in family if run.tags.get(tagnames.SWEEP) == limits.clean(sweep.id)]
    valid = own if _is_anew(sweep) else [run for run in family if tagnames.SUPERSEDED not in run.tags]
    active = [run for run in valid if not run.deleted]
    complete = [run for run in active if run.complete and _as_full(run, choice)]
    unfinished = [run for run in active if run in own]
    gone = [run for run in valid if run.deleted and (run.complete or run in own)]
    return next(iter([*complete, *unfinished, *gone]), None)


def _is_anew(sweep: Sweep) -> bool:
    return sweep.record.resume == "false"


def _as_full(parent: StoredRun, choice: HistoryChoice) -> bool:
    """Whether the histories of a sweep in the store are at least as full as those that this import would send."""
    return HISTORIES.index(parent.tags.get(tagnames.HISTORY, "full")) <= HISTORIES.index(choice.history)


def _mend(store: Store, sweep: Sweep, records: Mapping[str, Record], choice: HistoryChoice, parent: StoredRun) -> Imported:
    """Add the runs that have disappeared from a complete sweep. Runs that are marked as deleted stay deleted."""
    group = {tagnames.PARENT: parent.run_id}
    there = store.members(group)
    jobs = [job.id for job in sweep.jobs]
    # A version that made no runs of groups left no tag that counts them. Its sweeps stay as they are.
    groups = wanted_keys(sweep, records) if tagnames.GROUPS in parent.tags else []
    lost = [key for key in jobs if key not in there]
    absent = [key for key in groups if key not in there]
    deleted = tuple(there[key].run_id for key in jobs if key in there and there[key].deleted)
    if lost or absent:
        curves = Groups(sweep, choice)
        _add_children(store, sweep, records, choice, group, curves)
        _add_groups(store, curves, absent, group)
    return Imported(
        parent.run_id,
        len(lost),
        found_complete=not lost and not deleted,
        children=len(jobs),
        groups=len(groups),
        deleted=deleted,
    )


def _add_sweep(
    store: Store, sweep: Sweep, records: Mapping[str, Record], choice: HistoryChoice, content: RunContent
) -> Imported:
    """Create a sweep's parent, or continue with an unfinished one, add its children, end it, and mark it as complete."""
    parent = store.begin(content)
    if content.overlong:
        store.write_text(parent, overlong_text(content), OVERLONG)
    group, curves = {tagnames.PARENT: parent}, Groups(sweep, choice)
    created = _add_children(store, sweep, records, choice, group, curves)
    groups = wanted_keys(sweep, records)
    _add_groups(store, curves, groups, group)
    for key, run in store.members({**group, tagnames.KIND: "group"}).items():
        if key not in groups and not run.deleted:
            store.remove(run.run_id)  # from an earlier import, when fewer of the group's runs had finished
    store.write_text(parent, settings_csv(sweep.jobs), "configs.csv")
    store.log_datasets(parent, _datasets(sweep))
    tags = {tagnames.GROUPS: str(len(groups)), tagnames.NOTE: _described(store, sweep, records, parent)}
    ended = replace(content, ended_at_ms=max(content.ended_at_ms, curves.last_ended_at_ms))
    store.end(parent, ended, {**tags, **({tagnames.COMPLETE: "true"} if content.status == "FINISHED" else {})})
    failed = sum(job.run_id in sweep.failures and job.run_id not in records for job in sweep.jobs)
    wanted = sum(job.run_id in records for job in sweep.jobs) + failed
    return Imported(parent, created, found_complete=False, children=wanted, groups=len(groups))


def _add_groups(store: Store, curves: Groups, keys: Sequence[str], group: Mapping[str, str]) -> None:
    """Add the runs of the groups with these keys."""
    if keys:
        store.add(lambda: (content for content in curves.contents() if content.tags[tagnames.JOB_ID] in keys), group)


def _add_children(
    store: Store,
    sweep: Sweep,
    records: Mapping[str, Record],
    choice: HistoryChoice,
    group: Mapping[str, str],
    curves: Groups,
) -> int:
    """Add the runs of a sweep, and return how many were added.

    Two sweeps with a common run must not both put it into the experiment of runs. Imports therefore do this one after the
    other. If another import takes too long, this one goes on, and the worst outcome is that a run is there twice.
    """
    with store.exclusive(RUNS, LONGEST_WAIT_S, lambda: None):
        held = store.held({job.run_id for job in sweep.jobs})
        return store.add(lambda: _children(sweep, records, choice, held, curves), group)


def _described(
    store: Store,
    sweep: Sweep,
    records: Mapping[str, Record],
    parent: str,
    findings: Sequence[str] = (),
    report: str = "",
) -> str:
    """Return the description of a sweep's parent run. What users wrote below it stays."""
    tags = _tags_of(store, sweep, parent)
    ids, of_parent = store.experiment_ids(), {tagnames.PARENT: parent}
    links = [("Report", artifact_page(ids[SWEEPS], parent, f"report/{report}"))] if report else []
    old = tagnames.COMPLETE in tags and tagnames.GROUPS not in tags  # all its runs are beside it, and it has none of groups
    if not old and wanted_keys(sweep, records):
        links.append(("Curves of the groups", runs_page([ids[SWEEPS]], of_parent, charts=True)))
    places = PLACES if old else (RUNS, COPIES)
    links.append(("Single runs", runs_page([ids[place] for place in places if place in ids], of_parent)))
    return description(tags, sweep, records, links, findings)


def _tags_of(store: Store, sweep: Sweep, parent: str) -> Mapping[str, str]:
    """Return the tags of the parent run that represents a sweep.

    It may be that of another sweep with the same jobs, whose command and numbers then count.

    Raises:
        TrackingError: If the store does not find the run, although it has it.
    """
    for _ in range(PASSES):
        family = store.find({tagnames.SWEEP_HASH: sweep.hash, tagnames.KIND: "sweep"})
        if found := [run.tags for run in family if run.run_id == parent]:
            return found[0]
    raise TrackingError(f"MLflow does not find the run {parent} that it has")


def _settle(store: Store, sweep: Sweep, family: Mapping[str, str], before: Sequence[StoredRun], result: Imported) -> Imported:
    """Mark the parents that no longer count as superseded, and return `result` with the outcome.

    Runs that were trained anew supersede older ones. If several commands imported the same runs at the same time, the parent
    with the smallest id counts.
    """
    if result.created == 0 and not _is_anew(sweep):
        return result
    after = store.find(family)
    _supersede(store, after)
    known = {run.run_id for run in before if run.complete}
    rivals = [r for r in after if r.complete and not r.deleted and r.run_id not in known and tagnames.SUPERSEDED not in r.tags]
    rivals = [run for run in rivals if tagnames.ANEW not in run.tags]
    if len(rivals) < 2 or result.run_id not in {run.run_id for run in rivals}:
        return result
    first = min(rivals, key=lambda run: run.run_id)
    for run in rivals:
        if run is not first:
            store.tag(run.run_id, tagnames.SUPERSEDED, first.tags[tagnames.SWEEP])
    return result if first.run_id == result.run_id else replace(result, superseded_by=first.tags[tagnames.SWEEP])


def _supersede(store: Store, family: Sequence[StoredRun]) -> None:
    """Mark runs without a parent as superseded if they are older than the newest complete one that was trained anew.

    Each run of the family is the parent of a sweep or a single run.
    """
    alone = [run for run in family if not run.deleted and tagnames.PARENT not in run.tags and run.status == "FINISHED"]
    anew = [run for run in alone if tagnames.ANEW in run.tags and (run.complete or run.tags.get(tagnames.KIND) != "sweep")]
    if not anew:
        return
    newest = max(anew, key=lambda run: (run.started_at_ms, run.run_id))
    for run in family:
        older = (run.started_at_ms, run.run_id) < (newest.started_at_ms, newest.run_id)
        if older and not run.deleted and tagnames.PARENT not in run.tags and tagnames.SUPERSEDED not in run.tags:
            store.tag(run.run_id, tagnames.SUPERSEDED, newest.tags[tagnames.SWEEP])


def _datasets(sweep: Sweep) -> list[DatasetContent]:
    datasets = {}
    for settings in {repr(job.run.task): job.run.task for job in sweep.jobs}.values():
        try:
            task = make_task(settings)
        except ConfigError:
            continue  # the data file has changed or disappeared since the training, so it can no longer be described
        sizes = {"evaluation": len(task.evaluation.inputs)}
        if task.training is not None:
            sizes["training"] = len(task.training.inputs)
        source = json.dumps({tagnames.TASK: asdict(settings)})
        datasets[task.digest] = DatasetContent(settings.name, task.digest, source, json.dumps(sizes))
    return list(datasets.values())


def _children(
    sweep: Sweep, records: Mapping[str, Record], choice: HistoryChoice, held: Container[str], curves: Groups
) -> Iterator[RunContent]:
    """Yield the finished and the failed runs, one at a time: ten thousand at once would take a gigabyte of memory.

    Args:
        sweep: The sweep.
        records: The records of the finished runs, by run id.
        choice: How much of the histories is sent.
        held: The ids of the runs that the store has already. They are copies, unless they are this sweep's own.
        curves: Takes every finished run.
    """
    seen: set[str] = set()  # two jobs of one sweep may judge the same run by different criteria
    for job, record in finished(sweep.jobs, records):
        found = run_events(job, record)
        curves.take(job, record, found)
        yield job_content(job, sweep, (record, found), choice, copy=job.run_id in held or job.run_id in seen)
        seen.add(job.run_id)
    failures = sweep.failures
    for job in sweep.jobs:
        if job.run_id in failures and job.run_id not in records:
            yield job_content(job, sweep, None, choice)
