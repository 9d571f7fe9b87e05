"""Search for the best settings of each group with Optuna (`tune.search=optuna`), a batch of trials at a time.

Each group has a study of its own and tries equally many combinations. A batch holds the trials of all groups, which are trained
together with all tuning seeds.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from typing import Any

from fa_sweep.cli.designs import Grid
from fa_sweep.cli.lines import key_of
from fa_sweep.decisions.choice import Scored, is_wide
from fa_sweep.errors import ConfigError
from fa_sweep.settings.designs import TuneConfig
from fa_sweep.sweeping.jobs import Job

WORST = -1e18  # stands for a value that is undefined or infinite
STEPS_PER_FRACTION = 1e9  # larger than any time, so that times only break ties between fractions


class Search:
    """Proposes combinations of settings, and learns from their scores."""

    def __init__(self, settings: TuneConfig, grids: Sequence[Grid]) -> None:
        """Read the space from the sweep: numbers from the smallest to the largest value, anything else as given.

        Raises:
            ConfigError: The extra `optuna` is not installed, or the sweep is a union of grids.
        """
        try:
            import optuna
        except ImportError as error:
            raise ConfigError("tune.search is optuna; it needs an extra: pip install 'fa-sweep[optuna]'") from error
        if len(grids) > 1:
            raise ConfigError("tune.search is optuna, but the sweep is a union of grids; use tune.search=grid, or one grid")
        self._optuna, self._settings, self._grid = optuna, settings, grids[0]
        columns = {key_of(values[0]): list(values) for values in grids[0].lines.choices if len(values) > 1}
        columns.pop("seed", None)
        self.ranges: dict[str, list[float]] = {}
        for key, words in columns.items():
            numbers = [_number(word.partition("=")[2]) for word in words]
            if None not in numbers:
                known = [number for number in numbers if number is not None]
                self.ranges[key] = [min(known), max(known)]
        own = {key: columns.pop(key) for key in list(columns) if key in settings.per}
        self._space = columns
        self._groups = [list(words) for words in product(*own.values())]
        with _quiet(optuna):
            self._studies = [
                optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=number))
                for number in range(len(self._groups))
            ]
        self._open: list[tuple[int, Any, list[str]]] = []
        self._asked = 0

    def batch(self) -> list[Grid]:
        """Return the grids of the next batch of trials; empty if every group has had all of its trials."""
        self._open = []
        size = min(self._settings.batch, self._settings.trials - self._asked)
        self._asked += size
        with _quiet(self._optuna):
            for _ in range(size):
                for number, words in enumerate(self._groups):
                    trial = self._studies[number].ask()
                    self._open.append((number, trial, [*words, *(self._word(trial, key) for key in self._space)]))
        return list(map(self._with, {tuple(words): words for _, _, words in self._open}.values()))

    def _word(self, trial: Any, key: str) -> str:
        texts = [word.partition("=")[2] for word in self._space[key]]
        if key not in self.ranges:
            return f"{key}={trial.suggest_categorical(key, texts)}"
        low, high = self.ranges[key]
        log = is_wide(low, high)
        if all(isinstance(_number(text), int) for text in texts):
            return f"{key}={trial.suggest_int(key, low, high, log=log)}"
        return f"{key}={float(f'{trial.suggest_float(key, low, high, log=log):.3e}')!r}"

    def _with(self, words: Sequence[str]) -> Grid:
        lines = self._grid.lines
        for word in words:
            lines = lines.with_values(key_of(word), [word])
        return replace(self._grid, lines=lines)

    def tell(self, lines: Mapping[tuple[str, ...], Job], scored: Mapping[str, Scored]) -> None:
        """Report what became of the last batch.

        Args:
            lines: The jobs so far by the overrides of their lines.
            scored: The scores so far by the label of the group.
        """
        jobs = {frozenset(line): job for line, job in lines.items()}
        with _quiet(self._optuna):
            for number, trial, words in self._open:
                job = next((job for line, job in jobs.items() if line.issuperset(words)), None)
                if job is None or job.group not in scored:  # refused, excluded or failed
                    self._studies[number].tell(trial, state=self._optuna.trial.TrialState.FAIL)
                else:
                    self._studies[number].tell(trial, _value(scored[job.group].score))


def _value(score: Sequence[float]) -> float:
    """Return a score as one number. Of a fraction and a time, the time only breaks ties."""
    first = score[0] if math.isfinite(score[0]) else WORST
    if len(score) == 1:
        return first
    return first * STEPS_PER_FRACTION + (score[1] if math.isfinite(score[1]) else 0.0)


def _number(text: str) -> int | float | None:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return None


@contextmanager
def _quiet(optuna: Any) -> Iterator[None]:
    """Let Optuna print only errors, as long as the block runs."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
