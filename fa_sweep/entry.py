"""The Hydra entry behind `python -m fa_sweep` and the command `fa-sweep`."""

import os
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import NoReturn

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from fa_sweep.arguments import check_arguments
from fa_sweep.checks import ConfigError
from fa_sweep.config import conf_dir, resolve
from fa_sweep.config_files import checked_files
from fa_sweep.refusals import begins_anew, exit_status, one_line

# 1.4 refuses to instantiate callbacks that are not listed, and knows no version_base "1.3".
_HYDRA_1_3 = hydra.__version__.startswith("1.3")
_MAIN_ARGUMENTS = {"version_base": "1.3"} if _HYDRA_1_3 else {"execution_whitelist": ["fa_sweep.*"]}


def job(config: DictConfig) -> None:
    """Run one Hydra job: a single run, or one run of a sweep under a launcher other than ours."""
    from fa_sweep.application import run_single, train_job

    composed = HydraConfig.get()
    overrides = list(composed.overrides.task)
    if composed.mode is RunMode.MULTIRUN:
        train_job(resolve(config), overrides, Path(composed.sweep.dir))
    else:
        run_single(resolve(config), overrides, Path(composed.run.dir))


def main() -> int:
    """Run the application; returns the exit status: 2 for refused settings, 1 for failed runs, 130 for an interrupt."""
    from fa_sweep.application import RunsFailed
    from fa_sweep.sweep.folder import fresh_id

    OmegaConf.register_new_resolver("fresh_id", fresh_id, use_cache=True, replace=True)
    wants_whole_story = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises instead of printing and exiting
    sys.argv += _mode_of_preset(sys.argv[1:])
    usage_and_exit = ArgumentParser.error
    ArgumentParser.error = _refuse  # type: ignore[assignment, method-assign]
    begins_anew()
    try:
        check_arguments(sys.argv[1:])
        with checked_files():
            hydra.main(config_path=conf_dir(), config_name="config", **_MAIN_ARGUMENTS)(job)()
    except RunsFailed as error:
        print(f"fa_sweep: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("fa_sweep: interrupted; finished shards are kept, the same command goes on from there", file=sys.stderr)
        return 130
    except Exception as error:
        if wants_whole_story:
            raise
        print(f"fa_sweep: {one_line(error)}", file=sys.stderr)
        return exit_status(error)
    finally:
        ArgumentParser.error = usage_and_exit  # type: ignore[method-assign]
        if not wants_whole_story:
            del os.environ["HYDRA_FULL_ERROR"]
    return 0


def _refuse(parser: ArgumentParser, message: str) -> NoReturn:
    """Stand in for argparse's own way with a wrong flag, eight lines of usage: Hydra's parser gives no other handle on it."""
    raise ConfigError(f"{message}; --hydra-help lists the flags")


def _mode_of_preset(arguments: list[str]) -> list[str]:
    """Hydra 1.4 takes hydra.mode from the command line alone: say there what a preset that sweeps says in its file."""
    flags = ("-m", "--multirun", "--cfg", "-c", "--info", "-i", "--help", "-h", "hydra.mode=")
    if _HYDRA_1_3 or any(a.startswith(flags) for a in arguments):
        return []
    for argument in arguments:
        key, _, name = argument.lstrip("+").partition("=")
        preset = Path(conf_dir()) / "experiment" / f"{name}.yaml"
        if key == "experiment" and preset.is_file() and "mode: MULTIRUN" in preset.read_text(errors="replace"):
            return ["hydra.mode=MULTIRUN"]
    return []
