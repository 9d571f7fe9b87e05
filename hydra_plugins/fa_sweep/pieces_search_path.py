"""Configurations of feedback modes and tasks from other distributions: the folder `conf` of their package.

Only for this application: every Hydra application in the environment loads this file.
"""

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin


class PiecesSearchPath(SearchPathPlugin):
    """Appends the folders to the search path, after our own: a group of ours cannot be replaced."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append where pieces from elsewhere keep their YAML."""
        import sys

        if "fa_sweep.settings.build" not in sys.modules:  # some other application
            return
        from fa_sweep.feedback import MODES
        from fa_sweep.tasks import TASKS

        for folder in dict.fromkeys([*MODES.folders(), *TASKS.folders()]):
            search_path.append(provider="fa_sweep", path=f"file://{folder}")
