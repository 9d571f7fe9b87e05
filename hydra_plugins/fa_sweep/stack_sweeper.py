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
    """Settings of the sweeper, see `fa_sweep.cli.designs.Design`.

    Attributes:
        params: The sweep of a preset: the values of each setting. Overrides on the command line take precedence.
        grids: A list of mappings. The sweep is the union of these grids, each crossed with the rest of the command line.
        zip: A mapping of settings to equally many values. The n-th values belong together.
        exclude: A condition, or a list of them. Combinations that meet one are left out.
    """

    _target_: str = "hydra_plugins.fa_sweep.stack_sweeper.StackSweeper"
    params: Optional[Dict[str, str]] = field(default_factory=dict)
    grids: Any = None
    zip: Any = None
    exclude: Any = None


ConfigStore.instance().store(group="hydra/sweeper", name="stack", node=StackSweeperConf, provider="fa_sweep")


class StackSweeper(Sweeper):
    """Conducts a sweep from its command line to its report. The launcher does the training."""

    def __init__(self, params: Optional[Dict[str, str]] = None, **design: Any) -> None:
        self.params, self.grids = dict(params or {}), design.get("grids")
        self.zip, self.exclude = design.get("zip"), design.get("exclude")

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

        return sweep(arguments, self)
