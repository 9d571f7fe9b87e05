"""What an executor has its workers do. They import this file and the engine alone: it is their start that has to be quick."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fa_sweep.engine.training import Histories, train
from fa_sweep.errors import ConfigError
from fa_sweep.settings.identity import sources_of
from fa_sweep.settings.schema import RunConfig
from fa_sweep.sweep.environment import environment
from fa_sweep.sweep.failures import Failed, failure
from fa_sweep.sweep.jobs import Job


@dataclass(frozen=True)
class Trained:
    """A shard's histories, and what they were computed with: where the work was done, which may be another machine."""

    histories: Histories
    environment: dict[str, str]


@dataclass(frozen=True)
class Work:
    """A shard as a worker gets it: its runs, their ids, and the sources outside any release that these ids stand for."""

    run_ids: list[str]
    runs: list[RunConfig]
    sources: dict[str, str]


def work_of(jobs: Sequence[Job]) -> Work:
    """Return what a worker has to know of a shard's jobs."""
    runs = [job.run for job in jobs]
    return Work([job.run_id for job in jobs], runs, _sources(runs))


def _sources(runs: Sequence[RunConfig]) -> dict[str, str]:
    kinds = {(run.feedback.mode, run.task.name, run.engine): run for run in runs}
    return {name: sha for run in kinds.values() for name, sha in sources_of(run).items()}


def train_runs(work: Work, progress: Callable[[float], None] | None = None) -> Trained:
    """Train one shard's runs here. Raises ConfigError where their code is no longer what they were planned with."""
    if (here := _sources(work.runs)) != work.sources:
        changed = sorted({name for name, _ in here.items() ^ work.sources.items()})
        raise ConfigError(f"{', '.join(changed)} changed after the sweep was planned; run the same command again")
    return Trained(train(work.runs, progress), environment())


def try_to_train(work: Work, progress: Callable[[float], None] | None = None) -> Trained | Failed:
    """Train one shard's runs here. An error comes back as what it tells: not every one travels between processes."""
    try:
        return train_runs(work, progress)
    except Exception as error:
        return failure(error)
