"""The Hydra sweeper `hydra/sweeper=stack`, which composes and checks every job before anything is written.

It reads the same syntax as Hydra's BasicSweeper, and puts the jobs in the same order. Every Hydra application in the
environment loads this file, so it imports the rest of fa_sweep only when it is called.
"""

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper


@dataclass
class StackSweeperConf:
    """Settings of the sweeper.

    Attributes:
        params: The sweep of a preset: the values of each setting. Overrides on the command line take precedence.
    """

    _target_: str = "hydra_plugins.fa_sweep.stack_sweeper.StackSweeper"
    params: Optional[Dict[str, str]] = field(default_factory=dict)


ConfigStore.instance().store(group="hydra/sweeper", name="stack", node=StackSweeperConf, provider="fa_sweep")


class StackSweeper(Sweeper):
    """Conducts a sweep from its command line to its report. The launcher does the training."""

    def __init__(self, params: Optional[Dict[str, str]] = None) -> None:
        self.params = dict(params or {})

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        """Store what Hydra passes to every sweeper, and create the launcher."""
        from hydra.core.plugins import Plugins

        self.hydra_context, self.config = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: List[str]) -> Any:
        """Compose and check all jobs, train those that are not reused, then import and report the sweep."""
        from fa_sweep.cli.launching import sweep

        return sweep([f"{k}={v}" for k, v in self.params.items()] + arguments, self)
