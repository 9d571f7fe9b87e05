"""Compose settings from conf/ outside any Hydra application: one run, the defaults, and completions for a shell."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from hydra._internal.core_plugins.bash_completion import BashCompletion
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import OmegaConf
from omegaconf.basecontainer import BaseContainer
from omegaconf.errors import OmegaConfBaseException

from fa_sweep.cli.composition import Composer, setting_of
from fa_sweep.cli.configuration import conf_dir
from fa_sweep.cli.refusals import one_line
from fa_sweep.errors import ConfigError
from fa_sweep.settings.schema import AppConfig, RunConfig, run_alone
from fa_sweep.sweeping.folder import fresh_id


@cache
def composer_of_conf() -> Composer:
    """Return a composer of conf/ and of the configurations of feedback modes and tasks from other distributions."""
    with hydra_of_conf() as hydra:
        return Composer(hydra.config_loader, hydra.compose_config("config", [], RunMode.MULTIRUN))


@contextmanager
def hydra_of_conf() -> Iterator[Hydra]:
    """Yield a Hydra that composes conf/. Afterwards Hydra's and OmegaConf's global state is what it was before."""
    instance, resolvers = GlobalHydra.instance(), dict(BaseContainer._resolvers)
    before, instance.hydra = instance.hydra, None
    OmegaConf.register_new_resolver("fresh_id", fresh_id, use_cache=True, replace=True)
    try:
        yield Hydra.create_main_hydra2("fa_sweep", create_config_search_path(conf_dir()))
    finally:
        instance.hydra = before
        BaseContainer._resolvers = resolvers


def no_defaults(app: AppConfig, overrides: Sequence[str]) -> dict[str, Any]:
    """Return what the overrides of a run set to something else than its default, without the seed.

    Args:
        app: The settings of the run.
        overrides: The overrides of the run.

    Returns:
        The chosen option of each group, and the value of each other setting, by key.
    """
    composer = composer_of_conf()
    defaults, options = composer.defaults
    found: dict[str, Any] = {}
    for override in overrides:
        factor = composer.factor(override)
        if factor is None or factor[0] == "seed":
            continue
        key, option = factor
        if option is None:
            value = setting_of(app, key, override.partition("=")[2])
            usual = value == setting_of(defaults, key, "")
        else:
            value, usual = option, options.get(key) == option
        if not usual:
            found[key] = value
    return found


def compose(*overrides: str) -> RunConfig:
    """Return the checked settings of one run.

    Args:
        overrides: Overrides as on the command line, such as "feedback=random", "train.lr=0.1", "seed=3".

    Returns:
        All settings of the run. Those without an override have their values from conf/.

    Raises:
        ConfigError: A setting cannot be used. The message names the setting, its value and a remedy.
    """
    try:
        return run_alone(composer_of_conf().settings(overrides))
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(one_line(error)) from error


def completed(incomplete: str) -> list[str]:
    """Return the overrides with which a shell can complete a word: groups and settings, and after `=` the options."""
    with hydra_of_conf() as hydra:
        return list(BashCompletion(hydra.config_loader)._query(config_name="config", line=incomplete))
