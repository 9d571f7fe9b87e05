"""What a sweep's command line asks for, job by job: counted before any job is made."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, RangeSweep

from fa_sweep.checks import shown
from fa_sweep.cli.refusals import parsed
from fa_sweep.errors import ConfigError

MOST_JOBS = 1_000_000  # that are planned without `confirm=true`
JOB_BYTES = 1000  # what a planned job takes in memory, about


@dataclass(frozen=True)
class Lines:
    """Every job's overrides, in BasicSweeper's order; `choices[n]` are the n-th override's values, each as KEY=VALUE."""

    choices: tuple[Sequence[str], ...]

    def __len__(self) -> int:
        return math.prod(map(len, self.choices))

    @property
    def place_of_seed(self) -> int | None:
        """Which override sets the seed; None where none does, or not one alone."""
        keys = [values[0].partition("=")[0] for values in self.choices]
        places = [place for place, key in enumerate(keys) if key.lstrip("+~/").startswith("seed")]
        return places[0] if len(places) == 1 and keys[places[0]] == "seed" else None

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        return itertools.product(*self.choices)


def parse_jobs(arguments: Sequence[str], loader: Any, *, most: int = MOST_JOBS) -> Lines:
    """Return the overrides of every job of a sweep.

    Args:
        arguments: the overrides of the whole sweep.
        loader: Hydra's ConfigLoader, which knows the options of a group.
        most: the largest number of jobs.

    Raises:
        ConfigError: an override is malformed, sweeps over nothing or without end, or there are more jobs than `most`.
    """
    parser = OverridesParser.create(config_loader=loader)
    overrides = [parsed(text, parser) for text in arguments]
    counts = {override.get_key_element(): (_count(override), override) for override in overrides}
    jobs = math.prod(count for count, _ in counts.values())
    if jobs > most:
        largest = max(counts.values(), key=lambda one: one[0])[1].input_line
        raise ConfigError(f"{shown(largest)[1:-1]} makes it a sweep of {_number(jobs)} jobs; {_remedy(most)}")
    choices: dict[str, Sequence[str]] = {}
    for override in overrides:
        key = override.get_key_element()
        if override.is_sweep_override():
            choices[key] = [f"{key}={value}" for value in override.sweep_string_iterator()]
        else:
            choices[key] = [f"{key}={override.get_value_element_as_str()}"]
    return Lines(tuple(choices.values()))


def _remedy(most: int) -> str:
    if most <= MOST_JOBS:
        return f"more than {most:,} need confirm=true: check the ranges first"
    return f"this machine's memory holds {most:,}: sweep over fewer at a time"


def _number(jobs: int) -> str:
    return f"{jobs:,}" if jobs < 10**18 else "10^18 or more"


def _count(override: Override) -> int:
    """Return how many values an override has, without making them."""
    if not override.is_sweep_override():
        return 1
    if not override.is_discrete_sweep():
        raise ConfigError(f"{override.input_line} has no list of values; sweep over a,b,c, choice() or range()")
    if isinstance(override._value, RangeSweep):
        count = _count_range(override, override._value)
    else:
        count = sum(1 for _ in override.sweep_iterator())
    if count == 0:
        raise ConfigError(f"{override.input_line} is an empty sweep; give it at least one value")
    return count


def _count_range(override: Override, values: RangeSweep) -> int:
    bounds = [Decimal(bound) for bound in (values.start, values.stop, values.step) if bound is not None]
    if not all(bound.is_finite() for bound in bounds):
        raise ConfigError(f"{override.input_line}: a range has an end; give it finite numbers, such as range(0,50)")
    start, stop, step = bounds
    if step == 0:
        raise ConfigError(f"{override.input_line}: steps of 0 lead nowhere; give the range another step")
    if (stop - start) / step > 10**18 or start + step == start:  # beyond what the decimal steps can be counted with
        return 10**18
    return max(0, math.ceil((stop - start) / step))
