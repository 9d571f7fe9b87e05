"""The SLURM executor: submits one array job, in which each task trains a few shards.

Every task writes its shards into the sweep's folder, which must be visible on all machines. A task that is cancelled or runs
out of time therefore loses only the shard that it was training. If the launching process dies, no finished shard is lost. The
state of a task is read from squeue, because that needs no accounting database.
"""

import secrets
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from fa_sweep.errors import ConfigError, ShardLost
from fa_sweep.process.signals import held, undone_by_signal
from fa_sweep.sweeping.division import Shard
from fa_sweep.sweeping.executors.base import Executor, InLedger, Progress, Result
from fa_sweep.sweeping.failures import Failed, failure
from fa_sweep.sweeping.shards import shards_with_tokens, write_shard
from fa_sweep.sweeping.work import Work, train_runs, work_of

POLL_S = 1.0
SCANCEL_S = 0.7  # time limit of scancel; after a signal there is no more time than this
SETTLE_S = 10.0  # how long a file that another machine has written may take to become visible here
MOST_TASKS = 1000  # SLURM's default limit for one array
WAITING = ("PENDING", "RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED", "REQUEUED", "RESIZING", "STOPPED", "REQUEUE_HOLD")


@contextmanager
def open_slurm(asked: dict[str, Any], processes: int, folder: Path) -> Iterator[Executor]:
    """Open a SLURM executor.

    Args:
        asked: parameters for submitit, such as `timeout_min` or `slurm_partition`.
        processes: the number of tasks, at most MOST_TASKS. Each has one CPU unless `asked` says otherwise.
        folder: the sweep's folder. The tasks' logs are written to its subfolder `slurm`.

    Raises:
        ConfigError: submitit does not accept `asked`.
    """
    from submitit import AutoExecutor

    logs = folder.absolute() / "slurm"
    submitter = AutoExecutor(folder=logs, cluster="slurm")
    try:
        submitter.update_parameters(name="fa_sweep", cpus_per_task=1)
        submitter.update_parameters(**asked)
    except (NameError, TypeError, ValueError) as error:
        raise ConfigError(
            f"hydra.launcher.slurm is {asked}; submitit does not accept it: {' '.join(str(error).split())}"
        ) from error
    yield _Slurm(min(processes, MOST_TASKS), submitter, asked, folder.absolute())


def train_and_keep(folder: Path, shards: list[tuple[Work, str]]) -> list[Failed | None]:
    """Train shards and write each one into the sweep's folder. This is what a SLURM task runs.

    Args:
        folder: the sweep's folder.
        shards: for each shard its work, and the token with which the name of its file is to end.

    Returns:
        For each shard its error, or None if it was written.
    """
    from submitit.core.utils import UncompletedJobError

    errors: list[Failed | None] = []
    for work, token in shards:
        try:
            trained = train_runs(work)
        except UncompletedJobError:
            raise  # submitit stops a task whose time is up with this error; the runs did not fail
        except Exception as error:
            errors.append(failure(error))
        else:
            write_shard(folder, work.run_ids, trained.histories, trained.environment, token)
            errors.append(None)
    return errors


@dataclass
class _Slurm:
    processes: int
    submitter: Any
    asked: dict[str, Any]
    folder: Path

    def run(self, shards: Sequence[Shard], progress: Progress) -> Iterator[Result]:
        tokens = {shard.number: secrets.token_hex(6) for shard in shards}
        tasks = min(self.processes, len(shards))
        bundles = [list(shards[task::tasks]) for task in range(tasks)]
        work = [[(work_of(shard.jobs), tokens[shard.number]) for shard in bundle] for bundle in bundles]
        submitted: list[Any] = []
        with undone_by_signal(lambda: _cancel(submitted)):
            with held():  # a signal in this block could not cancel the tasks, whose ids are not yet known
                submitted += self._submit(tasks, work)
            try:
                yield from self._collect(submitted, bundles, tokens, progress)
            except BaseException:
                _cancel(submitted)
                raise

    def _submit(self, tasks: int, work: list[list[tuple[Work, str]]]) -> Sequence[Any]:
        """Submit one array of tasks. Raises ConfigError if sbatch refuses it."""
        from submitit.core.utils import FailedJobError

        try:
            with redirect_stderr(StringIO()):  # submitit also prints the text of its error
                submitted: Sequence[Any] = self.submitter.map_array(train_and_keep, [self.folder] * tasks, work)
        except FailedJobError as error:
            said = str(error).rpartition("sbatch: error: ")[2]
            raise ConfigError(
                f"hydra.launcher.slurm is {self.asked}; sbatch does not accept it: {' '.join(said.split())}"
            ) from error
        return submitted

    def _collect(
        self, submitted: Sequence[Any], bundles: list[list[Shard]], tokens: dict[int, str], progress: Progress
    ) -> Iterator[Result]:
        waiting = {task: list(bundle) for task, bundle in enumerate(bundles)}
        ended_at: dict[int, float] = {}
        while waiting:
            states = _states([job.job_id for job in submitted])
            written = shards_with_tokens(self.folder)
            for task, bundle in list(waiting.items()):
                for shard in [s for s in bundle if tokens[s.number] in written]:
                    bundle.remove(shard)
                    progress(shard.number, 1.0)
                    yield shard, InLedger()
                job = submitted[task]
                state = states.get(job.job_id, "gone") if states is not None else "RUNNING"
                if bundle and state not in WAITING:
                    ended = ended_at.setdefault(task, time.monotonic())
                    if not job.paths.result_pickle.exists() and time.monotonic() - ended < SETTLE_S:
                        continue
                    yield from _what_became(job, state, bundle, bundles[task])
                    bundle.clear()
                if not bundle:
                    del waiting[task]
            if waiting:
                time.sleep(POLL_S)


def _cancel(submitted: Sequence[Any]) -> None:
    """Ask SLURM to end an array's tasks.

    If SLURM does not answer within SCANCEL_S seconds, the tasks may go on. They still write the shards that they finish into
    the sweep's folder.
    """
    arrays = sorted({str(job.job_id).split("_")[0] for job in submitted})
    if arrays:
        with suppress(OSError, subprocess.SubprocessError):
            subprocess.run(["scancel", *arrays], capture_output=True, timeout=SCANCEL_S, check=False)


def _what_became(job: Any, state: str, left: Sequence[Shard], bundle: Sequence[Shard]) -> Iterator[Result]:
    """Yield each shard that a task did not write before it ended, with its error or with `ShardLost`."""
    errors: list[Failed | None] = [None] * len(bundle)
    if job.paths.result_pickle.exists():
        outcome, result = job._get_outcome_and_result()
        errors = result if outcome == "success" else errors
    for shard in left:
        if (failed := errors[list(bundle).index(shard)]) is not None:
            yield shard, failed
        else:
            why = f"SLURM's task {job.job_id} ended ({state}) before it had written this shard; log: {job.paths.stderr}"
            yield shard, ShardLost(why)


def _states(job_ids: Sequence[str]) -> dict[str, str] | None:
    """Return the state of each task that SLURM still knows, by job id, or None if SLURM does not answer."""
    array = job_ids[0].split("_")[0]
    ask = ["squeue", "--jobs", array, "--array", "--states", "all", "--noheader", "--format", "%F_%K %T"]
    done = subprocess.run(ask, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        # SLURM forgets an array some minutes after it has ended. Any other error means that SLURM cannot be reached now.
        return {} if "Invalid job id" in done.stderr else None
    # squeue prints N_N/A for a job N that is not an array.
    return dict(line.replace("_N/A", "").split() for line in done.stdout.splitlines())
