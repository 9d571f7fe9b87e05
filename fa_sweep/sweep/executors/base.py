"""What every executor is."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from fa_sweep.errors import ShardLost
from fa_sweep.sweep.failures import Failed
from fa_sweep.sweep.plan import Shard
from fa_sweep.sweep.work import Trained

# Told the number of the shard and the fraction of it that is done.
Progress = Callable[[int, float], None]


class InLedger:
    """Says that a shard is in the ledger already, written where it was trained."""


@dataclass(frozen=True)
class ExecutorSettings:
    """Where to train: `name` of a backend; `address` of a Dask scheduler; `slurm`, what submitit is to ask SLURM for."""

    name: str = "local"
    address: str | None = None
    slurm: dict[str, Any] = field(default_factory=dict)


Result = tuple[Shard, Trained | InLedger | Failed | ShardLost]


class Executor(Protocol):
    """Trains shards, as many at a time as it has `processes`."""

    processes: int

    def run(self, shards: Sequence[Shard], progress: Progress) -> Iterator[Result]:
        """Yield each shard with its result, with the error that ended its runs, or with why it was lost, as it finishes."""
        ...
