"""Conduct a Hydra sweep from its command line to its report."""

from collections.abc import Sequence
from contextlib import closing
from typing import Any

from fa_sweep.cli.application import close_sweep
from fa_sweep.cli.conductor import Conductor
from fa_sweep.cli.console import say
from fa_sweep.cli.planning import prepare, show_plan, to_train
from fa_sweep.errors import ConfigError
from fa_sweep.settings.designs import DECIDE, GRID, TUNE
from fa_sweep.sweeping.record import group_of


def sweep(arguments: Sequence[str], sweeper: Any) -> list[Any]:
    """Conduct a whole sweep for a Hydra sweeper, or print its plan if `dry_run=true`.

    Args:
        arguments: The overrides of the sweep.
        sweeper: The sweeper, with the attributes `hydra_context`, `config`, `launcher`, and those of `designs.Design`.

    Returns:
        Hydra's JobReturn of each job that was trained. Reused jobs have none.

    Raises:
        ConfigError: The sweep cannot be run as asked. Its folder is removed, unless it already holds finished shards.
        CannotWrite: The sweep's folder cannot be written.
        RunsFailed: Runs failed or are missing, or the report or MLflow's database could not be written.
    """
    conductor = Conductor(arguments, sweeper)
    grids = conductor.grids()
    _check_design(conductor)
    if conductor.design == DECIDE:
        from fa_sweep.cli.deciding import decide  # imports SciPy, which other sweeps need only for their report

        return decide(conductor, grids)
    if conductor.design == TUNE:
        from fa_sweep.cli.tuning import tune

        return tune(conductor, grids)
    candidates = conductor.candidates(grids)
    app = conductor.app
    if app.design != GRID:  # of presets that are swept over
        raise ConfigError(f"a preset has design: {app.design}; such presets cannot be swept over: run them one after the other")
    jobs, plan = prepare(candidates, app, conductor.executor)
    _hint_at_seeds(arguments)
    if app.dry_run:
        show_plan(jobs, plan, app)
        return []
    with closing(conductor.open(jobs, app)) as opened:
        returns = conductor.train(opened, to_train(opened.jobs), grids)
        close_sweep(opened, app)
        return returns


def _check_design(conductor: Conductor) -> None:
    """Raise ConfigError if settings of another design are given on the command line."""
    for argument in conductor.arguments:
        group = group_of(argument)
        if group in (TUNE, DECIDE) and group != conductor.design:
            raise ConfigError(f"{argument} is for the verb {group}: python -m fa_sweep {group} ...")


def _hint_at_seeds(arguments: Sequence[str]) -> None:
    """Print a note for `seed=50`, which is the single seed 50 and not a sweep over 50 seeds."""
    for argument in arguments:
        seed = argument.removeprefix("seed=")
        if seed != argument and seed.isdecimal() and int(seed) > 1:
            say(f"note: {argument} is one seed; 'seed=range({seed})' sweeps over {seed} of them", error=True)
