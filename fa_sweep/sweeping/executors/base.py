"""The contract of executors, and the types that it uses."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from fa_sweep.errors import ShardLost
from fa_sweep.sweeping.division import Shard
from fa_sweep.sweeping.failures import Failed
from fa_sweep.sweeping.work import Trained

# Called with the number of a shard and the fraction of its training that is done, from 0 to 1.
Progress = Callable[[int, float], None]


class InLedger:
    """The result for a shard that the worker itself has written into the sweep's folder."""


@dataclass(frozen=True)
class ExecutorSettings:
    """The settings that say where to train.

    `name` is the name of the backend: "local", "dask" or "slurm". `address` is the address of a Dask scheduler; without it,
    the Dask executor starts a cluster on this machine. `slurm` holds the parameters that submitit passes to SLURM.
    """

    name: str = "local"
    address: str | None = None
    slurm: dict[str, Any] = field(default_factory=dict)


Result = tuple[Shard, Trained | InLedger | Failed | ShardLost]


class Executor(Protocol):
    """Trains shards, up to `processes` of them at a time. Third parties may implement it.

    Opening. A context manager yields the executor, as `open_executor` does for the built-in ones, and raises ConfigError if the
    backend is not available. Leaving the context ends whatever it started. The caller reads `processes` inside the context
    and cuts the jobs into shards accordingly, so it may differ from the number that was asked for.

    Running. `run` yields every shard exactly once, with its result, in any order. It yields each one as soon as it has ended:
    the caller writes the result to the disk before it asks for the next. A result that is held back would be lost if this
    process died. A worker trains a shard with `try_to_train(work_of(shard.jobs))`; `work_of` is called in this process, and
    its value and what `try_to_train` returns can be pickled. `progress` serves the display alone. It may be called at any
    time or never, but only in this process.

    Results. There are four kinds:

    - `Trained`: the histories of all runs of the shard, in the order of `shard.jobs`, and the environment of the process
      that computed them. The caller writes them into the ledger.
    - `InLedger`: the worker has written the shard into the sweep's folder with `write_shard`. The caller writes nothing.
    - `Failed`: training raised an error. The caller records it as the error of the shard's runs. Other shards go on.
    - `ShardLost`: the result will not arrive, and the runs are not to blame. The command reports the shard as missing;
      the same command, run again, trains it.

    A worker that dies. The executor either trains its shard again, which gives the same numbers, or yields `ShardLost` for it.
    It does not raise, does not wait for ever, and goes on with the other shards. If it cannot, because no worker is left, it
    yields `ShardLost` for each of these.

    Errors. `run` may raise ConfigError if the backend refuses the work, but only before the first result: the command then
    removes the sweep's folder, because nothing has been trained. Any other exception ends the training of the sweep.

    Ctrl-C. In the command, the signal handler of `fa_sweep.process.signals` ends this process and its descendants. Nothing is
    raised, so no `finally` block runs. An executor that has work elsewhere, such as jobs in a queue, therefore cancels it
    in a function that it registers with `undone_by_signal`; that function has less than a second. Processes started on this
    machine must leave Ctrl-C to this one: start them inside `children_deaf_to_ctrl_c`. In other programs Ctrl-C raises
    KeyboardInterrupt, and the caller may close the generator before its end: clean up in `finally` as well.

    Example: an executor that trains shards one after the other in this process.

        from collections.abc import Iterator, Sequence
        from contextlib import contextmanager
        from functools import partial

        from fa_sweep.sweeping.executors import Executor, Progress, Result
        from fa_sweep.sweeping.division import Shard
        from fa_sweep.sweeping.work import try_to_train, work_of


        class OneByOne:
            processes = 1

            def run(self, shards: Sequence[Shard], progress: Progress) -> Iterator[Result]:
                for shard in shards:
                    yield shard, try_to_train(work_of(shard.jobs), partial(progress, shard.number))


        @contextmanager
        def open_one_by_one() -> Iterator[Executor]:
            yield OneByOne()

    It is used in the same way as the built-in ones:

        with open_one_by_one() as executor:
            shards = make_shards(jobs, executor.processes)
            lost = train_shards(folder, shards, executor, progress, finished)
    """

    processes: int

    def run(self, shards: Sequence[Shard], progress: Progress) -> Iterator[Result]:
        """Train shards and yield each one with its result as soon as it has ended.

        Args:
            shards: what to train; each is one stack of runs.
            progress: may be called with a shard's number and the fraction of its training that is done.

        Raises:
            ConfigError: the backend refuses the work. This may be raised only before the first result.
        """
        ...
