"""The Hydra launcher `hydra/launcher=stack`, which trains all jobs of a sweep in lockstep.

Every Hydra application in the environment loads this file, so it imports the rest of fa_sweep only when it is called.
"""

from dataclasses import dataclass
from typing import Any, Dict, Optional, Sequence

from hydra.core.config_store import ConfigStore
from hydra.plugins.launcher import Launcher


@dataclass
class StackLauncherConf:
    """Settings of the launcher. The number of processes is not among them: it is the application's setting `n_jobs`.

    Attributes:
        executor: where the runs are trained: local, dask or slurm.
        address: The address of a Dask scheduler. Without one, dask starts a cluster on this machine.
        slurm: Parameters of submitit's AutoExecutor, such as {timeout_min: 60, slurm_partition: NAME}.
    """

    _target_: str = "hydra_plugins.fa_sweep.stack_launcher.StackLauncher"
    executor: str = "local"
    address: Optional[str] = None
    slurm: Any = None  # OmegaConf would refuse new keys in a Dict


ConfigStore.instance().store(group="hydra/launcher", name="stack", node=StackLauncherConf, provider="fa_sweep")


class StackLauncher(Launcher):
    """Trains the whole list of jobs with the stacked engine (see `fa_sweep.cli.launching.StackedLauncher`)."""

    def __init__(self, executor: str = "local", address: Optional[str] = None, slurm: Optional[Dict[str, Any]] = None) -> None:
        self.executor, self.address, self.slurm = executor, address, dict(slurm or {})
        self.jobs: Dict[Any, Any] = {}  # jobs to train, by their overrides; set by the sweep
        self.n_jobs = "auto"

    def check(self) -> None:
        """Raise ConfigError for launcher settings that cannot be used, before anything is written."""
        from fa_sweep.sweeping.executors import check_executor

        check_executor(self._settings())

    def expect(self, app: Any, jobs: int) -> None:
        """Start processes that training will need. `app` is the first job's settings, `jobs` the number of jobs."""
        from fa_sweep.sweeping.conduct import expect_training

        expect_training(app, jobs, app.n_jobs, self.executor)

    def _settings(self) -> Any:
        from fa_sweep.sweeping.executors import ExecutorSettings

        return ExecutorSettings(self.executor, self.address, self.slurm)

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        """Store what Hydra passes to every launcher."""
        self.hydra_context, self.config = hydra_context, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[Any]:
        """Train the jobs into the ledger of the sweep's folder. Returns Hydra's JobReturn of each job, in the same order."""
        from pathlib import Path

        from hydra.core.utils import JobReturn, JobStatus, setup_globals

        from fa_sweep.cli.application import require_job_table, train_all

        setup_globals()
        folder = Path(self.config.hydra.sweep.dir)
        require_job_table(folder)
        train_all(folder, [self.jobs[tuple(overrides)] for overrides in job_overrides], self.n_jobs, self._settings())
        returns = []
        for overrides in job_overrides:
            done = JobReturn(overrides=list(overrides), status=JobStatus.COMPLETED)
            done.return_value = None
            returns.append(done)
        return returns
