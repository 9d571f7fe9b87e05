"""Sweeps that are not in MLflow, or no longer, although their commands are over."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fa_sweep.checks import ConfigError
from fa_sweep.schema import TrackingConfig
from fa_sweep.sweep.folder import OUTPUTS, Sweep
from fa_sweep.tracking.claims import Claim, lacking, store_of
from fa_sweep.tracking.errors import StoreClosed, TrackingError
from fa_sweep.tracking.importer import Imported, Say, import_sweep, reported, silent
from fa_sweep.tracking.uris import public


@dataclass(frozen=True)
class LeftOver:
    """A sweep to be imported, and where to. `lost`: MLflow had it, and has not any more, or not all of it."""

    sweep: Sweep
    tracking: TrackingConfig
    lost: bool = False


@dataclass(frozen=True)
class Elsewhere:
    """A sweep whose store is not this command's to write to, as the store may be shown."""

    sweep: Sweep
    store: str


def find_left_over(
    sweeps: Iterable[Sweep], given: TrackingConfig, outputs: Path = OUTPUTS
) -> tuple[list[LeftOver], list[Elsewhere]]:
    """Return which of the sweeps are to be imported, and which others are left to commands that are given their store.

    Args:
        sweeps: All sweeps but this command's own.
        given: This command's own settings of tracking.
        outputs: The working folder's outputs.
    """
    todo: list[LeftOver] = []
    elsewhere: list[Elsewhere] = []
    claims: dict[str, list[Claim]] = {}
    of_claim: dict[str, LeftOver] = {}
    for sweep in sweeps:
        recorded = recorded_tracking(sweep)
        uri = store_of(recorded.uri, given.uri, outputs)
        if uri is None:
            if not sweep.tracked and not sweep.is_running:
                elsewhere.append(Elsewhere(sweep, public(recorded.uri)))
            continue
        found = LeftOver(sweep, replace(recorded, uri=uri, timeout_s=given.timeout_s))
        if not sweep.tracked:
            todo.append(found)
        elif "children" in sweep.tracked:
            noted = sweep.tracked
            claim = Claim(sweep.id, uri, recorded.experiment, str(noted["run_id"]), int(noted["children"]))
            claims.setdefault(uri, []).append(claim)
            of_claim[sweep.id] = replace(found, lost=True)
    for uri, said in claims.items():
        try:
            with reported(uri):
                todo += [of_claim[sweep_id] for sweep_id in sorted(lacking(said, uri, given.timeout_s))]
        except TrackingError:
            continue  # this command's own import meets the same trouble, and says so
    return todo, elsewhere


def recorded_tracking(sweep: Sweep) -> TrackingConfig:
    """Return a sweep's own settings of tracking; those from before there was a choice sent whole histories."""
    return TrackingConfig(**({"history": "full", "timeout_s": 30.0} | sweep.record["tracking"]))


def import_left_over(todo: Sequence[LeftOver], say: Say = silent) -> Iterator[tuple[LeftOver, Imported | TrackingError]]:
    """Import sweeps that are left over, and yield what became of each.

    One that runs, or that another command is importing, is left alone. A store that cannot be opened is asked once: each try
    may take a time-out.
    """
    closed: dict[tuple[str, str], TrackingError] = {}
    for left in todo:
        sweep, place = left.sweep, (left.tracking.uri, left.tracking.experiment)
        if sweep.is_running:
            continue
        with sweep.claimed() as free:
            if not free or (Sweep(sweep.folder).tracked and not left.lost):
                continue
            if place in closed:
                yield left, closed[place]
                continue
            try:
                yield left, import_sweep(sweep, left.tracking, say=say)
            except TrackingError as error:
                if isinstance(error, StoreClosed):
                    closed[place] = error
                yield left, error
            except ConfigError as error:  # it may need a piece that is no longer installed
                yield left, TrackingError(str(error))
