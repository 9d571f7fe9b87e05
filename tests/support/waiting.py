"""Waiting for what will happen, however slow the machine: no test bets on a time, a limit only ends one that hangs."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 600.0  # seconds; nothing here takes a tenth of it on an idle machine


def until(ready: Callable[[], T], what: str, seconds: float = PATIENCE) -> T:
    """Return the first true answer of `ready`; `what` ought to happen."""
    deadline = time.monotonic() + seconds
    while not (answer := ready()):
        assert time.monotonic() < deadline, f"still waiting for {what}"
        time.sleep(0.02)
    return answer
