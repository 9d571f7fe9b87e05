"""Parse the overrides of a grid into the overrides of each job, and count the jobs before making any."""

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

MOST_JOBS = 1_000_000  # a larger sweep needs `confirm=true`
JOB_BYTES = 1000  # approximate memory of one planned job


@dataclass(frozen=True)
class Lines:
    """The overrides of every job, in the order of Hydra's BasicSweeper.

    `choices[n]` lists the values of the n-th override, each as KEY=VALUE. The jobs are all combinations of them.
    """

    choices: tuple[Sequence[str], ...]

    def __len__(self) -> int:
        return math.prod(map(len, self.choices))

    @property
    def place_of_seed(self) -> int | None:
        """The index of the override that sets the seed, or None if there is not exactly one such override."""
        keys = [values[0].partition("=")[0] for values in self.choices]
        places = [place for place, key in enumerate(keys) if key.lstrip("+~/").startswith("seed")]
        return places[0] if len(places) == 1 and keys[places[0]] == "seed" else None

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        return itertools.product(*self.choices)

    def values(self, key: str) -> Sequence[str]:
        """Return the values of a setting, each as KEY=VALUE; empty if no override sets it."""
        return next((values for values in self.choices if key_of(values[0]) == key), ())

    def with_values(self, key: str, values: Sequence[str]) -> "Lines":
        """Return these lines with other values of a setting, each as KEY=VALUE, or without the setting if there are none."""
        others = [old for old in self.choices if key_of(old[0]) != key]
        if not values:
            return Lines(tuple(others))
        if len(others) == len(self.choices):
            return Lines((*others, values))
        return Lines(tuple(values if key_of(old[0]) == key else old for old in self.choices))


def key_of(override: str) -> str:
    """Return the setting or group that an override names, without a leading + or ~."""
    return override.partition("=")[0].lstrip("+~")


def parse_jobs(arguments: Sequence[str], loader: Any, *, most: int = MOST_JOBS) -> Lines:
    """Return the overrides of every job of a sweep.

    Args:
        arguments: The overrides of the whole sweep.
        loader: Hydra's ConfigLoader, which knows the options of each group.
        most: The largest number of jobs allowed.

    Raises:
        ConfigError: An override is malformed, or its sweep is empty or endless, or there are more than `most` jobs.
    """
    parser = OverridesParser.create(config_loader=loader)
    overrides = [parsed(text, parser) for text in arguments]
    counts = {override.get_key_element(): (_count(override), override) for override in overrides}
    largest = max(counts.values(), key=lambda one: one[0], default=(0, None))[1]
    what = "" if largest is None else shown(largest.input_line)[1:-1]
    refuse_more(math.prod(count for count, _ in counts.values()), most, what)
    choices: dict[str, Sequence[str]] = {}
    for override in overrides:
        key = override.get_key_element()
        if override.is_sweep_override():
            choices[key] = [f"{key}={value}" for value in override.sweep_string_iterator()]
        else:
            choices[key] = [f"{key}={override.get_value_element_as_str()}"]
    return Lines(tuple(choices.values()))


def refuse_more(jobs: int, most: int, what: str) -> None:
    """Raise ConfigError if a sweep has more jobs than allowed. `what` is to blame for it."""
    if jobs > most:
        raise ConfigError(f"{what} makes it a sweep of {_number(jobs)} jobs; {_remedy(most)}")


def _remedy(most: int) -> str:
    if most <= MOST_JOBS:
        return f"more than {most:,} need confirm=true: check the ranges first"
    return f"this machine has memory for {most:,}: sweep over fewer at a time"


def _number(jobs: int) -> str:
    return f"{jobs:,}" if jobs < 10**18 else "10^18 or more"


def _count(override: Override) -> int:
    """Return how many values an override has. The values of a range are counted without making them."""
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
    """Return how many values a range has, or 10^18 if it has more. Raises ConfigError if it is endless."""
    bounds = [Decimal(bound) for bound in (values.start, values.stop, values.step) if bound is not None]
    if not all(bound.is_finite() for bound in bounds):
        raise ConfigError(f"{override.input_line}: the ends of a range must be finite; give it numbers, such as range(0,50)")
    start, stop, step = bounds
    if step == 0:
        raise ConfigError(f"{override.input_line}: a step of 0 never reaches the end; give the range another step")
    if (stop - start) / step > 10**18 or start + step == start:  # Decimal cannot count that many steps
        return 10**18
    return max(0, math.ceil((stop - start) / step))
