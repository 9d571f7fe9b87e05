"""Find conf/, and turn composed configurations into checked settings or into YAML."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from fa_sweep.process.secrets import redacted
from fa_sweep.settings.build import settings_of
from fa_sweep.settings.schema import AppConfig


def conf_dir() -> str:
    """Return the absolute path of conf/: the copy in the installed package or, in a checkout, the folder beside the package."""
    package = Path(__file__).resolve().parent.parent
    packaged = package / "conf"
    return str(packaged if packaged.is_dir() else package.parent / "conf")


def resolve(composed: Any, check: Callable[[dict[str, Any]], None] | None = None) -> AppConfig:
    """Turn a composed configuration into checked settings.

    Args:
        composed: The DictConfig. Its `hydra` node is ignored.
        check: A further check, called with the resolved plain values before they are converted.

    Raises:
        ConfigError: A setting cannot be used.
        OmegaConfBaseException: A value is missing, or an interpolation cannot be resolved.
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
    """Return a configuration as YAML, with interpolations unresolved and secrets masked."""
    return OmegaConf.to_yaml(OmegaConf.create(redacted(OmegaConf.to_container(config, resolve=False))))
