"""What every executor is: the contract, and the work itself."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from fa_sweep.schema import RunConfig
from fa_sweep.sweep.environment import environment
from fa_sweep.sweep.plan import Shard
from fa_sweep.training import Histories, train

# Told the number of the shard and the fraction of it that is done.
Progress = Callable[[int, float], None]


@dataclass(frozen=True)
class Trained:
    """A shard's histories, and what they were computed with: where the work was done, which may be another machine."""

    histories: Histories
    environment: dict[str, str]


class ShardLost(Exception):
    """Whoever trained a shard is gone and left nothing: no failure of its runs, which the same command trains again."""


class Kept:
    """Says that a shard is in the ledger already, written where it was trained."""


@dataclass(frozen=True)
class ExecutorSettings:
    """Where to train: `name` of a backend; `address` of a Dask scheduler; `slurm`, what submitit is to ask SLURM for."""

    name: str = "local"
    address: str | None = None
    slurm: dict[str, Any] = field(default_factory=dict)


Result = tuple[Shard, Trained | Kept | Exception]


class Executor(Protocol):
    """Trains shards, as many at a time as it has `processes`."""

    processes: int

    def run(self, shards: Sequence[Shard], progress: Progress) -> Iterator[Result]:
        """Yield each shard with its result, or with the error that ended it, as it finishes."""
        ...


def train_runs(runs: list[RunConfig], progress: Callable[[float], None] | None = None) -> Trained:
    """Train one shard's runs here."""
    return Trained(train(runs, progress), environment())
