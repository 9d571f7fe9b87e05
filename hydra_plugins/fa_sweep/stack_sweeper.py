"""`hydra/sweeper=stack`: BasicSweeper's syntax and order, every job composed once and checked before anything is written.
Imports its work when it is called: every Hydra application in the environment loads this file.
"""

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper


@dataclass
class StackSweeperConf:
    """`params`: overrides of every sweep, which those of the command line replace; for presets."""

    _target_: str = "hydra_plugins.fa_sweep.stack_sweeper.StackSweeper"
    params: Optional[Dict[str, str]] = field(default_factory=dict)


ConfigStore.instance().store(group="hydra/sweeper", name="stack", node=StackSweeperConf, provider="fa_sweep")


class StackSweeper(Sweeper):
    """A sweep from its command line to its report; training itself is the launcher's."""

    def __init__(self, params: Optional[Dict[str, str]] = None) -> None:
        self.params = dict(params or {})

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        """Keep what Hydra gives, and make the launcher."""
        from hydra.core.plugins import Plugins

        self.hydra_context, self.config = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: List[str]) -> Any:
        """Parse, compose and check all jobs, then open the sweep's folder, launch what is missing and close the sweep."""
        from fa_sweep.cli.launching import sweep

        return sweep([f"{k}={v}" for k, v in self.params.items()] + arguments, self)
