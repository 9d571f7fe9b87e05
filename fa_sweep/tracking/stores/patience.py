"""Repeat requests to a store and limit the waiting, so that one lost or garbled answer does not fail an import."""

import queue
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from fa_sweep.errors import StoreClosed, TrackingError

T = TypeVar("T")
ATTEMPTS = 4  # the most times that a failing request is sent, unless the server is busy
PASSES = 3  # the most times that something is written and looked for before the store counts as faulty
PAUSE_S = 0.1  # pause before the second attempt; it doubles before each further one
SILENCE_S = 2.0  # after this time without an answer, the user is told that the program is waiting


class Patience:
    """Sends requests to a store, repeats the ones that fail, and gives up if no answer comes in time.

    A request may be repeated although it was carried out, because its answer may have been lost. Every request must therefore
    leave the same rows if it is made twice.
    """

    def __init__(self, who: str, seconds: float, say: Callable[[str], None], *, hopeless: Callable[[Exception], bool]) -> None:
        """Prepare for requests to one store.

        Args:
            who: The store's name in messages, without a password.
            seconds: How long all attempts at one request may take together, in seconds.
            say: Called once, with a line for the user, when the store is slow to answer.
            hopeless: Returns whether an error means that repeating the request cannot help, for example after a refusal.
        """
        self.who, self.seconds = who, seconds
        self._say, self._hopeless, self._told = say, hopeless, False
        self._answered = time.monotonic()

    def ask(self, call: Callable[[], T], *, threaded: bool = True) -> T:
        """Make a request and return its result; repeat it if it fails.

        At most `ATTEMPTS` attempts are made. If the server is busy (HTTP status 429 or 503), they go on until the time is up.

        Args:
            call: Makes the request.
            threaded: Whether each attempt runs in a thread of its own, which is abandoned if no answer comes in time. Without a
                thread, a call that hangs is not interrupted. Requests to a local file need no thread.

        Raises:
            StoreClosed: If no answer comes in time.
            Exception: The error of the last attempt.
        """
        attempt = 0
        self._answered = time.monotonic()  # the time since the last request does not count as waiting
        while True:
            try:
                return self._within(call) if threaded else call()
            except StoreClosed:
                raise
            except Exception as error:
                attempt += 1
                pause = PAUSE_S * 2 ** (attempt - 1)
                # MLflow's messages contain the HTTP status. After these two, a later attempt may succeed.
                busy = " 429 " in str(error) or " 503 " in str(error)
                if self._hopeless(error) or (attempt >= ATTEMPTS and not busy) or pause > self._left():
                    raise
                time.sleep(pause)

    def until(self, do: Callable[[], None], done: Callable[[], bool], what: str) -> None:
        """Write something and check that the store has it. If it is missing, write and check again.

        Args:
            do: Writes to the store.
            done: Returns whether the store has what was written.
            what: What is written, for the error message.

        Raises:
            TrackingError: If the store still does not have it after `PASSES` writes.
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
