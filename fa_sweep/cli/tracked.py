"""Import this command's sweep, and those that earlier commands left over, into MLflow, and tell the user what happened."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from fa_sweep.cli import console
from fa_sweep.errors import Busy, ConfigError, NotWritten, TrackingError
from fa_sweep.settings.schema import AppConfig, TrackingConfig
from fa_sweep.sweeping.folder import Sweep, catalogued
from fa_sweep.sweeping.shards import Record
from fa_sweep.tracking.content import chosen_history
from fa_sweep.tracking.database import why_not
from fa_sweep.tracking.importer import Imported, import_sweep
from fa_sweep.tracking.left_over import Elsewhere, find_left_over, import_left_over
from fa_sweep.tracking.limits import EXPERIMENT_NAME
from fa_sweep.tracking.uris import Target, choose, public, sqlite_file, sqlite_uri


def target(app: AppConfig) -> Target:
    """Return the store in which a command tracks its runs.

    Raises:
        ConfigError: The store cannot be used, or the experiment's name is too long for MLflow.
    """
    chosen = choose(app.tracking.uri)
    if len(app.tracking.experiment) > EXPERIMENT_NAME:
        long = len(app.tracking.experiment)
        raise ConfigError(
            f"tracking.experiment has {long} characters; MLflow's tables hold at most {EXPERIMENT_NAME}: give a shorter name"
        )
    file = sqlite_file(chosen.uri)
    if file is not None and (wrong := why_not(file)) is not None:
        raise ConfigError(f"{'tracking.uri' if chosen.by_default else chosen.source} is {public(chosen.uri)}; {wrong}")
    return chosen


def tracking_of(app: AppConfig) -> TrackingConfig:
    """Return a command's tracking settings with the URI of the store that it uses. The path of a database file is absolute."""
    return replace(app.tracking, uri=choose(app.tracking.uri).uri)


def track(sweep: Sweep, app: AppConfig, records: Mapping[str, Record] | None = None) -> tuple[str, str]:
    """Import the sweeps that earlier commands left over, then this sweep. Problems are printed at once.

    Args:
        sweep: This command's sweep or single run.
        app: The settings of the application.
        records: The finished runs by run id; by default they are read from the ledger.

    Returns:
        (message, failure). `message` tells the user what MLflow has of the sweep. `failure` says why a database on this machine
        could not be written; the command should then fail at its end, with this message. Either may be "".
    """
    tracking = tracking_of(app)
    _import_left_over(sweep, tracking)
    if said := chosen_history(tracking.history, sweep.jobs, tracking.metrics)[1]:
        console.say(said)
    try:
        with console.status("importing into MLflow"), sweep.claimed(wait=True):
            imported = import_sweep(sweep, tracking, records=records, say=console.say)
    except Busy as busy:
        return f"MLflow: {busy}.", ""
    except TrackingError as error:
        safe = f"they are safe in {sweep.folder}, the next command tries again"
        lost = f"MLflow did not take the runs: {error}; {safe}"
        if isinstance(error, NotWritten):
            return "", lost
        console.say(f"fa_sweep: {lost}", error=True)
        return "", ""
    for notice in imported.notices:
        console.say(f"MLflow: {notice}.")
    return _outcome(sweep, imported, choose(app.tracking.uri)), ""


def import_left_over_sweeps(tracking: TrackingConfig) -> int:
    """Import all sweeps that MLflow lacks, and print what happened. Return the exit status: 1 if some are still not there."""
    before = [sweep.id for sweep, entry in catalogued() if not entry.tracked]
    _import_left_over(None, tracking)
    left = [sweep.id for sweep, entry in catalogued() if not entry.tracked and not sweep.is_running]
    if not before:
        console.say("MLflow has every sweep and single run of this ledger.")
    return 1 if left else 0


def _import_left_over(sweep: Sweep | None, tracking: TrackingConfig) -> None:
    """Import the sweeps, other than this one, that earlier commands left over, and print what happened."""
    others = [(other, entry) for other, entry in catalogued() if sweep is None or other.id != sweep.id]
    todo, elsewhere = find_left_over(others, tracking)
    still_not: dict[str, list[str]] = {}
    for left, result in import_left_over(todo, tracking.timeout_s, console.say):
        if isinstance(result, Busy):
            continue
        if isinstance(result, TrackingError):
            still_not.setdefault(str(result), []).append(left.sweep.id)
        elif result.created and left.lost:
            runs = "run" if result.created == 1 else "runs"
            console.say(f"{left.sweep.id}, of which MLflow had lost {result.created} {runs}, is complete again.")
        elif result.created:
            console.say(f"{left.sweep.id}, left over by an earlier command, is now in MLflow.")
    for why, ids in still_not.items():
        console.say(f"fa_sweep: {_some(ids)} still not in MLflow: {why}", error=True)
    _say_elsewhere(elsewhere)


def _say_elsewhere(elsewhere: Sequence[Elsewhere]) -> None:
    """Report the sweeps that were left over for stores other than this command's."""
    stores: dict[str, list[str]] = {}
    for left in elsewhere:
        stores.setdefault(left.store, []).append(left.sweep.id)
    for store, ids in stores.items():
        remedy = f"a command with tracking.uri={shlex.quote(store)} imports {'it' if len(ids) == 1 else 'them'}"
        console.say(
            f"fa_sweep: {_some(ids)} not in MLflow, and meant for another store than this command's; {remedy}", error=True
        )


def _some(ids: Sequence[str]) -> str:
    """Return up to three of the ids and the number of the others, followed by "is" or "are"."""
    names = ", ".join(ids[:3]) + (f" and {len(ids) - 3} more" if len(ids) > 3 else "")
    return f"{names} {'is' if len(ids) == 1 else 'are'}"


def _outcome(sweep: Sweep, imported: Imported, where: Target) -> str:
    """Return a message about what an import did, and what the user should do about deleted runs."""
    kind = "run" if sweep.record.single else "sweep"
    run, place = imported.run_id, f"in {where.shown}"
    if imported.run_id in imported.deleted:
        remedy = f"restore it there (mlflow runs restore --run-id {run}), or purge it (mlflow gc) and run this again"
        return f"MLflow has this {kind} as run {run}, which somebody deleted: {remedy}."
    if imported.superseded_by:
        other = f"another command imported the same runs at the same time, as {imported.superseded_by}"
        return f"MLflow: {other}; that one counts, and run {run} of this {kind} is tagged as superseded."
    if imported.found_complete:
        return f"MLflow already holds this {kind}, complete: run {run} {place}."
    done = (
        f"MLflow: {imported.created} runs under parent run {run} {place}." if kind == "sweep" else f"MLflow: run {run} {place}."
    )
    if imported.deleted:
        count = len(imported.deleted)
        gone = f"{count} of its {imported.children} runs {'is' if count == 1 else 'are'} deleted there"
        them = "it" if count == 1 else "them"
        restore = f"restore {them} (mlflow runs restore --run-id {imported.deleted[0]}{', ...' if count > 1 else ''})"
        held = done if imported.created else f"MLflow holds this sweep as run {run} {place}."
        return f"{held} {gone}: {restore}, or purge {them} (mlflow gc) and run this again."
    return done


def ui_command(app: AppConfig) -> str:
    """Return a shell command that opens MLflow's user interface on this command's store."""
    uri = tracking_of(app).uri
    if uri.startswith(("http:", "https:")):
        return f"open {public(uri)}"
    file = sqlite_file(uri)
    near = file is not None and file.is_relative_to(Path.cwd())
    shown = sqlite_uri(file.relative_to(Path.cwd()) if near else file) if file else public(uri)
    return f"mlflow ui --backend-store-uri {shlex.quote(shown)}"
