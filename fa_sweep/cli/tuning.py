"""Conduct a sweep in two stages (`design=tune`): choose settings on tuning seeds, then compare the choices on fresh seeds."""

from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from typing import Any

from fa_sweep.cli import console
from fa_sweep.cli.application import close_sweep
from fa_sweep.cli.conductor import Conductor
from fa_sweep.cli.designs import Grid
from fa_sweep.cli.lines import Lines
from fa_sweep.cli.planning import prepare, show_plan, to_train
from fa_sweep.cli.searching import Search
from fa_sweep.decisions.choice import Choice, beyond, check_by, choices_of, chosen_factors, label, words
from fa_sweep.decisions.designs import FRESH, TUNING
from fa_sweep.errors import ConfigError
from fa_sweep.settings.designs import TUNE
from fa_sweep.settings.schema import AppConfig
from fa_sweep.sweeping.folder import Sweep
from fa_sweep.sweeping.union import united

EVALUATE_ON = "task.evaluate_on"


def tune(conductor: Conductor, grids: Sequence[Grid]) -> list[Any]:
    """Conduct both stages. Each is a sweep of the ledger, so the same command goes on where it was interrupted.

    Args:
        conductor: The steps of the command.
        grids: The grids of the sweep, with the fresh seeds.

    Returns:
        Hydra's JobReturn of each job that was trained.

    Raises:
        ConfigError: The sweep cannot be tuned, or cannot be run as asked.
        CannotWrite: A sweep's folder cannot be written.
        RunsFailed: Runs failed or are missing, or the report or MLflow's database could not be written.
    """
    tuning = _Tuning(conductor, grids)
    if tuning.app.dry_run:
        tuning.show_plan()
        return []
    with closing(tuning.open()) as opened:
        returns = tuning.search(opened)
        found = tuning.close(opened)
    return returns + _compare(conductor, tuning, found, opened.id)


class _Tuning:
    """The first stage: the search on the tuning seeds."""

    def __init__(self, conductor: Conductor, grids: Sequence[Grid]) -> None:
        self._conductor = conductor
        settings = conductor.composer.settings(next(iter(grids[0].lines))).tune
        self.settings = settings
        self.seeds = range(settings.first_seed, settings.first_seed + settings.seeds)
        self.validates = [_validates(conductor, grid) for grid in grids]
        self.grids = [
            replace(grid, lines=on_seeds(grid.lines, self._seed_words(), "validation" if own else ""))
            for grid, own in zip(grids, self.validates, strict=True)
        ]
        self._grid_of_search = list(self.grids)
        if any("seed" in condition.names for grid in grids for condition in grid.exclude):
            raise ConfigError(
                "hydra.sweeper.exclude has a condition on the seed, but the choice is made on other seeds; leave the seed out"
            )
        self._fresh_seeds = grids[0].lines.values("seed")
        self._check_seeds(grids)
        self._search = Search(settings, self.grids) if settings.search == "optuna" else None
        if self._search is not None:
            self.grids = self._search.batch()
        candidates = conductor.candidates(self.grids)
        self.app: AppConfig = conductor.app
        self.jobs, self._plan = prepare(candidates, self.app, conductor.executor)
        self.factors = chosen_factors(self.jobs, settings.per)
        check_by(settings.by, self.jobs)

    def _seed_words(self) -> list[str]:
        return [f"seed={seed}" for seed in self.seeds]

    def _check_seeds(self, grids: Sequence[Grid]) -> None:
        """Raise ConfigError if a seed of the sweep is a tuning seed, or if the grids have different seeds."""
        if any(list(grid.lines.values("seed")) != list(self._fresh_seeds) for grid in grids):
            raise ConfigError("the grids have different seeds; a sweep that is tuned needs the same in all of them")
        # Without a seed on the command line or in a preset's sweep, there is still the one of the settings.
        own = {self._conductor.composer.settings(next(iter(grid.lines))).seed for grid in grids}
        given = [word.partition("=")[2] for word in self._fresh_seeds]
        self.refuse_tuning_seeds({*own, *(int(text) for text in given if text.isdecimal())})

    def refuse_tuning_seeds(self, fresh: Collection[int]) -> None:
        """Raise ConfigError if one of the fresh seeds is a tuning seed."""
        shared = sorted(seed for seed in fresh if seed in self.seeds)
        if shared:
            last = self.seeds[-1]
            raise ConfigError(
                f"seed={shared[0]} is one of the tuning seeds, {self.seeds[0]} to {last}; the choice must not see the seeds "
                f"that it is tested on: choose other seeds, or tune.first_seed={last + 1}"
            )

    def show_plan(self) -> None:
        """Print the plan of the tuning stage, and what follows it."""
        console.say(self._title())
        show_plan(self.jobs, self._plan, self.app)
        fresh = max(1, len(self._fresh_seeds))
        console.say(f"then       each group's choice on {fresh} fresh seed{'s' * (fresh != 1)}")

    def _title(self) -> str:
        tried = f"{len({job.group for job in self.jobs})} combinations"
        if self._search is not None:
            tried = f"{self.settings.trials} combinations per group, chosen by Optuna"
        by = "fraction converged" if self.settings.by == "converged" else f"median final {self.settings.by}"
        seeds = f"tuning on {len(self.seeds)} seeds ({self.seeds[0]} to {self.seeds[-1]})"
        return f"{seeds}: {tried}; by the {by} on {self.data} data"

    @property
    def data(self) -> str:
        """Which data the choice sees: "validation" or "evaluation"."""
        return "validation" if all(self.validates) else "evaluation"

    def open(self) -> Sweep:
        """Open the sweep of this stage."""
        return self._conductor.open(self.jobs, self.app, self._design(), stage=TUNING)

    def _design(self) -> dict[str, Any]:
        return {"kind": TUNE, "stage": TUNING, **self.chosen_how}

    @property
    def chosen_how(self) -> dict[str, Any]:
        """How the choice is made, for the records of both stages."""
        ranges = {} if self._search is None else {"ranges": self._search.ranges}
        return {**asdict(self.settings), "data": self.data, **ranges}

    def search(self, opened: Sweep) -> list[Any]:
        """Train all combinations, and further ones if that is asked for. Returns Hydra's JobReturn of each trained job."""
        console.say(self._title())
        returns = self._conductor.train(opened, to_train(self.jobs), self.grids)
        if self._search is not None:
            return returns + self._go_on(opened, self._search)
        for _ in range(self.settings.widen):
            further = self._widened(self.choices(opened))
            if not further:
                break
            returns += self._add(opened, further)
        return returns

    def _go_on(self, opened: Sweep, search: Search) -> list[Any]:
        """Tell a search the scores of its batch and train the next one, until there is none."""
        returns: list[Any] = []
        while True:
            scored = {one.group: one for choice in self.choices(opened) for one in choice.tried}
            search.tell(self._conductor.lines_of(self.jobs, self.grids), scored)
            further = search.batch()
            if not further:
                return returns
            returns += self._add(opened, further)

    def _widened(self, found: Sequence[Choice]) -> list[Grid]:
        """Return grids with one more value of each range at whose end a choice lies. All groups try it."""
        grids = []
        for name, end in dict.fromkeys((name, end) for choice in found for name, end in choice.edges.items()):
            numbers = {value for choice in found for one in choice.tried for other, value in one.levels if other == name}
            value = beyond([number for number in numbers if isinstance(number, int | float)], end)
            word = f"{name}={value!r}"
            console.say(f"widened: {word}, because a choice lies at the {end} value")
            grids += [
                replace(grid, lines=grid.lines.with_values(name, [word]))
                for grid in self._grid_of_search
                if len(grid.lines.values(name)) > 1
            ]
        return grids

    def _add(self, opened: Sweep, further: Sequence[Grid]) -> list[Any]:
        """Train further grids as part of the same sweep."""
        jobs, _ = prepare(self._conductor.candidates(further), self.app, self._conductor.executor)
        known = {job.id for job in self.jobs}
        self.grids, self.jobs = [*self.grids, *further], united([self.jobs, jobs])
        opened.extend(self.jobs, self._design())
        new = [job for job in to_train(self.jobs) if job.id not in known]
        return self._conductor.train(opened, new, self.grids)

    def choices(self, opened: Sweep) -> list[Choice]:
        """Return what each group chooses so far."""
        return choices_of(opened.record.design, self.jobs, opened.records(quiet=True))

    def chosen(self, found: Sequence[Choice]) -> list[Grid]:
        """Return one grid per choice: its settings on the fresh seeds, and on the test data if validation data chose them."""
        first = {job.group: job for job in reversed(self.jobs)}
        wanted = [first[choice.best.group] for choice in found]
        grids = []
        for line in self._conductor.lines_of(wanted, self.grids):
            lines = Lines(tuple([word] for word in line))
            validated = f"{EVALUATE_ON}=validation" in line
            grids.append(Grid(on_seeds(lines, self._fresh_seeds, "test" if validated else "")))
        return grids

    def close(self, opened: Sweep) -> list[Choice]:
        """Import the tuning sweep into MLflow, and print and return the choices."""
        close_sweep(opened, self.app, last=False)
        found = self.choices(opened)
        for choice in found:
            console.say(f"  {label(choice)}: {words(choice, self.settings.by, self.jobs[0].run.task.success.metric)}")
            if choice.decided_by < 0:
                console.say(
                    f"warning: {label(choice)}: nothing distinguishes its best values; try another tune.by, such as loss",
                    error=True,
                )
            for name, end in choice.edges.items():
                console.say(
                    f"warning: {label(choice)} chose the {end} {name} that was tried; the best value may lie beyond. "
                    f"Sweep over a wider range, or add tune.widen=3",
                    error=True,
                )
        return found


def _compare(conductor: Conductor, tuning: _Tuning, found: Sequence[Choice], tuned: str) -> list[Any]:
    """Conduct the second stage: the choices on the fresh seeds."""
    grids = tuning.chosen(found)
    jobs, _ = prepare(conductor.candidates(grids), tuning.app, conductor.executor)
    tuning.refuse_tuning_seeds({job.run.seed for job in jobs})  # before anything is tested, whatever set the seeds
    design = {"kind": TUNE, "stage": FRESH, "tuning": tuned, **tuning.chosen_how, "chosen": tuning.factors}
    with closing(conductor.open(jobs, tuning.app, design)) as opened:
        returns = conductor.train(opened, to_train(jobs), grids)
        close_sweep(opened, tuning.app)
    return returns


def on_seeds(lines: Lines, seeds: Sequence[str], evaluate_on: str) -> Lines:
    """Return lines with other seeds and, if `evaluate_on` is not empty, with other data to evaluate on."""
    found = lines.with_values("seed", seeds)
    return found.with_values(EVALUATE_ON, [f"{EVALUATE_ON}={evaluate_on}"]) if evaluate_on else found


def _validates(conductor: Conductor, grid: Grid) -> bool:
    """Whether the task of a grid has validation examples."""
    return bool(getattr(conductor.composer.settings(next(iter(grid.lines))).task, "validation", 0))
