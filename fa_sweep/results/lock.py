"""Calls from several threads take their turns, because neither Hydra nor matplotlib allows more than one at a time."""

import os
from collections.abc import Callable
from functools import wraps
from threading import RLock
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
LOCK = RLock()
# A child process that is forked during another thread's call would wait for ever, because that thread is not in it.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=LOCK._at_fork_reinit)  # type: ignore[attr-defined]


def one_at_a_time(function: Callable[P, T]) -> Callable[P, T]:
    """Let only one thread at a time be in any of the functions that are decorated with this."""

    @wraps(function)
    def turn(*args: P.args, **kwargs: P.kwargs) -> T:
        with LOCK:
            return function(*args, **kwargs)

    return turn
