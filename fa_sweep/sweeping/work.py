"""The code that an executor's workers run. They import only this module and the engine, so they start quickly."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fa_sweep.engine.training import Histories, train
from fa_sweep.errors import ConfigError
from fa_sweep.settings.identity import sources_of
from fa_sweep.settings.schema import RunConfig
from fa_sweep.sweeping.environment import environment
from fa_sweep.sweeping.failures import Failed, failure
from fa_sweep.sweeping.jobs import Job


@dataclass(frozen=True)
class Trained:
    """The result of training one shard.

    `histories` holds the histories of the shard's runs. `environment` describes the process that trained them, which may have
    run on another machine.
    """

    histories: Histories
    environment: dict[str, str]


@dataclass(frozen=True)
class Work:
    """A shard in the form in which it is sent to a worker.

    `run_ids` and `runs` are in the same order. `sources` holds the SHA-256 of each module that influences the runs' results and
    differs from the released code. The run ids depend on these hashes.
    """

    run_ids: list[str]
    runs: list[RunConfig]
    sources: dict[str, str]


def work_of(jobs: Sequence[Job]) -> Work:
    """Return what a worker needs to know about a shard's jobs, in a form that can be pickled."""
    runs = [job.run for job in jobs]
    return Work([job.run_id for job in jobs], runs, _sources(runs))


def _sources(runs: Sequence[RunConfig]) -> dict[str, str]:
    kinds = {(run.feedback.mode, run.task.name, run.engine): run for run in runs}
    return {name: sha for run in kinds.values() for name, sha in sources_of(run).items()}


def train_runs(work: Work, progress: Callable[[float], None] | None = None) -> Trained:
    """Train one shard's runs in this process.

    Args:
        work: the shard.
        progress: called now and then with the fraction of the training that is done.

    Raises:
        ConfigError: the code that trains the runs has changed since they were planned, so their ids no longer fit it.
    """
    if (here := _sources(work.runs)) != work.sources:
        changed = sorted({name for name, _ in here.items() ^ work.sources.items()})
        raise ConfigError(f"{', '.join(changed)} changed after the sweep was planned; run the same command again")
    return Trained(train(work.runs, progress), environment())


def try_to_train(work: Work, progress: Callable[[float], None] | None = None) -> Trained | Failed:
    """Train one shard's runs in this process and return the result or the error.

    The error is returned as text, because not every exception can be sent between processes.
    """
    try:
        return train_runs(work, progress)
    except Exception as error:
        return failure(error)
