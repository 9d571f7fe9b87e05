"""How long a store is waited for, and what is asked twice: one answer that is lost or garbled should lose no import."""

import queue
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from fa_sweep.errors import StoreClosed, TrackingError

T = TypeVar("T")
ATTEMPTS = 4
PASSES = 3  # how often what was added is looked for, and added again if it is missing
PAUSE_S = 0.1  # before the second attempt; each further one waits twice as long
SILENCE_S = 2.0  # after which the user is told what is waited for


class Patience:
    """Asks a store, again where an answer was lost, and gives it up if it says nothing for too long.

    Everything that is asked must leave the same rows when it is asked again.
    """

    def __init__(self, who: str, seconds: float, say: Callable[[str], None], *, hopeless: Callable[[Exception], bool]) -> None:
        """Wait for `who` for so many seconds without an answer.

        Args:
            who: The store as the user may see it.
            seconds: Longest time without an answer, in seconds.
            say: Tells the user what is waited for, once.
            hopeless: Whether asking again cannot help: the store understood, and refused.
        """
        self.who, self.seconds = who, seconds
        self._say, self._hopeless, self._told = say, hopeless, False
        self._answered = time.monotonic()

    def ask(self, call: Callable[[], T], *, threaded: bool = True) -> T:
        """Return what a call returns.

        Args:
            call: What to do.
            threaded: Do it in a thread that can be left behind. Pointless for a file.

        Raises:
            StoreClosed: If there is no answer in time.
            Exception: What the call raised in the end.
        """
        attempt = 0
        self._answered = time.monotonic()  # the time between two questions is not the store's
        while True:
            try:
                return self._within(call) if threaded else call()
            except StoreClosed:
                raise
            except Exception as error:
                attempt += 1
                pause = PAUSE_S * 2 ** (attempt - 1)
                busy = " 429 " in str(error) or " 503 " in str(error)  # as MLflow words it: it will take questions again
                if self._hopeless(error) or (attempt >= ATTEMPTS and not busy) or pause > self._left():
                    raise
                time.sleep(pause)

    def until(self, do: Callable[[], None], done: Callable[[], bool], what: str) -> None:
        """Do something until the store says that it has it.

        Raises:
            TrackingError: the store said `PASSES` times that it took it, and does not have it.
        """
        for _ in range(PASSES):
            do()
            if done():
                return
        raise TrackingError(f"{self.who} says that it took {what}, and does not have it")

    def _left(self) -> float:
        return self._answered + self.seconds - time.monotonic()

    def _within(self, call: Callable[[], T]) -> T:
        answers: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()

        def work() -> None:
            try:
                answers.put((True, call()))
            except BaseException as error:
                answers.put((False, error))

        threading.Thread(target=work, daemon=True).start()
        try:
            done, answer = answers.get(timeout=max(0.0, min(SILENCE_S, self._left())))
        except queue.Empty:
            if not self._told and self._left() > 0:
                self._say(f"waiting for {self.who} ({self.seconds:g} s at most)")
                self._told = True
            try:
                done, answer = answers.get(timeout=max(0.0, self._left()))
            except queue.Empty:
                raise StoreClosed(f"{self.who} has not answered for {self.seconds:g} s") from None
        if not done:
            raise answer
        result: T = answer
        return result
