"""Waits for events on a machine of any speed: the time limit only ends a test that hangs."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 600.0  # seconds; no test needs a tenth of it on an idle machine


def until(ready: Callable[[], T], what: str, seconds: float = PATIENCE) -> T:
    """Call `ready` until its answer is true, and return that answer; `what` names the awaited event in the error message."""
    deadline = time.monotonic() + seconds
    while not (answer := ready()):
        assert time.monotonic() < deadline, f"still waiting for {what}"
        time.sleep(0.02)
    return answer
