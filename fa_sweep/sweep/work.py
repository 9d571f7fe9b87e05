"""What an executor has its workers do. They import this file and the engine alone: it is their start that has to be quick."""

from collections.abc import Callable
from dataclasses import dataclass

from fa_sweep.schema import RunConfig
from fa_sweep.sweep.environment import environment
from fa_sweep.training import Histories, train


@dataclass(frozen=True)
class Trained:
    """A shard's histories, and what they were computed with: where the work was done, which may be another machine."""

    histories: Histories
    environment: dict[str, str]


def one_line(error: BaseException) -> str:
    """Return what an error says, and of one that says nothing what its class means."""
    said = " ".join(str(error).split()) or (
        "there was not enough memory" if isinstance(error, MemoryError) else "no more is known"
    )
    return f"{type(error).__name__}: {said}"


def train_runs(runs: list[RunConfig], progress: Callable[[float], None] | None = None) -> Trained:
    """Train one shard's runs here."""
    return Trained(train(runs, progress), environment())
