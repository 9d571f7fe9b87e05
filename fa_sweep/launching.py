"""A Hydra sweep: from the command line's overrides to checked jobs, through any launcher, to a closed sweep."""

import itertools
import re
from collections.abc import Iterable, Sequence
from contextlib import closing, nullcontext
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, open_dict, read_write

from fa_sweep.application import close_sweep, open_sweep, prepare, show_plan, to_train
from fa_sweep.checks import ConfigError
from fa_sweep.composition import NOT_PART_OF_A_RUN, Composer
from fa_sweep.config import one_line, yaml_without_secrets
from fa_sweep.schema import AppConfig
from fa_sweep.secrets import redact
from fa_sweep.signals import children_deaf_to_ctrl_c, meanwhile
from fa_sweep.sweep.failures import failure
from fa_sweep.sweep.folder import Sweep, make_folder, remove_folder
from fa_sweep.sweep.jobs import Job
from fa_sweep.sweep.storage import CannotWrite, write_bytes

Candidate = tuple[AppConfig, dict[str, Any], tuple[str, ...]]  # settings, what the overrides chose, the overrides


def parse_jobs(arguments: Sequence[str], loader: Any) -> list[list[str]]:
    """Return every job's overrides, in BasicSweeper's order. Raises ConfigError for an empty or a continuous sweep."""
    choices: dict[str, list[str]] = {}
    for override in OverridesParser.create(config_loader=loader).parse_overrides(list(arguments)):
        key = override.get_key_element()
        if not override.is_sweep_override():
            choices[key] = [f"{key}={override.get_value_element_as_str()}"]
        elif override.is_discrete_sweep():
            choices[key] = [f"{key}={value}" for value in override.sweep_string_iterator()]
            if not choices[key]:
                raise ConfigError(f"{override.input_line} is an empty sweep; give it at least one value")
        else:
            raise ConfigError(f"{override.input_line} has no list of values; sweep over a,b,c, choice() or range()")
    return [list(job) for job in itertools.product(*choices.values())]


def sweep(arguments: Sequence[str], sweeper: Any) -> list[Any]:
    """Conduct a sweep for a Hydra sweeper that has `hydra_context`, `config` and `launcher`. Returns Hydra's job returns."""
    config: DictConfig = sweeper.config
    composer = Composer(sweeper.hydra_context.config_loader, config)
    lines = parse_jobs(arguments, sweeper.hydra_context.config_loader)
    ours = hasattr(sweeper.launcher, "check")  # Hydra's own have checked their settings by now
    if ours:
        sweeper.launcher.check()
    candidates = []
    for number, overrides in enumerate(lines):
        try:
            app = composer.settings(overrides)
        except Exception as error:
            where = f" (job {number}: {' '.join(overrides)})" if len(lines) > 1 else ""
            raise ConfigError(one_line(error) + where) from error
        candidates.append((app, _chosen(composer, overrides, app), _public(overrides)))
        if number == 0 and not app.dry_run:
            meanwhile("finished shards are kept, the same command goes on from there")
            if ours:
                sweeper.launcher.expect(app, len(lines))
    jobs, app = prepare(candidates)
    if app.dry_run:
        show_plan(jobs, app, getattr(sweeper.launcher, "executor", "local"))
        return []
    folder = _make_folder(config)
    with closing(_open(folder, jobs, app, config)) as opened:
        return _conduct(opened, app, sweeper.launcher, candidates, lines)


def _open(folder: Path, jobs: Sequence[Job], app: AppConfig, config: DictConfig) -> Sweep:
    """Write a new sweep's folder. Raises CannotWrite, and then there is none."""
    try:
        opened = open_sweep(folder, jobs, app)
        write_bytes(yaml_without_secrets(config).encode(), folder / "multirun.yaml")
    except CannotWrite:
        remove_folder(folder)
        raise
    return opened


def _conduct(
    opened: Sweep, app: AppConfig, launcher: Any, candidates: Sequence[Candidate], lines: Sequence[list[str]]
) -> list[Any]:
    lines_of = {candidate[2]: tuple(line) for candidate, line in zip(candidates, lines, strict=True)}
    missing = {lines_of[job.overrides]: job for job in to_train(opened.jobs)}
    launcher.jobs, launcher.n_jobs = missing, app.n_jobs  # ours need not compose them again
    try:
        with nullcontext() if hasattr(launcher, "check") else children_deaf_to_ctrl_c():
            returns = list(launcher.launch(list(missing), initial_job_idx=0)) if missing else []
    except ConfigError:  # nobody to train it: a scheduler that does not answer
        remove_folder(opened.folder)
        raise
    _keep_failures(opened, missing.values(), returns)
    close_sweep(opened, app)
    return returns


def _chosen(composer: Composer, overrides: Sequence[str], app: AppConfig) -> dict[str, Any]:
    """Return what a job's overrides set, by key: the option of a group, or the value as the settings have it."""
    chosen: dict[str, Any] = {}
    for override in overrides:
        found = composer.factor(override)
        if found is not None:
            key, option = found
            chosen[key] = _setting(app, key, override.partition("=")[2]) if option is None else option
    return chosen


def _setting(app: AppConfig, key: str, given: str) -> Any:
    """Return the value of a dotted key; what was given where that is no single value."""
    value: Any = app
    for name in key.split("."):
        value = getattr(value, name, app)
    return given if is_dataclass(value) else value


def _public(overrides: Sequence[str]) -> tuple[str, ...]:
    """Return the overrides that concern the run itself: no tracking URI, which may hold a password."""
    own = (o for o in overrides if re.split(r"[=./@:]", o.lstrip("+~"), maxsplit=1)[0] not in NOT_PART_OF_A_RUN)
    return tuple(map(redact, own))


def _make_folder(config: DictConfig) -> Path:
    """Make the sweep's folder, and tell every launcher's jobs of it."""
    folder = Path(str(config.hydra.sweep.dir))
    make_folder(folder, "hydra.sweep.dir", new=True)
    with read_write(config.hydra), open_dict(config.hydra):
        config.hydra.sweep.dir = str(folder)
        config.hydra.output_subdir = None  # one table of settings instead of a folder a job
        config.hydra.overrides.hydra += [f"hydra.sweep.dir='{folder}'", "hydra.output_subdir=null"]
    return folder


def _keep_failures(opened: Sweep, jobs: Iterable[Job], returns: Sequence[Any]) -> None:
    """Note the errors of jobs that a launcher of Hydra's ran."""
    errors = {}
    for job, returned in zip(jobs, returns, strict=True):
        try:
            _ = returned.return_value
        except Exception as error:
            errors[job.run_id] = failure(error)
    if errors:
        opened.add_failures(errors)
