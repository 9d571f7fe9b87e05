"""Check that the settings name the feedback mode and the task of the configuration files that were chosen.

Each mode and each task has its own file, with its own settings. `feedback=random feedback.mode=direct` would run one mode with
another mode's settings.
"""

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig

from fa_sweep.checks import did_you_mean, shown
from fa_sweep.errors import ConfigError

_NAMED_BY = {"feedback": "mode", "task": "name"}


class Choices:
    """Reads which feedback mode or task the file of a chosen option names, and refuses settings that name another."""

    def __init__(self, loader: Any) -> None:
        """Find and read the options' files with Hydra's ConfigLoader `loader`."""
        self._loader = loader
        self._of_option: dict[tuple[str, str], Any] = {}

    def check(self, plain: Mapping[str, Any], choices: Mapping[str, Any]) -> None:
        """Check feedback.mode and task.name against the files of the chosen options.

        Args:
            plain: The resolved settings as plain values.
            choices: The chosen option of each group, as in Hydra's `hydra.runtime.choices`.

        Raises:
            ConfigError: The settings name another mode or task than the chosen option's file.
        """
        for group, key in _NAMED_BY.items():
            option, values = choices.get(group), plain.get(group)
            if not isinstance(option, str) or not isinstance(values, dict):
                continue
            own, given = self._name_in(group, key, option), values.get(key)
            if own is not None and given != own:
                raise ConfigError(self._message(group, key, option, given))

    def _message(self, group: str, key: str, option: str, given: Any) -> str:
        options = self._loader.get_group_options(group, results_filter=None)
        field = f"{group}.{key} is {shown(given)}, but the other settings are those of {group}={option}"
        if given in options:
            return f"{field}; use {group}={given}"
        return f"{field}; {did_you_mean(str(given), options)}use {group}=NAME, with one of {', '.join(options)}"

    def _name_in(self, group: str, key: str, option: str) -> Any:
        """Return the mode or task that an option's file names, or None if the file itself does not name one."""
        at = group, option
        if at not in self._of_option:
            path = f"{group}/{option}"
            source = next((source for source in self._loader.get_sources() if source.is_config(path)), None)
            config = source.load_config(path).config if source else None
            name = config._get_node(key) if isinstance(config, DictConfig) else None
            value = name._value() if name is not None else None
            self._of_option[at] = value if isinstance(value, str) and "${" not in value else None
        return self._of_option[at]
