"""What this program adds to Hydra's grammar of overrides: the function `logspace`."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hydra.core.override_parser import overrides_parser
from hydra.core.override_parser.types import ChoiceSweep

FEWEST_DIGITS, MOST_DIGITS = 4, 15  # significant digits of a value between the ends
MOST_VALUES = 100_000


def logspace(low: int | float, high: int | float, count: int) -> ChoiceSweep:
    """Return values that are evenly spaced on a logarithmic scale, as a sweep: `train.lr=logspace(0.001,1,7)`.

    Args:
        low: The first value.
        high: The last value.
        count: How many values, at least 2. Those between the ends are rounded to four significant digits, or to more if two
            values would otherwise be equal.

    Raises:
        ValueError: An end is not positive, both are equal, or there are fewer than two values.
    """
    if not all(0 < end < math.inf for end in (low, high)) or low == high:
        raise ValueError("the ends must be positive and differ")
    if not isinstance(count, int) or isinstance(count, bool) or not 2 <= count <= MOST_VALUES:
        raise ValueError(
            f"logspace({low},{high},{count}): the number of values must be a whole number from 2 to {MOST_VALUES:,}"
        )
    first, last = math.log(low), math.log(high)
    exact = [math.exp(first + (last - first) * n / (count - 1)) for n in range(1, count - 1)]
    for digits in range(FEWEST_DIGITS, MOST_DIGITS + 1):
        values = [low, *(float(f"{value:.{digits - 1}e}") for value in exact), high]
        if len(set(values)) == count:
            break
    return ChoiceSweep(list=list(values))


@contextmanager
def own_grammar() -> Iterator[None]:
    """Let Hydra read our functions in overrides, as long as the block runs."""
    create: Callable[[], Any] = overrides_parser.create_functions

    def with_ours() -> Any:
        functions = create()
        functions.register(name="logspace", func=logspace)
        return functions

    overrides_parser.create_functions = with_ours
    try:
        yield
    finally:
        overrides_parser.create_functions = create
