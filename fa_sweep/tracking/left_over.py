"""Sweeps that are not in MLflow, or no longer, although their commands are over."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fa_sweep.errors import ConfigError, StoreClosed, TrackingError, Unreadable
from fa_sweep.settings.schema import TrackingConfig
from fa_sweep.sweep.catalogue import Entry
from fa_sweep.sweep.folder import OUTPUTS, Sweep
from fa_sweep.tracking.claims import Claim, lacking, store_of
from fa_sweep.tracking.importer import Imported, Say, import_sweep, reported, silent
from fa_sweep.tracking.uris import public


@dataclass(frozen=True)
class LeftOver:
    """A sweep to be imported, and the URI of its store. `lost`: MLflow had it, and has not any more, or not all of it."""

    sweep: Sweep
    uri: str
    lost: bool = False


@dataclass(frozen=True)
class Elsewhere:
    """A sweep whose store is not this command's to write to, as the store may be shown."""

    sweep: Sweep
    store: str


def find_left_over(
    others: Iterable[tuple[Sweep, Entry]], given: TrackingConfig, outputs: Path = OUTPUTS
) -> tuple[list[LeftOver], list[Elsewhere]]:
    """Return which sweeps are to be imported, and which others are left to commands that are given their store.

    Args:
        others: All sweeps but this command's own, with what the catalogue knows of them.
        given: This command's own settings of tracking.
        outputs: The working folder's outputs.
    """
    todo: list[LeftOver] = []
    elsewhere: list[Elsewhere] = []
    claims: dict[str, list[Claim]] = {}
    of_claim: dict[str, Sweep] = {}
    stores: dict[str, str | None] = {}  # most sweeps name the same one
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
            continue  # this command's own import meets the same trouble, and says so
        todo += [LeftOver(of_claim[claim.sweep_id], uri, lost=True) for claim in said if claim.sweep_id in lost]
    return todo, elsewhere


def import_left_over(
    todo: Sequence[LeftOver], timeout_s: float, say: Say = silent
) -> Iterator[tuple[LeftOver, Imported | TrackingError]]:
    """Import sweeps that are left over, and yield what became of each.

    One that runs, or that another command is importing, is left alone. A store that cannot be opened is asked once: each try
    may take a time-out.

    Args:
        todo: The sweeps.
        timeout_s: How long to wait for an answer of a store, in seconds.
        say: Tells the user of what takes time.
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
            except (ConfigError, Unreadable) as error:  # it may need a piece that is no longer installed
                yield left, TrackingError(str(error))
