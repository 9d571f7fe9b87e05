"""A Hydra plugin that finds the configurations of feedback modes and tasks from other distributions (installed packages).

Such a distribution keeps its configurations in the folder `conf` of its package. Every Hydra application in the environment
loads this file, so the plugin does nothing outside fa_sweep.
"""

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin


class PiecesSearchPath(SearchPathPlugin):
    """Appends the folders to Hydra's search path. Our own folder comes first, so none of our configurations can be replaced."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append the `conf` folder of every package that brings a feedback mode or a task."""
        import sys

        if "fa_sweep.settings.build" not in sys.modules:  # some other application
            return
        from fa_sweep.feedback import MODES
        from fa_sweep.tasks import TASKS

        for folder in dict.fromkeys([*MODES.folders(), *TASKS.folders()]):
            search_path.append(provider="fa_sweep", path=f"file://{folder}")
