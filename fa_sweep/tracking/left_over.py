"""Find and import sweeps that are missing from MLflow although the commands that made them have ended."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fa_sweep.errors import ConfigError, StoreClosed, TrackingError, Unreadable
from fa_sweep.settings.schema import TrackingConfig
from fa_sweep.sweeping.catalogue import Entry
from fa_sweep.sweeping.folder import OUTPUTS, Sweep
from fa_sweep.tracking.claims import Claim, lacking, store_of
from fa_sweep.tracking.importer import Imported, import_sweep
from fa_sweep.tracking.opening import Say, reported, silent
from fa_sweep.tracking.uris import public


@dataclass(frozen=True)
class LeftOver:
    """A sweep that is missing from MLflow and that this command may import.

    Attributes:
        sweep: The sweep.
        uri: The URI of the store that the sweep belongs to.
        lost: Whether MLflow had the sweep before and has lost all or some of its runs.
    """

    sweep: Sweep
    uri: str
    lost: bool = False


@dataclass(frozen=True)
class Elsewhere:
    """A sweep that this command may not import, because it was not given the sweep's store.

    Attributes:
        sweep: The sweep.
        store: The store's URI as it may be printed, without a password.
    """

    sweep: Sweep
    store: str


def find_left_over(
    others: Iterable[tuple[Sweep, Entry]], given: TrackingConfig, outputs: Path = OUTPUTS
) -> tuple[list[LeftOver], list[Elsewhere]]:
    """Find the sweeps that are missing from MLflow, and split them by whether this command may import them.

    Args:
        others: All sweeps except this command's own, each with its entry in the catalogue.
        given: This command's tracking settings.
        outputs: The folder `outputs/` of the working folder.

    Returns:
        The sweeps that this command may import, and the sweeps that only a command with another tracking.uri may import.
    """
    todo: list[LeftOver] = []
    elsewhere: list[Elsewhere] = []
    claims: dict[str, list[Claim]] = {}
    of_claim: dict[str, Sweep] = {}
    stores: dict[str, str | None] = {}  # cached by the URI in the record, because most sweeps name the same store
    for sweep, entry in others:
        if entry.uri not in stores:
            stores[entry.uri] = store_of(entry.uri, given.uri, outputs)
        uri = stores[entry.uri]
        if uri is not None and entry.tracked:
            claims.setdefault(uri, []).append(Claim(sweep.id, entry.tracked, entry.children))
            of_claim[sweep.id] = sweep
        elif uri is not None:
            todo.append(LeftOver(sweep, uri))
        elif not entry.tracked and not sweep.is_running:
            elsewhere.append(Elsewhere(sweep, public(entry.uri)))
    for uri, said in claims.items():
        try:
            with reported(uri):
                lost = lacking(said, uri, given.timeout_s)
        except TrackingError:
            continue  # this command's own import meets the same error and reports it
        todo += [LeftOver(of_claim[claim.sweep_id], uri, lost=True) for claim in said if claim.sweep_id in lost]
    return todo, elsewhere


def import_left_over(
    todo: Sequence[LeftOver], timeout_s: float, say: Say = silent
) -> Iterator[tuple[LeftOver, Imported | TrackingError]]:
    """Import sweeps that are missing from MLflow, one after the other.

    A sweep that is still running, or that another command is importing, is skipped. If a store cannot be opened, it is not
    tried again for the sweeps that follow, because every attempt may last until the time-out.

    Args:
        todo: The sweeps, as `find_left_over` returns them.
        timeout_s: How long to wait for an answer from a store, in seconds.
        say: Called with a line for the user before each step that takes time.

    Yields:
        Each sweep that was not skipped, with the result of its import or the error that prevented it.
    """
    closed: dict[tuple[str, str], TrackingError] = {}
    for left in todo:
        sweep = left.sweep
        with sweep.claimed() as free:
            if not free or (sweep.tracked and not left.lost):
                continue
            try:
                tracking = replace(sweep.record.tracking, uri=left.uri, timeout_s=timeout_s)
                place = tracking.uri, tracking.experiment
                yield left, closed[place] if place in closed else import_sweep(sweep, tracking, say=say)
            except TrackingError as error:
                if isinstance(error, StoreClosed):
                    closed[place] = error
                yield left, error
            except (ConfigError, Unreadable) as error:  # the sweep may need a third-party piece that is no longer installed
                yield left, TrackingError(str(error))
