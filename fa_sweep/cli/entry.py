"""Training from the command line: the Hydra application behind `python -m fa_sweep` and the command `fa-sweep`."""

import importlib.util
import inspect
import os
import sys
import traceback
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser import overrides_parser, overrides_visitor
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from fa_sweep.cli.arguments import check_arguments
from fa_sweep.cli.composition import is_public
from fa_sweep.cli.config_files import checked_files
from fa_sweep.cli.configuration import conf_dir, resolve, yaml_without_secrets
from fa_sweep.cli.current import carried_out
from fa_sweep.cli.grammar import own_grammar
from fa_sweep.cli.refusals import begins_anew, exit_status, one_line
from fa_sweep.errors import CannotWrite, ConfigError
from fa_sweep.process.notices import begin_command
from fa_sweep.process.secrets import redacted_output, remember_secrets_of_the_process
from fa_sweep.process.signals import UNTOUCHED, interrupted, meanwhile

# Hydra 1.4 refuses to instantiate callbacks that are not listed, and does not know version_base "1.3".
_HYDRA_1_3 = hydra.__version__.startswith("1.3")
_MAIN_ARGUMENTS = {"version_base": "1.3"} if _HYDRA_1_3 else {"execution_whitelist": ["fa_sweep.*"]}


def job(config: DictConfig) -> None:
    """Run one Hydra job: a single run, or one run of a sweep under a launcher other than ours.

    Our own launcher trains a sweep's jobs together and does not call this function.
    """
    from fa_sweep.cli.application import train_job
    from fa_sweep.cli.single import run_single

    composed = HydraConfig.get()
    os.chdir(composed.runtime.cwd)  # in case hydra.job.chdir=true moved to the run's folder
    overrides = [override for override in composed.overrides.task if is_public(override)]
    if composed.mode is RunMode.MULTIRUN:
        train_job(resolve(config), overrides, Path(composed.sweep.dir))
    else:
        run_single(resolve(config), overrides, Path(composed.run.dir), yaml_without_secrets(config))


def main(arguments: Sequence[str] | None = None) -> int:
    """Train a run or a sweep.

    This function installs no signal handlers (`fa_sweep.__main__` does), so other callers keep their own.

    Args:
        arguments: The words of the command line after the program's name; by default those of this process.

    Returns:
        The exit status: 0 for success, 2 for refused settings, 130 for an interrupt, and 1 for anything else that fails,
        such as a run, or a file that cannot be written.
    """
    if arguments is not None:
        sys.argv[1:] = arguments  # Hydra reads its arguments from there
    begin_command()
    remember_secrets_of_the_process()
    with redacted_output():
        return _main()


def _main() -> int:
    from fa_sweep.errors import RunsFailed
    from fa_sweep.sweeping.folder import fresh_id

    meanwhile(UNTOUCHED)
    OmegaConf.register_new_resolver("fresh_id", fresh_id, use_cache=True, replace=True)
    wants_whole_story = os.environ.get("HYDRA_FULL_ERROR") == "1"
    sys.argv += _mode_of_preset(sys.argv[1:])
    begins_anew()
    try:
        with _hydra_s_ways(), own_grammar(), checked_files(), plugins_visible(), carried_out(sys.argv[1:]):
            check_arguments(sys.argv[1:])
            hydra.main(config_path=conf_dir(), config_name="config", **_MAIN_ARGUMENTS)(job)()
    except CannotWrite as error:
        kept = "what was finished before is kept; make room, or choose another folder, and run the same command again"
        print(f"fa_sweep: {error.strerror}; {kept}", file=sys.stderr)
        return 1
    except RunsFailed as error:
        print(f"fa_sweep: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(interrupted(), file=sys.stderr)
        return 130
    except Exception as error:
        if wants_whole_story:
            traceback.print_exc()  # printed here, where secrets are still masked
        print(f"fa_sweep: {one_line(error)}", file=sys.stderr)
        return exit_status(error)
    return 0


@contextmanager
def _hydra_s_ways() -> Iterator[None]:
    """Have Hydra raise errors instead of printing them and exiting, and accept flags anywhere among the overrides."""
    full_error = os.environ.get("HYDRA_FULL_ERROR")
    refuse, parse = ArgumentParser.error, ArgumentParser.parse_args
    os.environ["HYDRA_FULL_ERROR"] = "1"
    ArgumentParser.error = _refuse  # type: ignore[assignment, method-assign]
    ArgumentParser.parse_args = ArgumentParser.parse_intermixed_args  # type: ignore[method-assign]
    try:
        yield
    finally:
        ArgumentParser.error, ArgumentParser.parse_args = refuse, parse  # type: ignore[method-assign]
        if full_error is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = full_error


@contextmanager
def plugins_visible() -> Iterator[None]:
    """Let Hydra find our plugins even if the working folder has a package `hydra_plugins`, which would hide ours.

    Raises ConfigError if that package cannot be imported.
    """
    try:
        plugins = importlib.import_module("hydra_plugins")
    except Exception as error:
        where = getattr(importlib.util.find_spec("hydra_plugins"), "origin", None) or "hydra_plugins"
        raise ConfigError(
            f"{where} cannot be imported: {type(error).__name__}: {error}; mend it or move it out of the way"
        ) from error
    ours, before = str(Path(__file__).resolve().parents[2] / "hydra_plugins"), getattr(plugins, "__path__", None)
    if ours not in list(before or ()):
        plugins.__path__ = [*(before or ()), ours]
    try:
        yield
    finally:
        if before is None:  # a file hydra_plugins.py
            del plugins.__path__
        else:
            plugins.__path__ = before


def _keep_hydra_s_assertions() -> None:
    """Compile Hydra's override visitor again with its assertions. `python -O` removes them, but they advance the parser."""
    source = compile(inspect.getsource(overrides_visitor), str(overrides_visitor.__file__), "exec", optimize=0)
    exec(source, vars(overrides_visitor))  # noqa: S102 (its own source)
    vars(overrides_parser)["HydraOverrideVisitor"] = overrides_visitor.HydraOverrideVisitor


if sys.flags.optimize:
    _keep_hydra_s_assertions()


def _refuse(parser: ArgumentParser, message: str) -> NoReturn:
    """Raise ConfigError in place of `ArgumentParser.error`, which prints eight lines of usage and exits."""
    raise ConfigError(f"{message}; --hydra-help lists the flags")


def _mode_of_preset(arguments: list[str]) -> list[str]:
    """Return [`hydra.mode=MULTIRUN`] if a preset needs it, or else []. Hydra 1.4 ignores the mode in a preset's file."""
    flags = ("-m", "--multirun", "--cfg", "-c", "--info", "-i", "--help", "-h", "hydra.mode=")
    if _HYDRA_1_3 or any(a.startswith(flags) for a in arguments):
        return []
    for argument in arguments:
        key, _, name = argument.lstrip("+").partition("=")
        preset = Path(conf_dir()) / "experiment" / f"{name}.yaml"
        if key == "experiment" and preset.is_file() and "mode: MULTIRUN" in preset.read_text(encoding="utf-8"):
            return ["hydra.mode=MULTIRUN"]
    return []
