"""Calls from several threads take their turns, because neither Hydra nor matplotlib allows more than one at a time."""

from collections.abc import Callable
from functools import wraps
from threading import RLock
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
LOCK = RLock()


def one_at_a_time(function: Callable[P, T]) -> Callable[P, T]:
    """Let only one thread at a time be in any of the functions that are decorated with this."""

    @wraps(function)
    def turn(*args: P.args, **kwargs: P.kwargs) -> T:
        with LOCK:
            return function(*args, **kwargs)

    return turn
