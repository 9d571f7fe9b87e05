"""`hydra/launcher=stack`: all jobs of a sweep trained in lockstep. Imports its work when it is called: every Hydra
application in the environment loads this file.
"""

from dataclasses import dataclass
from typing import Any, Dict, Optional, Sequence

from hydra.core.config_store import ConfigStore
from hydra.plugins.launcher import Launcher


@dataclass
class StackLauncherConf:
    """`executor`: local, dask (on the scheduler at `address`, else on a cluster here) or slurm (`slurm`: what submitit is to
    ask for, as {timeout_min: 60, slurm_partition: NAME}); n_jobs is the application's.
    """

    _target_: str = "hydra_plugins.fa_sweep.stack_launcher.StackLauncher"
    executor: str = "local"
    address: Optional[str] = None
    slurm: Any = None  # a Dict would refuse new keys


ConfigStore.instance().store(group="hydra/launcher", name="stack", node=StackLauncherConf, provider="fa_sweep")


class StackLauncher(Launcher):
    """Hands the whole job list to the stacked engine."""

    def __init__(self, executor: str = "local", address: Optional[str] = None, slurm: Optional[Dict[str, Any]] = None) -> None:
        self.executor, self.address, self.slurm = executor, address, dict(slurm or {})
        self.jobs: Dict[Any, Any] = {}  # by their overrides: the sweeper's, which has composed and checked them all
        self.n_jobs = "auto"

    def check(self) -> None:
        """Raise ConfigError for settings that cannot be used, before anything is made."""
        from fa_sweep.sweep.executors import check_executor

        check_executor(self._settings())

    def expect(self, app: Any, jobs: int) -> None:
        """Begin to start what so many jobs like this one will need."""
        from fa_sweep.sweep.conduct import expect_training

        expect_training(app, jobs, app.n_jobs, self.executor)

    def _settings(self) -> Any:
        from fa_sweep.sweep.executors import ExecutorSettings

        return ExecutorSettings(self.executor, self.address, self.slurm)

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        """Keep what Hydra gives."""
        self.hydra_context, self.config = hydra_context, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[Any]:
        """Train the jobs into the ledger of the sweep's folder. Returns Hydra's JobReturn for each."""
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
