"""Where conf/ lies; composed settings in, checked dataclasses out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from fa_sweep.process.secrets import redacted
from fa_sweep.settings.build import settings_of
from fa_sweep.settings.schema import AppConfig


def conf_dir() -> str:
    """Return the absolute path of the configuration folder: the wheel's copy, else the checkout's."""
    package = Path(__file__).resolve().parent.parent
    packaged = package / "conf"
    return str(packaged if packaged.is_dir() else package.parent / "conf")


def resolve(composed: Any, check: Callable[[dict[str, Any]], None] | None = None) -> AppConfig:
    """Turn a composed DictConfig into checked settings; `check` sees the plain values first.

    Raises:
        ConfigError: a setting cannot be used; or an error of OmegaConf's for a bad interpolation.
    """
    values = {str(key): composed[key] for key in composed if key != "hydra"}
    plain = {
        k: OmegaConf.to_container(v, resolve=True, throw_on_missing=True) if OmegaConf.is_config(v) else v
        for k, v in values.items()
    }
    if check is not None:
        check(plain)
    return settings_of(plain)


def yaml_without_secrets(config: Any) -> str:
    """Return a configuration as YAML, interpolations as they stand, its secrets masked."""
    return OmegaConf.to_yaml(OmegaConf.create(redacted(OmegaConf.to_container(config, resolve=False))))
